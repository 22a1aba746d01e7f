"""Step: the frames of other clips that look most like given frames (paper sec. 4.1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from la2ds_cli.alignment.request import FeatureKind, choose_features
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import FloatArray, IntArray, Neighbour, Phase, PoseSequence
from la2ds_cli.retrieval.index import FrameIndex, IndexUpdate, update_model_index, update_pose_index
from la2ds_cli.retrieval.result import Hit, Query, Recall, RetrievalResult, Searched
from la2ds_cli.retrieval.search import Limits, exact, search

IndexKind = Literal["exact", "faiss"]
QUERY_FRAMES = 5  # of a clip that is named without a time
LOW_RECALL = 0.95  # below which the user is told what is missed
MIN_GAP = 0.25  # seconds between two hits of one clip: frames closer than this are the same moment


def retrieve(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    k: int = 7,
    query: str | None = None,
    per_video: int | None = None,
    min_gap: float = MIN_GAP,
    features: FeatureKind = "auto",
    index: IndexKind = "exact",
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> RetrievalResult:
    """The `k` nearest frames, in the feature space, of all clips but the query's own.

    query: `VIDEO@SECONDS` for one frame, `VIDEO` for QUERY_FRAMES evenly spaced ones, None for
    the middle of the first clip; VIDEO is a clip of the project or a video file. per_video: most
    hits of one clip, None = k. min_gap: seconds between two hits of one clip. features as in
    align. index: `faiss` looks through the nearest lists of an inverted file only, for large
    collections. Nothing is written; views.retrieval_sheet does that.

    UserError: exit 2 for a number or time that cannot be, 4 when no other clip is left or
    the query has no features, 6 for `faiss` where it is not installed, and whatever making poses
    or embeddings raises.
    """
    from la2ds_cli.poses.verdict import note_weakness

    progress = progress or Progress()
    limits = Limits(k, k if per_video is None else per_video, min_gap)
    _check(limits, index)
    choice = choose_features(project, run, features)
    if choice.warning:
        progress.note(choice.warning)
    reason = choice.reason.replace("aligned", "compared")
    video, seconds = _parse(project, query, device, progress)
    pose = project.read_pose(video)[0]
    if query is not None:
        note_weakness(progress, video, pose.info)
    rows = query_rows(pose, seconds)
    if reason:
        progress.note(reason)
    if choice.kind == "model":
        update = update_model_index(project, run, device, progress)
    else:
        update = update_pose_index(project, pose.skeleton, progress)
    found, searched = _search(project, update, video, rows, limits, index, device, progress)
    if min(map(len, found)) < k:
        progress.note(f"fewer than {k} frames fit: the clips are few, short or limited")
    phases = project.phases()
    queries = tuple(
        _labelled(video, row, update.index, hits, phases)
        for row, hits in zip(rows, found, strict=True)
    )
    return RetrievalResult(
        queries,
        k,
        limits.per_video,
        min_gap,
        searched,
        choice.kind,
        run,
        reason,
        update.left_out,
    )


def _check(limits: Limits, index: IndexKind) -> None:
    """UserError (exit 2) for what cannot be, (exit 6) for faiss where it is not installed."""
    if limits.k < 1 or limits.per_video < 1:
        raise UserError("retrieval needs to return at least one frame", hint="--k 7")
    if not 0 <= limits.min_gap < float("inf"):
        raise UserError(
            f"{limits.min_gap:g} s is no distance in time", hint="--min-gap 0.25, or 0 for none"
        )
    if index == "faiss":
        from la2ds_cli.retrieval.ivf import check_faiss

        check_faiss()


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


def _search(
    project: Project,
    update: IndexUpdate,
    video: str,
    rows: Sequence[int],
    limits: Limits,
    kind: IndexKind,
    device: DeviceName,
    progress: Progress,
) -> tuple[list[list[Neighbour]], Searched]:
    """Neighbours of each row of the query's clip, and how they were found."""
    index = update.index
    if video not in index.clips:
        raise UserError(
            f"{video} cannot be compared: {update.left_out.get(video, 'it has no poses')}",
            hint="--features pose needs no model; la2ds status shows what each clip has",
            exit_code=ExitCode.UNUSABLE,
        )
    if len(index.clips) < 2:
        raise UserError(
            f"there is no other clip to search for frames of {video}",
            hint="add clips with la2ds extract-poses or la2ds import; videos.csv lists them",
            exit_code=ExitCode.UNUSABLE,
        )
    frames = index.frames
    changes = update.kept, update.added, update.dropped
    searched = Searched(kind, len(frames.value), len(index.clips), *changes)
    if kind == "faiss":
        from la2ds_cli.retrieval import ivf

        inverted = ivf.ensure_ivf(project, index, update.name, progress)
        find = inverted.file.finder()
        nprobe = min(ivf.NPROBE, inverted.file.lists)
        depth = min(limits.k, ivf.TRUTH)
        share = ivf.recall(frames, find, inverted.sample, depth)
        if share < LOW_RECALL:
            missed = f"faiss misses {1 - share:.0%} of the {depth} nearest frames"
            progress.note(f"{missed}; --index exact finds all")
        recall = Recall(share, depth, len(inverted.sample.row))
        searched = replace(searched, lists=inverted.file.lists, nprobe=nprobe, recall=recall)
    else:
        find = exact(frames.value, device)
    found = search(frames, find, index.clips.index(video), rows, limits)
    return [_neighbours(index, row, distance) for row, distance in found], searched


def _neighbours(index: FrameIndex, row: IntArray, distance: FloatArray) -> list[Neighbour]:
    clip = index.frames.clip_of(row)
    first = index.start[clip]
    return [
        Neighbour(index.clips[c], int(r - f), float(index.time[r]), float(d))
        for c, r, f, d in zip(clip, row, first, distance, strict=True)
    ]


# --- what is reported -----------------------------------------------------------------------


def phase_at(phases: Sequence[Phase], frame: int) -> str | None:
    """Name of the phase that holds a source frame; None where there is none."""
    return next((p.name for p in phases if p.start <= frame < p.end), None)


def _labelled(
    video: str,
    row: int,
    index: FrameIndex,
    found: Sequence[Neighbour],
    phases: Mapping[str, Sequence[Phase]],
) -> Query:
    def label(name: str, row: int) -> str | None:
        return phase_at(phases.get(name, ()), int(index.rows(name).frame[row]))

    wanted = label(video, row)
    hits = []
    for neighbour in found:
        phase = label(neighbour.video, neighbour.index)
        known = wanted is not None and phase is not None
        hits.append(Hit(neighbour, phase, phase == wanted if known else None))
    return Query(video, row, float(index.rows(video).time[row]), wanted, tuple(hits))
