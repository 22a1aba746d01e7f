"""Step: the frames of other clips that are most similar to query frames (paper sec. 4.1.3)."""

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
from la2ds_cli.retrieval.frame_table import NPROBE, FrameTable, clip_condition
from la2ds_cli.retrieval.index import FrameIndex, IndexUpdate, update_model_index, update_pose_index
from la2ds_cli.retrieval.result import (
    Hit,
    Query,
    Recall,
    RetrievalResult,
    Searched,
    SearchedStore,
)
from la2ds_cli.retrieval.search import USUAL, Limits, search, usual_distance
from la2ds_cli.retrieval.store import Store, StoreQuery

IndexKind = Literal["exact", "approximate"]
QUERY_FRAMES = 5  # of a clip that is named without a time
LOW_RECALL = 0.95  # below this a note reports the missed frames


def retrieve(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    k: int = 7,
    query: str | None = None,
    per_video: int | None = None,
    min_gap: float | None = None,
    features: FeatureKind = "auto",
    index: IndexKind = "exact",
    store: StoreQuery | None = None,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> RetrievalResult:
    """The `k` nearest frames, in the feature space, of all clips except the query's.

    query: `VIDEO@SECONDS` for one frame, `VIDEO` for QUERY_FRAMES evenly spaced ones, None for the
    middle of the first clip; VIDEO is a clip of the project or a video file. per_video: most hits
    per clip, None = k. min_gap: seconds between two hits of one clip, None = by its length
    (search.spread_gap). features: as in align. store: a store of frames of several projects, which
    is searched instead of the project after the project's frames are written to it. index:
    `approximate` searches only the nearest lists of the store's index.
    views.retrieval_sheet writes the result.

    Raises UserError if a number or time is invalid or approximate search has no store (exit 2), if
    there is no other clip or the query has no features (exit 4), and as the extraction of poses,
    embedding and Store do.
    """
    from la2ds_cli.poses.verdict import note_weakness

    progress = progress or Progress()
    limits = Limits(k, k if per_video is None else per_video, min_gap)
    _check(limits)
    if store is None and index != "exact":
        raise UserError(
            "approximate search needs a store, whose index it searches", hint="--store FOLDER"
        )
    opened = None if store is None else Store.open(store)
    choice = choose_features(project, run, features)
    video, seconds = _parse(project, query, device, progress)
    pose = project.read_pose(video)[0]
    choice = choice.on(pose.skeleton, spatial=False)
    run, reason = choice.run(run), choice.reason.replace("aligned", "compared")
    if query is not None:
        note_weakness(progress, video, pose.info)
    rows = query_rows(pose, seconds)
    if reason:
        progress.note(reason)
    if choice.kind != "pose":
        update = update_model_index(project, run, device, progress, skeleton=pose.skeleton)
    else:
        update = update_pose_index(project, pose.skeleton, progress)
    _check_query(update, video)
    phases, looked_up = project.phases(), None
    if opened is None:
        neighbours, searched = _search(update, video, rows, limits)
        queries = tuple(
            _labelled(video, row, update.index, hits, phases)
            for row, hits in zip(rows, neighbours, strict=True)
        )
        queries = _judged(queries, usual_distance(update.index.frames, update.index.number[video]))
        _note_strange(queries, progress)
    else:
        queries, searched, looked_up = _search_store(
            project, opened, update, video, rows, limits, index, progress
        )
    if min(len(query.hits) for query in queries) < k:
        progress.note(f"fewer than {k} frames found: the clips are few or short, or limits apply")
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
        looked_up,
    )


def _check(limits: Limits) -> None:
    """Raises UserError (exit 2) for invalid limits."""
    if limits.k < 1 or limits.per_video < 1:
        raise UserError("retrieval needs to return at least one frame", hint="--k 7")
    if limits.min_gap is not None and not 0 <= limits.min_gap < float("inf"):
        raise UserError(
            f"{limits.min_gap:g} s is not a valid gap in time", hint="--min-gap 0.25, or 0 for none"
        )


# --- the query ------------------------------------------------------------------------------


def parse_query(query: str) -> tuple[str, float | None]:
    """(name, seconds or None) of `VIDEO[@SECONDS]`; a name may itself contain an @."""
    name, at, time = query.rpartition("@")
    try:
        return (name, float(time)) if at and name else (query, None)
    except ValueError:
        return query, None


def _parse(
    project: Project, query: str | None, device: DeviceName, progress: Progress
) -> tuple[str, float | None]:
    """Video id and seconds of the query. Its poses are extracted if they are missing."""
    from la2ds_cli.poses.extract import ensure_pose

    if query is not None:
        name, seconds = parse_query(query)
        if seconds is not None and project.find(query) and not project.find(name):
            name, seconds = query, None  # a clip whose own name ends in @60
        return ensure_pose(project, name, project.config().poses, device, progress), seconds
    for video in project.videos():
        if project.pose_path(video.id).exists():
            time = project.read_pose(video.id)[0].time
            return video.id, float(time[0] + time[-1]) / 2
    raise UserError(
        "the project has no poses to search",
        hint="la2ds extract-poses FOLDER, or la2ds import",
        exit_code=ExitCode.UNUSABLE,
    )


def query_rows(pose: PoseSequence, seconds: float | None) -> list[int]:
    """Rows of the query frames: the one nearest to `seconds`, or for None, evenly spaced ones.

    Raises UserError (exit 2) if the time lies outside the clip.
    """
    if seconds is None:
        share = (np.arange(QUERY_FRAMES) + 0.5) / QUERY_FRAMES
        return sorted({int(row) for row in share * len(pose)})
    first, last = float(pose.time[0]), float(pose.time[-1])
    period = 1 / pose.fps
    if not first - period <= seconds <= last + period:
        raise UserError(
            f"{seconds:g} s lies outside the clip", hint=f"it runs from {first:.2f} to {last:.2f} s"
        )
    return [int(np.abs(pose.time - seconds).argmin())]


# --- the search -----------------------------------------------------------------------------


def _check_query(update: IndexUpdate, video: str) -> None:
    """Raises UserError (exit 4) if the query's clip has no features."""
    if video not in update.index.number:
        raise UserError(
            f"{video} cannot be compared: {update.left_out.get(video, 'it has no poses')}",
            hint="--features pose needs no model; la2ds status shows what each clip has",
            exit_code=ExitCode.UNUSABLE,
        )


def _search(
    update: IndexUpdate, video: str, rows: Sequence[int], limits: Limits
) -> tuple[list[list[Neighbour]], Searched]:
    """Neighbours of each row of the query's clip, and a description of the search."""
    index = update.index
    if len(index.clips) < 2:
        raise UserError(
            f"there is no other clip to search for frames of {video}",
            hint="add clips with la2ds extract-poses or la2ds import; videos.csv lists them",
            exit_code=ExitCode.UNUSABLE,
        )
    frames = index.frames
    changes = update.reused, update.added, update.dropped
    searched = Searched("exact", len(frames), len(index.clips), *changes)
    nearest = search(frames, index.number[video], rows, limits)
    return [_neighbours(index, row, distance) for row, distance in nearest], searched


def _note_recall(recall: Recall, progress: Progress) -> None:
    if recall.value < LOW_RECALL:
        share = f"{1 - recall.value:.0%} of the {recall.k} nearest frames"
        progress.note(f"approximate search misses {share}; --index exact finds all")


def _search_store(
    project: Project,
    store: Store,
    update: IndexUpdate,
    video: str,
    rows: Sequence[int],
    limits: Limits,
    kind: IndexKind,
    progress: Progress,
) -> tuple[tuple[Query, ...], Searched, SearchedStore]:
    """The frames of all projects of a store that are nearest to rows of the query's clip."""
    asked, table, clip = store.asked, FrameTable.of(store, update.index), update.index.rows(video)
    changes = table.update(project, update.index, progress)
    known = None if kind == "exact" else table.ensure_index(progress)
    frames, clips, projects = table.size(asked.condition)
    searched = Searched(
        "exact", frames, clips, kept=changes.kept, added=changes.added, dropped=changes.dropped
    )
    if known is not None:
        lists, recall = known
        _note_recall(recall, progress)
        nprobe = min(NPROBE, lists)
        searched = replace(searched, index="approximate", lists=lists, nprobe=nprobe, recall=recall)
    own, value = clip_condition(changes.project, video), clip.value[list(rows)]
    nearest = table.search(own, value, limits, asked.condition, exact=known is None)
    if not any(nearest):
        raise UserError(
            f"the store {asked.uri} has no frame of another clip that matches",
            hint="add clips to a project and search from there, or name another --group or --phase",
            exit_code=ExitCode.UNUSABLE,
        )
    phases = project.phases().get(video, ())
    queries = []
    for row, found in zip(rows, nearest, strict=True):
        phase = phase_at(phases, int(clip.frame[row]))
        neighbours = (Neighbour(f.clip, f.row, f.time, f.distance) for f in found)
        hits = [_hit(phase, n, f.phase, f.project) for n, f in zip(neighbours, found, strict=True)]
        queries.append(Query(video, row, float(clip.time[row]), phase, tuple(hits)))
    looked_up = SearchedStore(
        asked.uri, table.name, changes.project, projects, asked.groups, asked.phases
    )
    return tuple(queries), searched, looked_up


def _neighbours(index: FrameIndex, row: IntArray, distance: FloatArray) -> list[Neighbour]:
    clip, seconds = index.frames.clip_of(row), index.frames.times(row)
    first = index.frames.start[clip]
    return [
        Neighbour(index.clips[c], int(r - f), float(t), float(d))
        for c, r, f, t, d in zip(clip, row, first, seconds, distance, strict=True)
    ]


# --- the phases of the result ---------------------------------------------------------------


def phase_at(phases: Sequence[Phase], frame: int) -> str | None:
    """Name of the phase that contains a source frame, or None."""
    return next((p.name for p in phases if p.start <= frame < p.end), None)


def _labelled(
    video: str,
    row: int,
    index: FrameIndex,
    neighbours: Sequence[Neighbour],
    phases: Mapping[str, Sequence[Phase]],
) -> Query:
    def label(name: str, row: int) -> str | None:
        return phase_at(phases.get(name, ()), int(index.rows(name).frame[row]))

    query_phase = label(video, row)
    hits = [_hit(query_phase, n, label(n.video, n.index)) for n in neighbours]
    return Query(video, row, float(index.rows(video).time[row]), query_phase, tuple(hits))


def _judged(queries: Sequence[Query], usual: float) -> tuple[Query, ...]:
    """The queries, with whether their nearest frames are as near as is usual; NaN: not known."""
    if np.isnan(usual):
        return tuple(queries)
    return tuple(
        replace(query, alike=query.hits[0].neighbour.distance <= usual) if query.hits else query
        for query in queries
    )


def _note_strange(queries: Sequence[Query], progress: Progress) -> None:
    """Say of which query frames nothing alike was found."""
    strange = [f"{query.time:.2f} s" for query in queries if query.alike is False]
    if strange:
        progress.note(
            f"nothing like {queries[0].video} at {', '.join(strange)} was found: the nearest frame "
            f"is farther away than for {USUAL:.0%} of the frames of the other clips"
        )


def _hit(
    query_phase: str | None, neighbour: Neighbour, phase: str | None, project: str | None = None
) -> Hit:
    labelled = query_phase is not None and phase is not None
    return Hit(neighbour, phase, phase == query_phase if labelled else None, project)
