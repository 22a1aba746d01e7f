"""Step: the frames of other clips that look most like given frames (paper sec. 4.1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from la2ds_cli import artifact, figure
from la2ds_cli.alignment.clip_features import (
    FeatureKind,
    choose_features,
    common_rate,
    pose_feature,
)
from la2ds_cli.device import DeviceName
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.frame_search import search
from la2ds_cli.progress import Progress
from la2ds_cli.project import DEFAULT_RUN, Project
from la2ds_cli.retrieval_result import Hit, Query, RetrievalResult
from la2ds_cli.types import FloatArray, Neighbour, Phase, PoseSequence

SUFFIXES = (*figure.SUFFIXES, ".json")
QUERY_FRAMES = 5  # of a clip that is named without a time
MIN_GAP = 0.25  # seconds between two hits of one clip: frames closer than this are the same moment


@dataclass(frozen=True)
class _Clips:
    """Poses and features (T, D) of the clips that can be searched, by video id."""

    pose: dict[str, PoseSequence]
    value: dict[str, FloatArray]


def retrieve(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    k: int = 7,
    query: str | None = None,
    per_video: int | None = None,
    min_gap: float = MIN_GAP,
    features: FeatureKind = "auto",
    out: Path | None = None,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> RetrievalResult:
    """The `k` nearest frames, in the feature space, of all clips but the query's own.

    query: `VIDEO@SECONDS` for one frame, `VIDEO` for QUERY_FRAMES evenly spaced ones, None for
    the middle of the first clip; VIDEO is a clip of the project or a video file. per_video: most
    hits of one clip, None = k. min_gap: seconds between two hits of one clip. features as in
    align. out: a figure or a .json file; by default both in results/retrieve.

    UserError: exit 2 for a number, time or suffix that cannot be, 4 when no other clip is left,
    and whatever making poses or embeddings raises.
    """
    from la2ds_cli.poses.report import note_weakness

    progress = progress or Progress()
    if k < 1 or (per_video is not None and per_video < 1):
        raise UserError("retrieval needs to return at least one frame", hint="--k 7")
    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"cannot write a contact sheet to '{out}': unknown file type",
            hint=f"end the name in one of: {', '.join(SUFFIXES)}",
        )
    choice = choose_features(project, run, features)
    if choice.warning:
        progress.note(choice.warning)
    reason = choice.reason.replace("aligned", "compared")
    video, seconds = _parse(project, query, device, progress)
    poses = {v.id: project.read_pose(v.id)[0] for v in project.videos() if _has_pose(project, v.id)}
    if query is not None:
        note_weakness(progress, video, poses[video].info)
    rows = query_rows(poses[video], seconds)
    poses, left_out = _comparable(poses, video)
    if reason:
        progress.note(reason)
    if choice.kind == "model":
        clips = _embedded(project, run, poses, left_out, device, progress)
    else:
        clips = _posed(poses, left_out)
    if video not in clips.value or len(clips.value) < 2:
        raise UserError(
            f"there is no other clip to search for frames of {video}",
            hint="add clips with la2ds extract-poses or la2ds import; la2ds status lists them",
            exit_code=ExitCode.UNUSABLE,
        )
    limit = per_video or k
    times = {name: pose.time for name, pose in clips.pose.items()}
    found = search(clips.value, times, video, rows, k, limit, min_gap, device)
    if min(map(len, found)) < k:
        progress.note(f"fewer than {k} frames fit: the clips are few, short or limited")
    phases = project.phases()
    queries = tuple(
        _labelled(video, row, clips.pose, hits, phases)
        for row, hits in zip(rows, found, strict=True)
    )
    result = RetrievalResult(queries, k, limit, choice.kind, run, reason, left_out)
    return _write(project, result, out, progress)


# --- what is searched for -------------------------------------------------------------------


def parse_query(query: str) -> tuple[str, float | None]:
    """(name, seconds or None) of `VIDEO[@SECONDS]`; a name may itself hold an @."""
    name, at, time = query.rpartition("@")
    try:
        return (name, float(time)) if at and name else (query, None)
    except ValueError:
        return query, None


def _parse(
    project: Project, query: str | None, device: DeviceName, progress: Progress
) -> tuple[str, float | None]:
    """Video id and seconds of the query, poses made first where missing."""
    from la2ds_cli.poses.extract import ensure_pose

    if query is not None:
        name, seconds = parse_query(query)
        return ensure_pose(project, name, project.config().poses, device, progress), seconds
    for video in project.videos():
        if _has_pose(project, video.id):
            time = project.read_pose(video.id)[0].time
            return video.id, float(time[0] + time[-1]) / 2
    raise UserError(
        "the project has no poses to search",
        hint="la2ds extract-poses FOLDER, or la2ds import",
        exit_code=ExitCode.UNUSABLE,
    )


def _has_pose(project: Project, video: str) -> bool:
    return project.pose_path(video).exists()


def query_rows(pose: PoseSequence, seconds: float | None) -> list[int]:
    """Rows of the query frames: the one nearest to `seconds`, or evenly spaced ones for None.

    UserError (exit 2) for a time outside the clip.
    """
    if seconds is None:
        share = (np.arange(QUERY_FRAMES) + 0.5) / QUERY_FRAMES
        return sorted({int(row) for row in share * len(pose)})
    first, last = float(pose.time[0]), float(pose.time[-1])
    period = 1 / pose.fps
    if not first - period <= seconds <= last + period:
        raise UserError(
            f"{seconds:g} s lies outside the clip", hint=f"it runs from {first:g} to {last:g} s"
        )
    return [int(np.abs(pose.time - seconds).argmin())]


# --- what is searched -----------------------------------------------------------------------


def _comparable(
    poses: dict[str, PoseSequence], video: str
) -> tuple[dict[str, PoseSequence], dict[str, str]]:
    skeleton = poses[video].skeleton
    left_out = {
        name: f"has the skeleton {pose.skeleton}, the query {skeleton}"
        for name, pose in poses.items()
        if pose.skeleton != skeleton
    }
    return {name: pose for name, pose in poses.items() if name not in left_out}, left_out


def _embedded(
    project: Project,
    run: str,
    poses: dict[str, PoseSequence],
    left_out: dict[str, str],
    device: DeviceName,
    progress: Progress,
) -> _Clips:
    from la2ds_cli.embedding import embed

    results = {r.video: r for r in embed(project, run=run, device=device, progress=progress)}
    value = {}
    for video in poses:
        if results[video].usable:
            value[video] = project.read_embedding(run, video)[0].value
        else:
            left_out[video] = results[video].message
    return _Clips({video: poses[video] for video in value}, value)


def _posed(poses: dict[str, PoseSequence], left_out: dict[str, str]) -> _Clips:
    fps = common_rate(list(poses.values()))
    value = {}
    for video, pose in poses.items():
        try:
            value[video] = pose_feature(pose, fps, video)
        except UserError as error:
            left_out[video] = error.message
    return _Clips({video: poses[video] for video in value}, value)


# --- what is reported -----------------------------------------------------------------------


def phase_at(phases: Sequence[Phase], frame: int) -> str | None:
    """Name of the phase that holds a source frame; None where there is none."""
    return next((p.name for p in phases if p.start <= frame < p.end), None)


def _labelled(
    video: str,
    row: int,
    poses: Mapping[str, PoseSequence],
    found: Sequence[Neighbour],
    phases: Mapping[str, Sequence[Phase]],
) -> Query:
    def label(name: str, index: int) -> str | None:
        return phase_at(phases.get(name, ()), int(poses[name].frame[index]))

    wanted = label(video, row)
    hits = []
    for neighbour in found:
        phase = label(neighbour.video, neighbour.index)
        known = wanted is not None and phase is not None
        hits.append(Hit(neighbour, phase, phase == wanted if known else None))
    return Query(video, row, float(poses[video].time[row]), wanted, tuple(hits))


def _write(
    project: Project, result: RetrievalResult, out: Path | None, progress: Progress
) -> RetrievalResult:
    first = result.queries[0]
    name = first.video if len(result.queries) > 1 else f"{first.video}@{first.time:.2f}"
    folder = project.results_dir("retrieve")
    targets = (out,) if out else (folder / f"{name}.png", folder / f"{name}.json")
    result = replace(result, files=targets)
    for path in targets:
        if path.suffix.lower() == ".json":
            artifact.write_json(path, result.to_json())
        else:
            from la2ds_cli import contact_sheet

            progress.begin("drawing")
            sheet = contact_sheet.draw(project, result)
            progress.end()
            artifact.write_bytes(path, figure.render(sheet, path.suffix.lower()[1:]))
    return result
