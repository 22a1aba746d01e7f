"""The whole pipeline on rendered clips, from videos to figures, checked against the known truth."""

from __future__ import annotations

import csv
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Alignment, FloatArray

if TYPE_CHECKING:
    from la2ds_cli.alignment.result import AlignResult
    from la2ds_cli.retrieval.retrieve import RetrievalResult
    from la2ds_cli.training.train import TrainResult

PRESET = "demo"
CLIPS = 16
TEST_EVERY = 4  # the clips are ordered by viewpoint
NEIGHBOURS = 7


@dataclass(frozen=True)
class TruthCheck:
    """Median error of the alignment in frames of B, and that of a constant speed.

    frames: number of compared frames of A; length: frames of B.
    """

    frames: int
    length: int
    median_error: float
    clock_median_error: float


@dataclass(frozen=True)
class DemoResult:
    """The outcome of the demo. pictures: files to look at, in order."""

    project: Path
    clips: int
    training: TrainResult
    alignment: AlignResult
    truth: TruthCheck
    retrieval: RetrievalResult
    evaluation: dict[str, Any]
    pictures: list[Path]

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        return {
            "project": str(self.project),
            "clips": self.clips,
            "training": self.training.to_json(),
            "truth": asdict(self.truth),
            "evaluation": self.evaluation,
            "pictures": [str(path) for path in self.pictures],
        }


def run_demo(
    folder: Path,
    *,
    clips: int = CLIPS,
    minutes: float = 1.5,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> DemoResult:
    """Render clips into folder/videos and take them through every step.

    clips: at least 8, of which every fourth is for testing; minutes: time limit of training.
    Running it again reuses whatever is current. Raises UserError (exit 2) if `folder` is another
    kind of project, and whatever the steps raise.
    """
    progress = progress or Progress()
    project = _open(folder)
    config = project.config()
    _render(project, clips, progress)
    results = _poses(project, config, device, progress)
    _split(project)
    return _learn_and_measure(project, config, results, minutes, device, progress)


def _open(folder: Path) -> Project:
    project = Project.create(folder, {"preset": PRESET})
    if project.settings.get("preset") != PRESET:
        raise UserError(
            f"{project.root} is a project of your own, not a demo",
            hint="choose another folder for the demo: la2ds demo DIR",
        )
    return project


def _videos(project: Project) -> Path:
    return project.root / "videos"


def _render(project: Project, clips: int, progress: Progress) -> None:
    from la2ds_cli.demo.clips import write_demo_clips

    folder = _videos(project)
    if not (folder / "truth.csv").exists():  # written last, so the clips are complete
        progress.begin(f"rendering {clips} clips")
        write_demo_clips(folder, clips, seed=0)
        progress.end()
    shutil.copyfile(folder / "phases.csv", project.phases_path)


def _poses(
    project: Project, config: Config, device: DeviceName, progress: Progress
) -> list[ItemResult]:
    from la2ds_cli.features.heatmap_cache import cache_heatmaps
    from la2ds_cli.poses.extract import ExtractOptions, extract_poses

    options = ExtractOptions(device=device)
    results = extract_poses(
        project, [str(_videos(project))], config.poses, options, progress=progress
    )
    cache_heatmaps(project, config.heatmap, progress=progress)
    return results


def _split(project: Project) -> None:
    videos = sorted(project.videos(), key=lambda video: video.path)
    project.add_videos(
        replace(video, split="test" if number % TEST_EVERY == TEST_EVERY // 2 else "train")
        for number, video in enumerate(videos)
    )


def _learn_and_measure(
    project: Project,
    config: Config,
    results: Sequence[ItemResult],
    minutes: float,
    device: DeviceName,
    progress: Progress,
) -> DemoResult:
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.embedding.embed import embed
    from la2ds_cli.evaluation.evaluate import Request, evaluate
    from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
    from la2ds_cli.retrieval.search import Limits
    from la2ds_cli.training.train import TrainOptions, train
    from la2ds_cli.views import retrieval_sheet
    from la2ds_cli.views.alignment_files import write_alignment

    options = TrainOptions(device, minutes)
    trained = train(project, config=config, options=options, progress=progress)
    embed(project, run=trained.run, device=device, progress=progress)
    a, b = _least_alike(project)
    folder = project.results_dir("align")
    aligned = find_alignment(project, a, b, AlignRequest(config, device=device), progress)
    targets = [folder / f"demo{suffix}" for suffix in (".png", ".csv", ".json")]
    aligned = write_alignment(project, aligned, targets, progress)
    sheet = project.results_dir("retrieve") / "demo.png"
    request = RetrievalRequest(a, Limits(NEIGHBOURS), run=trained.run, device=device)
    retrieval = retrieve(project, request, progress)
    retrieval = retrieval_sheet.write(project, retrieval, [sheet], progress)
    return DemoResult(
        project=project.root,
        clips=len(results),
        training=trained,
        alignment=aligned,
        truth=check_truth(project, aligned),
        retrieval=retrieval,
        evaluation=evaluate(Request(project, config, device=device), progress=progress).document,
        pictures=[folder / "demo.png", sheet],
    )


def _least_alike(project: Project) -> tuple[str, str]:
    """The two test clips whose true speeds differ most: a constant speed fails there."""
    phase = read_truth(_videos(project) / "truth.csv")
    test = [video for video in project.videos() if video.split == "test"]
    pairs = itertools.combinations([(v.id, phase[project.source(v).name]) for v in test], 2)

    def difference(pair: Any) -> float:
        (_, a), (_, b) = pair
        return float(np.median(counterpart_error(np.linspace(0, len(b) - 1, len(a)), a, b)))

    (a, _), (b, _) = max(pairs, key=difference)
    return a, b


def check_truth(project: Project, result: AlignResult) -> TruthCheck:
    """Compare an alignment of two demo clips with the phases from which they were rendered."""
    phase = read_truth(_videos(project) / "truth.csv")
    a, b = (phase[project.source(video).name] for video in (result.a, result.b))
    error = frame_error(result.alignment, a, b)
    return TruthCheck(
        frames=len(error),
        length=len(b),
        median_error=float(np.median(error)),
        clock_median_error=float(np.median(clock_error(result.alignment, a, b))),
    )


# --- distance from the truth -------------------------------------------------------------------


def read_truth(path: Path) -> dict[str, FloatArray]:
    """Phase (T,) float64 in [0, 1] of every frame, by file name, from truth.csv."""
    phase: dict[str, list[float]] = {}
    with regular_file.opened_text(path, newline="") as handle:
        for row in csv.DictReader(handle):
            phase.setdefault(row["video"], []).append(float(row["phase_value"]))
    return {video: np.array(values) for video, values in phase.items()}


def frame_error(alignment: Alignment, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """Error in frames of B for each frame of A that is matched and has a true counterpart.

    Frames of equal phase correspond. Phases increase strictly, so interpolation finds the
    counterpart. Frames of A whose phase B does not show have no counterpart and are left out.
    """
    return counterpart_error(
        alignment.position, phase_a[alignment.frame_a], phase_b[alignment.frame_b]
    )


def clock_error(alignment: Alignment, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """The same error for a constant speed from the first to the last frame."""
    frame = np.linspace(0, len(alignment.time_b) - 1, len(alignment.time_a))
    return counterpart_error(frame, phase_a[alignment.frame_a], phase_b[alignment.frame_b])


def counterpart_error(frame: FloatArray, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """|frame - truth| in frames of B, for the matched positions `frame` (N,) in B of frames of A.

    phase_a (N,): phases of these frames; phase_b (M,): strictly increasing. NaN positions and
    phases that B does not show are left out.
    """
    truth = np.interp(phase_a, phase_b, np.arange(len(phase_b)))
    shown = (phase_a >= phase_b[0]) & (phase_a <= phase_b[-1]) & ~np.isnan(frame)
    return np.abs(frame - truth)[shown]
