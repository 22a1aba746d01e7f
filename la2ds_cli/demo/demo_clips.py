"""Short videos of different rendered people doing the same movement, with true correspondences.

Every clip has its own body, style, clothes, background, camera, speed profile and trimming, so
aligning two clips is a real task with a known answer: frames of equal phase correspond.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.csv_tables import table_text
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
from la2ds_cli.video.reader import Image, write_video

FPS = 30
SIZE = (240, 320)  # (W, H), portrait, as filmed with a phone
JOINTS = len(COCO17.joints)


@dataclass(frozen=True)
class DemoClip:
    """A written video and its ground truth.

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
    # Written last: if it exists, all other files are complete.
    rows = [
        (clip.path.name, frame, f"{frame / FPS:.6f}", f"{phase:.6f}")
        for clip in clips
        for frame, phase in enumerate(clip.phase)
    ]
    truth = table_text(("video", "frame", "time", "phase_value"), rows)
    write_text(folder / "truth.csv", truth)
    return clips


def random_phase(rng: np.random.Generator) -> FloatArray:
    """Return the phase (T,) of a performance of 2-4 s: trimmed at both ends, with varying speed.

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
    """Return the true joints and the phase (T,) of clip `index` of write_demo_clips(n=n,
    seed=seed), without rendering it.

    The joints in metres are exact and relative to the hips.

    Parameters
    ----------
    noise: standard deviation in pixels of the noise added to every joint in the picture.
    """
    rng = np.random.default_rng([seed, index])
    _, phase, world, camera = _performance(rng, (index + 0.5) / n)
    xy, in_space = joints_seen(camera, world)
    drawn = np.random.default_rng([seed, index, 1]).normal(0, 1, xy.shape)
    return replace(clip_of_joints(xy, in_space), xy=xy + drawn * noise), phase


def joints_seen(camera: Camera, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the joints among points (T, P, 3) in metres as a camera sees them: (T, 17, 2) in
    pixels, and (T, 17, 3) in metres along the camera axes, relative to the hips."""
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
    """Return body, phase (T,), points (T, P, 3) in metres and camera of a performer; share: in [0,
    1], the viewpoint from left to right."""
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
    """Return a static camera at `azimuth` radians (see look_at) that shows the whole
    performance."""
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
    """Yield the images of a performance, given by its points `world` (T, P, 3)."""
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
