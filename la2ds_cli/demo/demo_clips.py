"""Short videos of different rendered people doing one movement, with the true correspondences.

Every clip has its own body, style, clothes, background, camera, speed profile and trimming, so
aligning two clips is a real task with a known answer: frames of equal phase correspond. `la2ds
demo` runs the whole pipeline on them, from videos to figures, and checks it against that answer.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.alignment.project_aligner import align_clips
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import temporary_beside, write_text
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.performer import (
    COCO17,
    POINT,
    Body,
    forward_kinematics,
    movement,
    phase_name,
    random_appearance,
    random_body,
    random_style,
)
from la2ds_cli.demo.render import Camera, add_shadow, draw_person, look_at, random_background
from la2ds_cli.features.heatmap_cache import cache_heatmaps
from la2ds_cli.network.embed import embed
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.retrieval.frame_search import Limits
from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
from la2ds_cli.video.reader import Image, write_video
from la2ds_cli.views import retrieval_sheet
from la2ds_cli.views.alignment_files import write_alignment

if TYPE_CHECKING:
    from la2ds_cli.alignment.alignment import Alignment


FPS = 30
SIZE = (240, 320)  # (W, H), portrait, as filmed with a phone
JOINTS = len(COCO17.joints)


@dataclass(frozen=True)
class DemoClip:
    """One written video and its ground truth.

    ``phase`` (T,) is strictly increasing in [0, 1]; ``time`` (T,) is in seconds from the first
    frame; ``xy`` (T, 17, 2) float32 are the true COCO joints in pixels, never NaN.
    """

    path: Path
    phase: FloatArray
    time: FloatArray
    xy: FloatArray


def write_demo_clips(folder: Path, n: int = 8, seed: int = 0) -> list[DemoClip]:
    """Write ``n`` clips, ``truth.csv`` and ``phases.csv`` into ``folder`` (created if missing).

    ``truth.csv``: video, frame, time (s), phase_value in [0, 1]. ``phases.csv``: video, start, end
    (frames, end exclusive), phase name. Both name videos by file name. The same ``n`` and ``seed``
    give the same bytes with the same release of FFmpeg.

    Raises
    ------
    ValueError: for ``n`` < 1.
    """
    if n < 1:
        raise ValueError(f"the number of demo clips must be at least 1, not {n}")
    folder.mkdir(parents=True, exist_ok=True)
    clips = [_write_clip(folder, index, n, seed) for index in range(n)]
    phases = table_text(("video", "start", "end", "phase"), list(_phases(clips)))
    write_text(folder / "phases.csv", phases)
    # Written last, so that its presence shows that all other files are complete.
    rows = [
        (clip.path.name, frame, f"{frame / FPS:.6f}", f"{phase:.6f}")
        for clip in clips
        for frame, phase in enumerate(clip.phase)
    ]
    truth = table_text(("video", "frame", "time", "phase_value"), rows)
    write_text(folder / "truth.csv", truth)
    return clips


def random_phase(rng: np.random.Generator) -> FloatArray:
    """Phase (T,) of a performance of 2-4 s: trimmed at both ends, with varying speed.

    The speed is the exponential of a few random sinusoids, so it varies smoothly by a factor of
    about two in both directions and is never 0.
    """
    start, end = rng.uniform(0.0, 0.14), rng.uniform(0.88, 1.0)
    frames = round(rng.uniform(2.0, 4.0) * FPS)
    clock = np.linspace(0, 1, frames)
    log_speed = np.zeros(frames)
    for cycles in (0.5, 1.0, 1.7):
        log_speed += rng.normal(0, 0.4) * np.sin(2 * np.pi * (cycles * clock + rng.random()))
    passed = np.concatenate([[0.0], np.cumsum(np.exp(log_speed[1:]))])
    return start + (end - start) * passed / passed[-1]


def performed(index: int, n: int, seed: int, noise: float = 0.0) -> tuple[PoseSequence, FloatArray]:
    """Return the true joints of clip `index` of write_demo_clips(n=n, seed=seed), and its phase
    (T,).

    Nothing is rendered.

    Parameters
    ----------
    noise: standard deviation in pixels of the noise added to every joint. The joints in metres are
        exact and relative to the hips.
    """
    rng = np.random.default_rng([seed, index])
    _, phase, world, camera = _performance(rng, (index + 0.5) / n)
    xy, in_space = joints_seen(camera, world)
    drawn = np.random.default_rng([seed, index, 1]).normal(0, 1, xy.shape)
    return replace(clip_of_joints(xy, in_space), xy=xy + drawn * noise), phase


def joints_seen(camera: Camera, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the joints of points (T, P, 3) in metres, as a camera sees them: (T, 17, 2) in pixels,
    and (T, 17, 3) in metres along the camera axes, relative to the hips."""
    joints = points[:, :JOINTS]
    return camera.project(joints), (joints - points[:, [POINT["pelvis"]]]) @ camera.rotation.T


def clip_of_joints(xy: FloatArray, world: FloatArray) -> PoseSequence:
    """Return a clip of joints from `joints_seen`, all of them visible."""
    return PoseSequence(
        xy=xy,
        score=np.ones(xy.shape[:2]),
        box=np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1),
        frame=np.arange(len(xy)),
        time=np.arange(len(xy)) / FPS,
        fps=FPS,
        size=SIZE,
        skeleton="coco17",
        world=world,
    )


def _performance(
    rng: np.random.Generator, share: float
) -> tuple[Body, FloatArray, FloatArray, Camera]:
    """Body, phase (T,), points (T, P, 3) in metres and camera of one performer. share: in [0, 1],
    spreads the clips over viewpoints from left to right."""
    body, phase = random_body(rng), random_phase(rng)
    world = forward_kinematics(body, movement(phase, random_style(rng)))
    azimuth = -1.0 + 2.0 * share + rng.normal(0, 0.15)
    return body, phase, world, camera_at(rng, world, azimuth)


def _write_clip(folder: Path, index: int, n: int, seed: int) -> DemoClip:
    rng = np.random.default_rng([seed, index])
    body, phase, world, camera = _performance(rng, (index + 0.5) / n)
    path = folder / f"performer-{index + 1:02d}.mp4"
    write_video(path, drawn_frames(rng, world, body, camera), FPS)
    xy = camera.project(world[:, :JOINTS]).astype(np.float32)
    return DemoClip(path, phase, np.arange(len(phase)) / FPS, xy)


def camera_at(rng: np.random.Generator, world: FloatArray, azimuth: float) -> Camera:
    """Return a static camera at `azimuth` radians (look_at) that keeps the performance in the
    picture."""
    low, high = world.min(axis=(0, 1)), world.max(axis=(0, 1))
    wide = look_at(
        (low + high) / 2,
        azimuth=azimuth,
        elevation=float(rng.uniform(0.0, 0.25)),
        distance=float(rng.uniform(3.8, 6.5)),
        focal=400.0,
        size=SIZE,
        roll=float(rng.normal(0, 0.02)),
    )
    xy = wide.project(world).reshape(-1, 2)
    low, high = xy.min(axis=0), xy.max(axis=0)
    extent = float(((high - low) / SIZE).max()) * rng.uniform(1.15, 1.35)
    half = np.array(SIZE) * extent / 2
    centre = (low + high) / 2 + rng.uniform(-0.1, 0.1, 2) * half
    return wide.crop(np.concatenate([centre - half, centre + half]), SIZE)


def drawn_frames(
    rng: np.random.Generator, world: FloatArray, body: Body, camera: Camera
) -> Iterator[Image]:
    """Yield images of one performance, the points `world` (T, P, 3), frame by frame."""
    feet = [POINT["left_ankle"], POINT["right_ankle"]]
    floor = camera.project(world[:, feet].mean(axis=1) * (1, 1, 0))  # (T, 2)
    metre = float(np.mean(camera.focal) / camera.depth(world.mean(axis=(0, 1))))
    wall = float(floor[:, 1].min() - metre * rng.uniform(0.15, 0.5))
    background = random_background(rng, SIZE, wall)
    appearance, grain = random_appearance(rng), rng.uniform(1.0, 4.0)
    for t in range(len(world)):
        image = background.copy()
        add_shadow(image, floor[t], 0.35 * metre, 0.4)
        draw_person(image, world[t], body, appearance, camera)
        noise = rng.normal(0, grain, image.shape[:2]).astype(np.float32)[..., None]
        yield np.clip(image + noise, 0, 255).astype(np.uint8)


def _phases(clips: list[DemoClip]) -> Iterator[tuple[object, ...]]:
    for clip in clips:
        start = 0
        for name, rows in groupby(map(phase_name, clip.phase.tolist())):
            end = start + len(list(rows))
            yield clip.path.name, start, end, name
            start = end


# --- the whole pipeline ------------------------------------------------------------------------

PRESET = "demo"
_TRUTH = "truth.csv"  # in the folder of the videos
CLIPS = 16
TEST_EVERY = 4  # the clips are ordered by viewpoint
NEIGHBOURS = 7


def run_demo(
    folder: Path,
    *,
    clips: int = CLIPS,
    minutes: float = 1.5,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Render clips into folder/videos and take them through every step; returns the document for
    `--json`: the results of the steps, and the error of an alignment (`check_truth`).

    Parameters
    ----------
    clips: at least 8, of which every fourth is for testing.
    minutes: time limit of training. Running it again reuses whatever is current.

    Raises
    ------
    UserError: exit 2 if `folder` is another kind of project, and whatever the steps raise.
    """
    from la2ds_cli.evaluation.evaluate import Request, evaluate
    from la2ds_cli.training.train import TrainOptions, train

    videos = folder / "videos"
    if videos.is_dir() and any(videos.iterdir()) and not (videos / _TRUTH).exists():
        raise UserError(
            f"{videos} holds files that the demo did not write",
            hint="choose another folder for the demo: la2ds demo DIR",
        )
    project = Project.create(folder, {"preset": PRESET})
    if project.settings.get("preset") != PRESET:
        raise UserError(
            f"{project.root} is a project of your own, not a demo",
            hint="choose another folder for the demo: la2ds demo DIR",
        )
    config = project.config()
    _add_clips(project, clips, config, device, progress)
    options = TrainOptions(device, minutes)
    trained = train(project, config=config, options=options, progress=progress)
    embed(project, run=trained.run, device=device, progress=progress)
    truth = read_truth(project)
    a, b = _least_alike(project, truth)
    aligned = align_clips(project, a, b, AlignRequest(config, device=device), progress)
    picture, sheet = (project.results_dir(step) / "demo.png" for step in ("align", "retrieve"))
    write_alignment(project, aligned, [picture], progress)
    request = RetrievalRequest(a, Limits(NEIGHBOURS), run=trained.run, device=device)
    retrieval_sheet.write(project, retrieve(project, request, progress), [sheet], progress)
    evaluated = evaluate(Request(project, config, device=device), progress=progress)
    return {
        "project": str(project.root),
        "clips": len(project.videos()),
        "training": trained.to_json(),
        "truth": check_truth(aligned, truth[a], truth[b]),
        "evaluation": evaluated.document,
        "pictures": [str(picture), str(sheet)],
    }


def _add_clips(
    project: Project, clips: int, config: Config, device: DeviceName, progress: Progress
) -> None:
    """Videos, phases, poses and heatmaps; every TEST_EVERY-th clip is for testing. Phases and
    splits that are there stay."""
    folder = project.root / "videos"
    if not (folder / _TRUTH).exists():
        progress.begin(f"rendering {clips} clips")
        with temporary_beside(folder, folder=True) as temporary:
            written = temporary / folder.name
            write_demo_clips(written, clips, seed=0)
            if folder.is_dir():
                folder.rmdir()
            written.rename(folder)  # all at once, so that no part is taken for the whole
        progress.end()
    if not project.phases_path.exists():
        write_text(project.phases_path, regular_file.text(folder / "phases.csv"))
    options = ExtractOptions(device=device)
    extract_poses(project, [str(folder)], config.poses, options, progress=progress)
    cache_heatmaps(project, config.heatmap, progress=progress)
    videos = sorted(_rendered(project), key=lambda video: video.path)
    project.add_videos(
        replace(video, split="test" if number % TEST_EVERY == TEST_EVERY // 2 else "train")
        for number, video in enumerate(videos)
        if not video.split
    )


def _rendered(project: Project) -> list[Video]:
    """Return the clips of the demo, without those that somebody has added."""
    folder = project.root / "videos"
    return [video for video in project.videos() if project.source(video).parent == folder]


def _least_alike(project: Project, truth: dict[str, FloatArray]) -> tuple[str, str]:
    """Return the two test clips whose true speeds differ most: a constant speed fails there."""
    test = [video.id for video in _rendered(project) if video.split == "test"]
    test = test if len(test) > 1 else list(truth)

    def difference(pair: tuple[str, str]) -> float:
        a, b = (truth[video] for video in pair)
        return float(np.median(counterpart_error(constant_speed(a, b), a, b)))

    return max(itertools.combinations(test, 2), key=difference)


# --- distance from the truth -------------------------------------------------------------------


def read_truth(project: Project) -> dict[str, FloatArray]:
    """Phase (T,) float64 in [0, 1] of every frame, by the clip's id, from videos/truth.csv."""
    phase: dict[str, list[float]] = {}
    with regular_file.opened_text(project.root / "videos" / "truth.csv", newline="") as handle:
        for row in csv.DictReader(handle):
            phase.setdefault(row["video"], []).append(float(row["phase_value"]))
    return {v.id: np.array(phase[project.source(v).name]) for v in _rendered(project)}


def check_truth(result: Alignment, phase_a: FloatArray, phase_b: FloatArray) -> dict[str, Any]:
    """Compare an alignment of two demo clips with the phases from which they were rendered.

    a, b: ids. frames: number of compared frames of A; length: frames of B. median_error: of the
    alignment in frames of B; clock_median_error: of a constant speed.
    """
    a, b = phase_a[result.frame_a], phase_b[result.frame_b]
    error, of_clock = (
        counterpart_error(frame, a, b) for frame in (result.position, constant_speed(a, b))
    )
    return {
        "a": result.a.id,
        "b": result.b.id,
        "frames": len(error),
        "length": len(phase_b),
        "median_error": float(np.median(error)),
        "clock_median_error": float(np.median(of_clock)),
    }


def constant_speed(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return (N,) frames of B (M,) that match those of A (N,) from the first to the last."""
    return np.linspace(0, len(b) - 1, len(a))


def counterpart_error(frame: FloatArray, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """|frame - truth| in frames of B, for the matched positions `frame` (N,) in B of frames of A.

    Frames of equal phase correspond. phase_a (N,): phases of these frames; phase_b (M,): strictly
    increasing. NaN positions and phases that B does not show are left out.
    """
    truth = np.interp(phase_a, phase_b, np.arange(len(phase_b)))
    shown = (phase_a >= phase_b[0]) & (phase_a <= phase_b[-1]) & ~np.isnan(frame)
    return np.abs(frame - truth)[shown]
