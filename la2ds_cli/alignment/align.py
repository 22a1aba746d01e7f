"""Step: which frame of one clip shows the same moment as which frame of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment import tables
from la2ds_cli.alignment.align_result import AlignResult
from la2ds_cli.alignment.clip_features import (
    FeatureChoice,
    FeatureKind,
    check_skeletons,
    choose_features,
)
from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.kept import Kept
from la2ds_cli.alignment.match import Match, Pair, match_by_model, match_by_pose
from la2ds_cli.alignment.methods import get_method
from la2ds_cli.alignment.path import is_monotone, speed_ratio
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.views import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (*figure.SUFFIXES, ".csv", ".json")


def align(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    run: str = DEFAULT_RUN,
    features: FeatureKind = "auto",
    method: str | None = None,
    out: Sequence[Path] = (),
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> AlignResult:
    """Align clip `b` to clip `a` and write files; see find_alignment.

    out: files to write, by suffix (SUFFIXES); existing ones are replaced; by default a figure and
    a JSON file in results/align. UserError: exit 2 for an unknown suffix and for a file of the
    project, too.
    """
    from la2ds_cli.alignment.aligned_repetitions import hint_of_repetitions

    progress = progress or Progress()
    targets = checked_outputs(project, map(Path, out), "an alignment", SUFFIXES)
    result = find_alignment(
        project,
        a,
        b,
        config=config,
        run=run,
        features=features,
        method=method,
        device=device,
        progress=progress,
    )
    hint = hint_of_repetitions(result, (a, b))
    if hint:
        progress.note(hint)
    if not targets:
        name = f"{result.a.id}--{result.b.id}"
        targets = [project.results_dir("align") / f"{name}{kind}" for kind in (".png", ".json")]
    return _write(project, result, targets, progress)


def find_alignment(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    run: str = DEFAULT_RUN,
    features: FeatureKind = "auto",
    method: str | None = None,
    device: DeviceName = "auto",
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> AlignResult:
    """Align clip `b` to clip `a`; poses and embeddings that are missing are made first.

    a, b: video files, or names of clips of the project. features: `auto` uses the run's model
    where there is one and raw poses otherwise, and says so. With raw poses B is also tried
    mirrored and the nearer of the two is kept. method: overrides config.align.method. kept: the
    same one for several clips that are aligned to `a` by the same settings saves time.

    UserError: exit 2 for an unknown method, 4 for a clip without joints or a run without weights,
    5 for clips of different skeletons, and whatever making poses raises.
    """
    progress = progress or Progress()
    ready = make_ready(project, a, b, config, run, features, method, device, progress)
    return align_ready(project, ready, run=run, device=device, progress=progress, kept=kept)


@dataclass(frozen=True)
class Ready:
    """Two clips with what is needed to align them, or parts of them: then `part`, and poses are
    those of the parts. names: as the user gave them, for messages."""

    videos: tuple[Video, Video]
    poses: tuple[PoseSequence, PoseSequence]
    names: tuple[str, str]
    choice: FeatureChoice
    settings: AlignConfig
    part: bool = False


def make_ready(
    project: Project,
    a: str,
    b: str,
    config: Config,
    run: str,
    features: FeatureKind,
    method: str | None,
    device: DeviceName,
    progress: Progress,
) -> Ready:
    """Choose the features and make the poses of both clips; as find_alignment, with its errors."""
    from la2ds_cli.poses.extract import ensure_pose
    from la2ds_cli.poses.verdict import note_weakness

    settings = replace(config.align, method=method or config.align.method)
    get_method(settings.method)
    choice = choose_features(project, run, features)
    if choice.warning:
        progress.note(choice.warning)
    ids = [ensure_pose(project, name, config.poses, device, progress) for name in (a, b)]
    videos = [_video(project, video) for video in ids]
    poses = [project.read_pose(video)[0] for video in ids]
    for name, pose in zip((a, b), poses, strict=True):
        note_weakness(progress, name, pose.info)
    check_skeletons(poses[0], poses[1], (a, b))
    if choice.reason:
        progress.note(choice.reason)
    return Ready((videos[0], videos[1]), (poses[0], poses[1]), (a, b), choice, settings)


def align_ready(
    project: Project,
    ready: Ready,
    *,
    run: str = DEFAULT_RUN,
    device: DeviceName = "auto",
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> AlignResult:
    """The alignment of the poses of `ready`; embeddings that are missing are made first. kept: as
    for find_alignment."""
    progress = progress or Progress()
    (a, b), choice, settings = ready.videos, ready.choice, ready.settings
    pair = Pair((a.id, b.id), ready.poses, ready.names, ready.part)
    if choice.kind == "model":
        match = match_by_model(project, run, pair, settings, device, progress, kept)
    else:
        match = match_by_pose(project, pair, settings, kept)
    if match.mirrored:
        progress.note(f"{ready.names[1]} fits better mirrored (left and right swapped)")
    return AlignResult(
        a,
        b,
        *ready.poses,
        _alignment(match, list(ready.poses), choice.kind, settings.method),
        match,
        _tempo(match, ready.poses[0].time, ready.poses[1].time),
        run,
        choice.reason,
        settings,
    )


def _video(project: Project, video_id: str) -> Video:
    found = project.find(video_id)
    if found is None:
        raise UserError(
            f"videos.csv does not list {video_id}",
            hint="extract or import the clip again",
            exit_code=ExitCode.MISMATCH,
        )
    return found


def _alignment(match: Match, poses: list[PoseSequence], kind: str, method: str) -> Alignment:
    return Alignment(
        path=match.path,
        position=match.position,
        cost=pair_distance(match.a, match.b, match.path),
        confidence=match.certainty.confidence,
        low=match.certainty.low,
        high=match.certainty.high,
        time_a=poses[0].time,
        time_b=poses[1].time,
        frame_a=poses[0].frame,
        frame_b=poses[1].frame,
        features=kind,
        method=method,
        mirrored=match.mirrored,
    )


def _tempo(match: Match, time_a: FloatArray, time_b: FloatArray) -> FloatArray:
    if is_monotone(match.path):
        return speed_ratio(match.position, time_a, time_b)
    return np.full(len(time_a), np.nan)


def _write(
    project: Project,
    result: AlignResult,
    targets: Sequence[Path],
    progress: Progress,
) -> AlignResult:
    def draw() -> Figure:
        from la2ds_cli.views import alignment_figure as plot

        return plot.draw(project, result)

    result = replace(result, files=tuple(targets))
    contents = {".csv": lambda: tables.csv_text(result.alignment), ".json": result.to_json}
    figure.write_outputs(targets, contents, figure.drawn_once(draw, progress))
    return result
