"""The whole pipeline on rendered clips, from videos to figures, checked against the known truth."""

from __future__ import annotations

import csv
import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray

if TYPE_CHECKING:
    from la2ds_cli.alignment.result import AlignResult

PRESET = "demo"
CLIPS = 16
TEST_EVERY = 4  # the clips are ordered by viewpoint
NEIGHBOURS = 7


def run_demo(
    folder: Path,
    *,
    clips: int = CLIPS,
    minutes: float = 1.5,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Render clips into folder/videos and take them through every step; returns the document for
    `--json`: the results of the steps, and the error of an alignment (`check_truth`).

    clips: at least 8, of which every fourth is for testing; minutes: time limit of training.
    Running it again reuses whatever is current. Raises UserError (exit 2) if `folder` is another
    kind of project, and whatever the steps raise.
    """
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.embedding.embed import embed
    from la2ds_cli.evaluation.evaluate import Request, evaluate
    from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
    from la2ds_cli.retrieval.search import Limits
    from la2ds_cli.training.train import TrainOptions, train
    from la2ds_cli.views import retrieval_sheet
    from la2ds_cli.views.alignment_files import write_alignment

    progress = progress or Progress()
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
    aligned = find_alignment(project, a, b, AlignRequest(config, device=device), progress)
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
    """Videos, phases, poses and heatmaps; every TEST_EVERY-th clip is for testing."""
    from la2ds_cli.demo.clips import write_demo_clips
    from la2ds_cli.features.heatmap_cache import cache_heatmaps
    from la2ds_cli.poses.extract import ExtractOptions, extract_poses

    folder = project.root / "videos"
    if not (folder / "truth.csv").exists():  # written last, so the clips are complete
        progress.begin(f"rendering {clips} clips")
        write_demo_clips(folder, clips, seed=0)
        progress.end()
    shutil.copyfile(folder / "phases.csv", project.phases_path)
    options = ExtractOptions(device=device)
    extract_poses(project, [str(folder)], config.poses, options, progress=progress)
    cache_heatmaps(project, config.heatmap, progress=progress)
    videos = sorted(project.videos(), key=lambda video: video.path)
    project.add_videos(
        replace(video, split="test" if number % TEST_EVERY == TEST_EVERY // 2 else "train")
        for number, video in enumerate(videos)
    )


def _least_alike(project: Project, truth: dict[str, FloatArray]) -> tuple[str, str]:
    """The two test clips whose true speeds differ most: a constant speed fails there."""
    test = [video.id for video in project.videos() if video.split == "test"]

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
    return {v.id: np.array(phase[project.source(v).name]) for v in project.videos()}


def check_truth(result: AlignResult, phase_a: FloatArray, phase_b: FloatArray) -> dict[str, Any]:
    """Compare an alignment of two demo clips with the phases from which they were rendered.

    a, b: ids. frames: number of compared frames of A; length: frames of B. median_error: of the
    alignment in frames of B; clock_median_error: of a constant speed.
    """
    alignment = result.alignment
    a, b = phase_a[alignment.frame_a], phase_b[alignment.frame_b]
    error, of_clock = (
        counterpart_error(frame, a, b) for frame in (alignment.position, constant_speed(a, b))
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
    """(N,) frames of B (M,) that match those of A (N,) from the first to the last."""
    return np.linspace(0, len(b) - 1, len(a))


def counterpart_error(frame: FloatArray, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """|frame - truth| in frames of B, for the matched positions `frame` (N,) in B of frames of A.

    Frames of equal phase correspond. phase_a (N,): phases of these frames; phase_b (M,): strictly
    increasing. NaN positions and phases that B does not show are left out.
    """
    truth = np.interp(phase_a, phase_b, np.arange(len(phase_b)))
    shown = (phase_a >= phase_b[0]) & (phase_a <= phase_b[-1]) & ~np.isnan(frame)
    return np.abs(frame - truth)[shown]
