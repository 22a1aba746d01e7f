"""Step: the frames of other clips that are most similar to query frames (paper sec. 4.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from la2ds_cli.alignment.request import FeatureKind, choose_features
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements
from la2ds_cli.retrieval.clip_rows import (
    ClipFeatures,
    ClipRows,
    model_features,
    pose_features,
)
from la2ds_cli.retrieval.frame_table import (
    FrameTable,
    StoredClips,
    clip_condition,
    project_name,
)
from la2ds_cli.retrieval.result import Hit, Query, RetrievalResult, SearchedStore
from la2ds_cli.retrieval.search import USUAL, Frames, Limits, OtherClips, Search
from la2ds_cli.retrieval.store import Store, StoreQuery

QUERY_FRAMES = 5  # of a clip that is named without a time


@dataclass(frozen=True)
class RetrievalRequest:
    """What to search for, and where: the options of `la2ds retrieve`.

    query: `VIDEO@SECONDS` for one frame, `VIDEO` for QUERY_FRAMES evenly spaced ones, None for the
        middle of the first clip; VIDEO is a clip of the project or a video file.
    features, run: as in AlignRequest.
    store: a store of frames of several projects, which is searched instead of the project after
        the project's frames are written to it.
    view: in which the query is compared, `auto` = for each clip the nearest of SEARCHED.
    device: where the pose network and the embedding network run.
    """

    query: str | None = None
    limits: Limits = field(default_factory=Limits)
    features: FeatureKind = "auto"
    run: str = DEFAULT_RUN
    store: StoreQuery | None = None
    view: View | Literal["auto"] = "auto"
    device: DeviceName = "auto"


def retrieve(
    project: Project, request: RetrievalRequest, progress: Progress | None = None
) -> RetrievalResult:
    """The nearest frames, in the feature space, of all clips except the query's.
    views.retrieval_sheet writes the result.

    Raises UserError if a time lies outside the query's clip (exit 2), if there is no other clip or
    the query has no features (exit 4), and as the extraction of poses, embedding and Store do.
    """
    from la2ds_cli.poses.quality import note_weakness

    progress = progress or Progress()
    limits, device = request.limits, request.device
    store = Store.open(request.store.uri) if request.store else None
    choice = choose_features(project, request.run, request.features)
    video, seconds = _parse(project, request.query, device, progress)
    pose = project.read_pose(video)[0]
    choice = choice.on(pose.skeleton, spatial=False)
    run, reason = choice.run(request.run), choice.reason.replace("aligned", "compared")
    if request.query is not None:
        note_weakness(progress, video, pose.info)
    rows = query_rows(pose, seconds)
    if reason:
        progress.note(reason)
    if choice.kind != "pose":
        features = model_features(project, run, pose.skeleton, device, progress)
    else:
        features = pose_features(project, pose.skeleton)
    if request.view != "auto":
        features = features.in_view(request.view)
    if store is None:
        queries, frames, clips = _search(project, features, pose, rows, limits)
        looked_up = None
    else:
        queries, frames, clips, looked_up = _search_store(
            project, store, features, pose, rows, request, progress
        )
    _note_strange(queries, progress)
    _note_unsure(queries, progress)
    if min(len(query.hits) for query in queries) < limits.k:
        some = f"fewer than {limits.k} frames found"
        progress.note(f"{some}: the clips are few or short, or limits apply")
    left_out = features.left_out
    return RetrievalResult(
        queries, limits, frames, clips, choice.kind, run, reason, left_out, looked_up
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


def _in_views(features: ClipFeatures, pose: PoseSequence, rows: ClipRows) -> dict[View, FloatArray]:
    """Features (T, D) of the query's clip in each view; `rows` are those as filmed."""
    return {
        view: rows.value if view == "filmed" else features.seen(pose, view)
        for view in features.views
    }


def _no_features(features: ClipFeatures, video: str) -> UserError:
    return UserError(
        f"{video} cannot be compared: {features.left_out.get(video, 'it has no poses')}",
        hint="--features pose needs no model; la2ds status shows what each clip has",
        exit_code=ExitCode.UNUSABLE,
    )


def _search(
    project: Project,
    features: ClipFeatures,
    pose: PoseSequence,
    rows: Sequence[int],
    limits: Limits,
) -> tuple[tuple[Query, ...], int, int]:
    """The nearest frames of the project's clips, and the numbers of frames and clips searched."""
    of_clip, video = dict(features.rows(features.keys)), pose.clip
    if video not in of_clip:
        raise _no_features(features, video)
    if len(of_clip) < 2:
        raise UserError(
            f"there is no other clip to search for frames of {video}",
            hint="add clips with la2ds extract-poses or la2ds import; videos.csv lists them",
            exit_code=ExitCode.UNUSABLE,
        )
    frames = Frames.of(of_clip)
    clip, clips = frames.clips.index(video), frames.clips
    value = _in_views(features, pose, of_clip[video])
    asked: dict[View, FloatArray] = {view: of[rows] - frames.mean for view, of in value.items()}
    others = OtherClips(frames, clip, asked, lambda one: paced_movement(project.read_pose(one)[0]))
    found = Search(others, movements(pose, features.views))
    queries = _queries(
        found, of_clip[video], video, rows, limits, lambda number: (None, clips[number])
    )
    usual = frames.usual_distance(clip)
    if not np.isnan(usual):
        queries = [
            replace(query, alike=query.hits[0].distance <= usual) if query.hits else query
            for query in queries
        ]
    return tuple(queries), len(frames), len(clips)


def _queries(
    found: Search,
    clip: ClipRows,
    video: str,
    rows: Sequence[int],
    limits: Limits,
    named: Callable[[int], tuple[str | None, str]],
) -> list[Query]:
    """Each query frame with its hits. named: the project, if several are searched, and the id of a
    clip by its number."""
    queries = []
    for n, row in enumerate(rows):
        phase, hits = clip.phase[row], []
        columns = (column.tolist() for column in found.nearest(n, limits))
        for distance, number, index, time, _, label in zip(*columns, strict=True):
            project, name = named(number)
            same = label == phase if phase is not None and label is not None else None
            view, unsure = found.choice(number).view, found.unsure(number, n)
            hits.append(Hit(project, name, index, time, distance, label, same, view, unsure))
        queries.append(Query(video, row, float(clip.time[row]), phase, None, tuple(hits)))
    return queries


def _search_store(
    project: Project,
    store: Store,
    features: ClipFeatures,
    pose: PoseSequence,
    rows: Sequence[int],
    request: RetrievalRequest,
    progress: Progress,
) -> tuple[tuple[Query, ...], int, int, SearchedStore]:
    """The nearest frames of the clips of all projects in the store, as `_search` returns them, and
    the store."""
    asked, video = request.store or StoreQuery(store.uri), pose.clip
    clip = dict(features.rows([video] if video in features.keys else [])).get(video)
    if clip is None:
        raise _no_features(features, video)
    table = FrameTable(store.uri, store.table(features, clip.value.shape[1]))
    changes = table.update(project, features, progress)
    exact = not (asked.approximate and table.ensure_index(progress))
    frames, clips, projects = table.size(asked.condition)
    name = project_name(project)
    where = " AND ".join(filter(None, (f"NOT ({clip_condition(name, video)})", asked.condition)))
    value = _in_views(features, pose, clip)
    asked_for: dict[View, FloatArray] = {view: of[rows] for view, of in value.items()}
    stored = StoredClips(table, asked_for, where, exact=exact)
    queries = _queries(
        Search(stored, value),
        clip,
        video,
        rows,
        request.limits,
        lambda number: stored.clips[number],
    )
    if not any(query.hits for query in queries):
        raise UserError(
            f"the store {asked.uri} has no frame of another clip that matches",
            hint="add clips to a project and search from there, or name another --group or --phase",
            exit_code=ExitCode.UNUSABLE,
        )
    how, table_name = "exact" if exact else "approximate", table.table.name
    looked_up = SearchedStore(
        asked.uri, table_name, how, name, projects, changes, asked.groups, asked.phases
    )
    return tuple(queries), frames, clips, looked_up


# --- notes ----------------------------------------------------------------------------------


def _note_unsure(queries: Sequence[Query], progress: Progress) -> None:
    """Say how many hits may have to be looked for in another view."""
    unsure = [hit.unsure for query in queries for hit in query.hits]
    if any(unsure):
        progress.note(
            f"{sum(unsure)} of {len(unsure)} hits are unsure: seen from another side, or mirrored, "
            "the query is about as near to another moment of their clip; --view filmed, --view "
            "mirrored or --view other says which"
        )


def _note_strange(queries: Sequence[Query], progress: Progress) -> None:
    """Say of which query frames nothing alike was found."""
    strange = [f"{query.time:.2f} s" for query in queries if query.alike is False]
    if strange:
        progress.note(
            f"nothing like {queries[0].video} at {', '.join(strange)} was found: the nearest frame "
            f"is farther away than for {USUAL:.0%} of the frames of the other clips"
        )
