"""Step: find the frames of other clips that are most similar to query frames (paper sec. 4.1.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from la2ds_cli.alignment.request import FeatureOption, choose_features
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable, UserError, check_choice
from la2ds_cli.core.independence import same_footage
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import DEFAULT_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.camera_views import movements
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.poses.quality import note_weakness
from la2ds_cli.poses.ready import ensure_poses
from la2ds_cli.retrieval.clip_rows import ClipRows, model_features, pose_features
from la2ds_cli.retrieval.frame_search import USUAL, Limits, OtherClips, Search
from la2ds_cli.retrieval.frame_table import FrameTable, StoredClips, project_name
from la2ds_cli.retrieval.store import Store

_IN_WORDS: Mapping[View, str] = {
    "filmed": "as filmed",
    "mirrored": "mirrored",
    "other": "from the other side",
}
QUERY_FRAMES = 5  # for a clip that is named without a time
_QUERY_COLUMNS = ("query", "query_index", "query_time", "query_phase", "rank")


SearchView = Literal["auto", "filmed", "mirrored", "other"]


def view_words(view: View, unsure: bool) -> str:
    """Return the view of a hit in words; empty for as filmed, without doubt."""
    if unsure:
        return f"{_IN_WORDS[view]}, unsure"
    return "" if view == "filmed" else _IN_WORDS[view]


@dataclass(frozen=True)
class Hit:
    """A retrieved frame.

    project: name in the store, None without a store.
    video: id of its clip.
    index: row in the poses of the clip.
    time: seconds.
    distance: of the features from those of the query.
    phase: its label, None if it has none.
    same_phase: whether it equals the query's phase, None if either has no label.
    view: in which the query's clip was compared with this one.
    unsure: whether another view is about as near and finds another moment.
    """

    project: str | None
    video: str
    index: int
    time: float
    distance: float
    phase: str | None
    same_phase: bool | None
    view: View = "filmed"
    unsure: bool = False


@dataclass(frozen=True)
class Query:
    """A query frame and its hits, nearest first.

    alike: whether the nearest hit is as near as is usual between clips
    (`OtherClips.usual_distance`), None if that was not measured.
    """

    video: str
    index: int
    time: float
    phase: str | None
    alike: bool | None
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class SearchedStore:
    """The store that was searched instead of the project. The field names are the JSON keys.

    uri: as the user gave it.
    table: its name in the store.
    index: `exact` or `approximate`.
    project: the name of the project there.
    projects: number of projects in the table.
    changes: numbers of the project's clips that were `kept`, `added` and `dropped`.
    """

    uri: str
    table: str
    index: str
    project: str
    projects: int
    changes: Mapping[str, int]


@dataclass(frozen=True)
class RetrievalResult:
    """Result of `retrieve`.

    queries: one per query frame.
    frames, clips: numbers of frames and clips that were searched.
    features: `model`, `base` or `pose`.
    reason: why these features are used, empty if they were requested or a trained run is used.
    left_out: id of a clip -> why it was not searched.
    store: None unless several projects were searched.
    files: written, in order.
    """

    queries: tuple[Query, ...]
    limits: Limits
    frames: int
    clips: int
    features: str
    run: str
    reason: str
    left_out: Mapping[str, str]
    store: SearchedStore | None = None
    files: tuple[Path, ...] = ()

    @property
    def agreement(self) -> float | None:
        """Share of the labelled hits that have the same phase as their query; None without any."""
        labelled = [h.same_phase for q in self.queries for h in q.hits if h.same_phase is not None]
        return float(np.mean(labelled)) if labelled else None

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each retrieved frame, nearest first.

        The columns are `query`, `query_index`, `query_time` and `query_phase` of the query frame,
        its `rank` from 1, and the fields of Hit, missing (None or NaN) where Hit has None; times
        are seconds of their clips, and `attrs["units"]` has their unit. Raises UserError (exit 6)
        without pandas.
        """
        columns = {name: [] for name in (*_QUERY_COLUMNS, *(f.name for f in fields(Hit)))}
        for query in self.queries:
            own = query.video, query.index, query.time, query.phase
            for rank, hit in enumerate(query.hits, 1):
                row = dict(zip(_QUERY_COLUMNS, (*own, rank), strict=True)) | asdict(hit)
                for name, value in row.items():
                    columns[name].append(value)
        return make_data_frame(columns, {"query_time": "s", "time": "s"})

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON types."""
        return {
            "schema_version": 1,
            "features": self.features,
            "reason": self.reason,
            "run": self.run if self.features == "model" else None,
            **asdict(self.limits),
            "searched": {"frames": self.frames, "clips": self.clips},
            "store": None if self.store is None else asdict(self.store),
            "phase_agreement": self.agreement,
            "left_out": dict(self.left_out),
            "queries": [asdict(query) for query in self.queries],
            "files": [str(file) for file in self.files],
        }


@dataclass(frozen=True)
class RetrievalRequest:
    """What to search for, and where: the options of `la2ds retrieve`.

    query: `VIDEO@SECONDS` for one frame, `VIDEO` for QUERY_FRAMES evenly spaced ones, None for the
        middle of the first clip; VIDEO is a clip of the project or a video file. A pair of VIDEO
        and its seconds, or None for QUERY_FRAMES, is no text in which an @ has to be found.
    features, run: as in AlignRequest.
    store: a folder, or a location in an object store, with frames of several projects, which is
        searched instead of the project after the project's frames are written to it.
    approximate: search the index of the store instead of all frames.
    view: in which the query is compared, `auto` = for each clip the nearest of SEARCHED.
    device: where the pose network and the embedding network run.
    """

    query: str | tuple[str, float | None] | None
    limits: Limits = field(default_factory=Limits)
    features: FeatureOption = "auto"
    run: str = DEFAULT_RUN
    store: str | None = None
    approximate: bool = False
    view: SearchView = "auto"
    device: DeviceName = "auto"

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("features", self.features, FeatureOption),
            ("view", self.view, SearchView),
            ("device", self.device, DeviceName),
        ):
            check_choice(option, value, get_args(choices))


def retrieve(
    project: StoredProject, request: RetrievalRequest, progress: Progress = SILENT
) -> RetrievalResult:
    """Return the nearest frames of all clips except the query's.

    Clips that show the same moments of the query's person (`same_footage`) are left out like the
    query's own. views.retrieval_sheet writes the result.

    Raises UserError for a time outside the query's clip (exit 2), if there is no other clip or the
    query has no features (exit 4), and as the extraction of poses, embedding and Store do.
    """
    store = Store.open(request.store) if request.store else None
    choice = choose_features(project, request.run, request.features)
    video, seconds = _parse(project, request.query, request.device, progress)
    pose = project.read_pose(video)[0]
    choice = choice.on(pose.skeleton, spatial=False)
    run, reason = choice.run(request.run), choice.reason.replace("aligned", "compared")
    note_weakness(progress, video, pose.info)
    rows = query_rows(pose, seconds)
    if reason:
        progress.note(reason)
    if choice.kind != "pose":
        features = model_features(project, run, pose.skeleton, request.device, progress)
    else:
        features = pose_features(project, pose.skeleton)
    if request.view != "auto":
        features = features.in_view(request.view)
    of_clip = dict(features.rows(features.keys if store is None else [video]))
    if video not in of_clip:
        raise Unusable(
            f"{video} cannot be compared: {features.left_out.get(video, 'it has no poses')}",
            hint="--features pose needs no model; la2ds status shows what each clip has",
        )
    whole: dict[View, FloatArray] = {
        view: of_clip[video].value if view == "filmed" else features.seen(pose, view)
        for view in features.views
    }
    asked: dict[View, FloatArray] = {view: value[rows] for view, value in whole.items()}
    looked_up, usual = None, math.nan
    copies = same_footage(project.videos(), project.source)
    if store is None:
        others = OtherClips(
            of_clip, video, lambda c: paced_movement(project.read_pose(c)[0]), copies
        )
        search = Search(others.asked(asked), movements(pose, features.views))
        searched = others.size
        usual = others.usual_distance()
    else:
        table = FrameTable(store.uri, store.table(features, of_clip[video].value.shape[1]))
        changes = table.update(project, features, progress)
        exact = not (request.approximate and table.ensure_index(progress))
        name, how = project_name(project), "exact" if exact else "approximate"
        own = [video, *copies.get(video, ())]
        search = Search(StoredClips(table, asked, name, own, exact=exact), whole)
        *searched, projects = table.size()
        looked_up = SearchedStore(store.uri, table.table.name, how, name, projects, changes)
    queries = _queries(search, of_clip[video], video, rows, request.limits, usual)
    _note_hits(queries, request.limits.k, progress)
    frames, clips = searched
    left_out, limits = features.left_out, request.limits
    return RetrievalResult(
        queries, limits, frames, clips, choice.kind, run, reason, left_out, looked_up
    )


# --- the query ------------------------------------------------------------------------------


def parse_query(query: str) -> tuple[str, float | None]:
    """Return the name and seconds (or None) of `VIDEO[@SECONDS]`; a name may itself contain an
    @."""
    name, at, time = query.rpartition("@")
    try:
        return (name, float(time)) if at and name else (query, None)
    except ValueError:
        return query, None


def name_query(query: str | Path | tuple[str | Path, float]) -> tuple[str, float | None]:
    """Return the name and seconds (None = several frames) of a query that a program gives as a
    name, in which no @ is looked for, or as a pair."""
    name, seconds = query if isinstance(query, tuple) else (query, None)
    return str(name), seconds


def _parse(
    project: StoredProject,
    query: str | tuple[str, float | None] | None,
    device: DeviceName,
    progress: Progress,
) -> tuple[str, float | None]:
    """Return the clip id and seconds of the query; missing poses are extracted first."""
    if query is None:
        video = next(iter(project.posed_videos()), None)
        if video is None:
            raise Unusable(
                "the project has no poses to search",
                hint="la2ds extract-poses FOLDER, or la2ds import",
            )
        time = project.read_pose(video.id)[0].time
        return video.id, float(time[0] + time[-1]) / 2
    if isinstance(query, str):
        name, seconds = parse_query(query)
        if seconds is not None and project.find(query) and not project.find(name):
            name, seconds = query, None  # a clip whose own name ends in @60
    else:
        name, seconds = query
    ids = ensure_poses(project, [name], project.config().poses, device, progress)
    return ids[0], seconds


def query_rows(pose: PoseSequence, seconds: float | None) -> list[int]:
    """Return the rows of the query frames: the nearest to `seconds`, or evenly spaced for None.

    Raises UserError (exit 2) if the time lies outside the clip.
    """
    if seconds is None:
        share = (np.arange(QUERY_FRAMES) + 0.5) / QUERY_FRAMES
        return sorted({int(row) for row in share * len(pose)})
    first, last = float(pose.time[0]), float(pose.time[-1])
    if not pose.axis.reaches(seconds):
        raise UserError(
            f"{seconds:g} s lies outside the clip", hint=f"it runs from {first:.2f} to {last:.2f} s"
        )
    return [pose.axis.nearest_row(seconds)]


# --- the search -----------------------------------------------------------------------------


def _queries(
    search: Search, clip: ClipRows, video: str, rows: Sequence[int], limits: Limits, usual: float
) -> tuple[Query, ...]:
    """Return each query frame with its hits; raises UserError (exit 4) if there is no other clip.

    usual: largest usual distance between clips, NaN = not measured.
    """
    queries = []
    for n, row in enumerate(rows):
        phase, hits = clip.phase[row], []
        columns = (column.tolist() for column in search.nearest(n, limits))
        for distance, number, index, time, _, label in zip(*columns, strict=True):
            project, name = search.clips.named(number)
            same = label == phase if phase is not None and label is not None else None
            view, unsure = search.choice(number).view, search.unsure(number, n)
            hits.append(Hit(project, name, index, time, distance, label, same, view, unsure))
        if not hits:
            raise Unusable(
                f"there is no other clip to search for frames of {video}",
                hint="add clips with la2ds extract-poses or la2ds import; videos.csv lists them",
            )
        alike = None if math.isnan(usual) else hits[0].distance <= usual
        queries.append(Query(video, row, float(clip.time[row]), phase, alike, tuple(hits)))
    return tuple(queries)


# --- notes ----------------------------------------------------------------------------------


def _note_hits(queries: Sequence[Query], k: int, progress: Progress) -> None:
    """Add notes on query frames without similar frames, on hits that depend on the view, and on
    fewer than k hits."""
    strange = [f"{query.time:.2f} s" for query in queries if query.alike is False]
    if strange:
        progress.note(
            f"nothing similar to {queries[0].video} at {', '.join(strange)} was found: the nearest "
            f"frame is farther away than for {USUAL:.0%} of the frames of the other clips"
        )
    unsure = [hit.unsure for query in queries for hit in query.hits]
    if any(unsure):
        progress.note(
            f"{sum(unsure)} of {len(unsure)} hits are unsure: in another view, the query is about "
            "as near to another moment of their clip; --view filmed, mirrored or other decides"
        )
    if min(len(query.hits) for query in queries) < k:
        progress.note(f"fewer than {k} frames found: the clips are few or short, or limits apply")
