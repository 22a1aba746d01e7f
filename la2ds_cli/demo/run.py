"""`la2ds demo`: from videos to a film, page and picture of an alignment, on rendered clips whose
true alignment is known.

Training and evaluation, which take longer than everything else, are optional.
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.confidence import SURE
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import temporary_beside, write_text
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.demo_clips import write_demo_clips
from la2ds_cli.features.heatmap_cache import cache_heatmaps
from la2ds_cli.network.embed import embed
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.retrieval.frame_search import Limits
from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
from la2ds_cli.views import retrieval_sheet
from la2ds_cli.views.alignment_files import write_alignment
from la2ds_cli.views.report.pair import write_pair
from la2ds_cli.views.sync import write_sync

if TYPE_CHECKING:
    from la2ds_cli.alignment.alignment import Alignment
    from la2ds_cli.training.train import TrainResult

PRESET = "demo"
_TRUTH = "truth.csv"  # in the folder of the videos
CLIPS = 16
TEST_EVERY = 4  # the clips are ordered by viewpoint
NEIGHBOURS = 7
MINUTES = 1.5  # of training


def run_demo(
    folder: Path,
    *,
    clips: int = CLIPS,
    training: bool = False,
    minutes: float = MINUTES,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Render clips into folder/videos, extract their poses, align two of them, and write a film, a
    page and a picture of the alignment.

    Files that are up to date are reused.

    Parameters
    ----------
    clips: at least 8, of which every fourth is for testing.
    training: also train and evaluate.
    minutes: time limit of training.

    Returns
    -------
    dict: the document for `--json`: the error of the alignment (`check_truth`), and the files with
        their descriptions; with `training`, also the results of training and evaluation.

    Raises
    ------
    UserError: exit 2 if `folder` is another kind of project, and whatever the steps raise.
    """
    project = _demo_project(folder)
    config = project.config()
    _add_clips(project, clips, config, device, progress)
    trained = _train(project, config, minutes, device, progress) if training else None
    truth = read_truth(project)
    a, b = _least_alike(project, truth)
    names = project.clip(a).name, project.clip(b).name  # as a person would call them
    aligned = align_clips(project, *names, AlignRequest(config, device=device), progress)
    files = _write_views(project, aligned, progress)
    document: dict[str, Any] = {
        "project": str(project.root),
        "clips": len(project.videos()),
        "truth": check_truth(aligned, truth[a], truth[b]),
        "files": files,
    }
    if trained is not None:
        files.append(_write_neighbours(project, a, trained.run, device, progress))
        document["training"] = trained.to_json()
        document["evaluation"] = _evaluate(project, config, device, progress)
    return document


def _demo_project(folder: Path) -> StoredProject:
    """Return the project of the demo, created if there is none; raise UserError (exit 2) if the
    folder contains anything else."""
    videos = folder / "videos"
    if videos.is_dir() and any(videos.iterdir()) and not (videos / _TRUTH).exists():
        raise UserError(
            f"{videos} contains files that the demo did not write",
            hint="choose another folder for the demo: la2ds demo DIR",
        )
    project = StoredProject.create(folder, {"preset": PRESET})
    if project.settings.get("preset") != PRESET:
        raise UserError(
            f"{project.root} is a project of your own, not a demo",
            hint="choose another folder for the demo: la2ds demo DIR",
        )
    return project


def _add_clips(
    project: StoredProject, clips: int, config: Config, device: DeviceName, progress: Progress
) -> None:
    """Add videos, phases and poses; every TEST_EVERY-th clip is for testing. Existing phases and
    splits stay."""
    folder = project.root / "videos"
    if not (folder / _TRUTH).exists():
        progress.begin(f"rendering {clips} clips")
        with temporary_beside(folder, folder=True) as temporary:
            written = temporary / folder.name
            write_demo_clips(written, clips, seed=0)
            if folder.is_dir():
                folder.rmdir()
            written.rename(folder)  # at once, so that no incomplete folder is ever used
        progress.end()
    if not project.phases_path.exists():
        write_text(project.phases_path, regular_file.text(folder / "phases.csv"))
    options = ExtractOptions(device=device)
    extract_poses(project, [str(folder)], config.poses, options, progress=progress)
    videos = sorted(_rendered(project), key=lambda video: video.path)
    project.add_videos(
        replace(video, split="test" if number % TEST_EVERY == TEST_EVERY // 2 else "train")
        for number, video in enumerate(videos)
        if not video.split
    )


# --- film, page and picture ---------------------------------------------------------------------


def _described(file: Path, shows: str) -> dict[str, str]:
    return {"file": str(file), "shows": shows}


def _write_views(
    project: StoredProject, aligned: Alignment, progress: Progress
) -> list[dict[str, str]]:
    """Write the film, the page and the picture of an alignment, and return them with their
    descriptions."""
    film, page, picture = (
        project.results_dir(step) / f"demo{suffix}"
        for step, suffix in (("sync", ".mp4"), ("report", ".html"), ("align", ".png"))
    )
    write_sync(project, aligned, progress, out=film)
    write_pair(project, aligned, out=page, progress=progress)
    write_alignment(project, aligned, [picture], progress)
    return [
        _described(film, "both performers in step, as a film"),
        _described(page, "the same in a browser, frame by frame, with angles and certainty"),
        _described(picture, "which moments of A and B match, and how certain that is"),
    ]


def _write_neighbours(
    project: StoredProject, clip: str, run: str, device: DeviceName, progress: Progress
) -> dict[str, str]:
    """Write the nearest frames of other clips for some frames of a clip, by a trained run."""
    sheet = project.results_dir("retrieve") / "demo.png"
    request = RetrievalRequest(clip, Limits(NEIGHBOURS), run=run, device=device)
    retrieval_sheet.write(project, retrieve(project, request, progress), [sheet], progress)
    return _described(sheet, "the most similar frames of other performers, by the trained run")


# --- optional training -------------------------------------------------------------------------


def _train(
    project: StoredProject, config: Config, minutes: float, device: DeviceName, progress: Progress
) -> TrainResult:
    """Train a run on the clips, and embed all of them with it."""
    from la2ds_cli.training.train import TrainOptions, train

    cache_heatmaps(project, config.heatmap, progress=progress)
    options = TrainOptions(device, minutes)
    trained = train(project, config=config, options=options, progress=progress)
    embed(project, run=trained.run, device=device, progress=progress)
    return trained


def _evaluate(
    project: StoredProject, config: Config, device: DeviceName, progress: Progress
) -> dict[str, Any]:
    from la2ds_cli.evaluation.evaluate import Request, evaluate

    return evaluate(Request(project, config, device=device), progress=progress).document


# --- the aligned pair --------------------------------------------------------------------------


def _rendered(project: StoredProject) -> list[Video]:
    """Return the clips of the demo, without those that users have added."""
    folder = project.root / "videos"
    return [video for video in project.videos() if project.source(video).parent == folder]


def _least_alike(project: StoredProject, truth: dict[str, FloatArray]) -> tuple[str, str]:
    """Return the two test clips whose speeds differ most, so that constant speed fails."""
    test = [video.id for video in _rendered(project) if video.split == "test"]
    test = test if len(test) > 1 else list(truth)

    def difference(pair: tuple[str, str]) -> float:
        a, b = (truth[video] for video in pair)
        return float(np.median(counterpart_error(constant_speed(a, b), a, b)))

    return max(itertools.combinations(test, 2), key=difference)


# --- distance from the truth -------------------------------------------------------------------


def read_truth(project: StoredProject) -> dict[str, FloatArray]:
    """Return the phase (T,) in [0, 1] of every frame, by clip id, from videos/truth.csv."""
    phase: dict[str, list[float]] = {}
    with regular_file.opened_text(project.root / "videos" / "truth.csv", newline="") as handle:
        for row in csv.DictReader(handle):
            phase.setdefault(row["video"], []).append(float(row["phase_value"]))
    return {v.id: np.array(phase[project.source(v).name]) for v in _rendered(project)}


def check_truth(result: Alignment, phase_a: FloatArray, phase_b: FloatArray) -> dict[str, Any]:
    """Compare an alignment of two demo clips with their true phases.

    a, b: the clips. sure: number of frames of A whose match is sure, out of frames_of_a. frames:
    number of compared frames. length: frames of B. median_error: of the alignment, in frames of B.
    clock_median_error: of a constant speed.
    """
    a, b = phase_a[result.frame_a], phase_b[result.frame_b]
    error, clock_error = (
        counterpart_error(frame, a, b) for frame in (result.position, constant_speed(a, b))
    )
    return {
        "a": {"video": result.a.id, "path": result.a.path},
        "b": {"video": result.b.id, "path": result.b.path},
        "frames": len(error),
        "length": len(phase_b),
        "median_error": float(np.median(error)),
        "clock_median_error": float(np.median(clock_error)),
        "sure": result.frame_counts[SURE],
        "frames_of_a": len(phase_a),
    }


def constant_speed(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the frames (N,) of B (M,) that match those of A (N,) at constant speed."""
    return np.linspace(0, len(b) - 1, len(a))


def counterpart_error(frame: FloatArray, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """Return |frame - truth| in frames of B; frames of equal phase correspond.

    NaN positions and phases that B does not show are left out.

    Parameters
    ----------
    frame: (N,) matched positions in B of the frames of A.
    phase_a: (N,) phases of the frames of A.
    phase_b: (M,) phases of the frames of B, strictly increasing.
    """
    truth = np.interp(phase_a, phase_b, np.arange(len(phase_b)))
    shown = (phase_a >= phase_b[0]) & (phase_a <= phase_b[-1]) & ~np.isnan(frame)
    return np.abs(frame - truth)[shown]
