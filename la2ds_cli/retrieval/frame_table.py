"""The frames of all projects in a table of a store, which may be larger than memory.

Each project writes its own clips, one part of its index at a time, and a part is written completely
or not at all. A query searches the clips of all projects. From top to bottom: the results, the
table (the clips of a project, the search, its index), rows in Arrow, and conditions in SQL.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, Phase
from la2ds_cli.retrieval.index import ClipRows, FrameIndex, Part
from la2ds_cli.retrieval.result import Recall
from la2ds_cli.retrieval.search import CANDIDATES, ROUNDING, Limits, apply_limits, spread_gap
from la2ds_cli.retrieval.store import FACTS, Store, quoted, reported, unfit

LEAST_INDEXED = 10_000  # frames outside the index from which it is built
_OUTSIDE = 4  # frames inside the index per frame that may stay outside, where all are compared
PER_LIST = 4096  # frames; with sqrt(frames) lists, k-means took 60 s for 100,000 frames
NPROBE = 20  # least number of lists of the index that a query searches
_REFINED = 10  # this times as many frames as requested are compared exactly
_NUMBERS_PER_CODE = 4  # at least; a code has one byte
_MEASURED_ON = 10, 10  # clips, and frames of each, on which the recall is measured
RECALL_K = 7
_DELETED = 1000  # clips per delete statement
_SMALL_FILES = 64  # number of small files from which they are joined


@dataclass(frozen=True)
class StoredFrame:
    """A retrieved frame. seconds: duration of its clip. row: in the poses of its clip."""

    project: str
    clip: str
    row: int
    time: float
    seconds: float
    phase: str | None
    distance: float


@dataclass(frozen=True)
class Changes:
    """What `update` did for the named project: numbers of clips kept, added and dropped."""

    project: str
    kept: int
    added: int
    dropped: int


@dataclass(frozen=True)
class FrameTable:
    """A table of the store at `uri`. width: length of each vector."""

    uri: str
    name: str
    table: Any
    width: int

    @classmethod
    def of(cls, store: Store, index: FrameIndex) -> FrameTable:
        """The table for the rows of an index; see Store.table."""
        return cls(store.uri, *store.table(index), index.frames.width)

    # --- the clips of a project --------------------------------------------------------------

    def update(self, project: Project, index: FrameIndex, progress: Progress) -> Changes:
        """Write the clips of a project that are new or have changed, and remove those that it no
        longer has. What an interrupted call has written stays, and the next call writes the rest.

        Raises UserError: exit 5 if another command is writing to the project, 7 if the store
        cannot be written.
        """
        phases = project.phases()
        groups = {video.id: video.group for video in project.videos()}
        wanted = {
            clip: _digest(str(index.key(clip)), groups.get(clip, ""), phases.get(clip, ()))
            for clip in index.clips
        }
        name = project_name(project)
        held = self._held(name)
        if held != wanted:
            with project.lock():
                held = self._held(name)
                self._remove(name, [c for c, digest in held.items() if wanted.get(c) != digest])
                missing = {c: d for c, d in wanted.items() if held.get(c) != d}
                progress.begin("writing clips to the store", len(missing))
                for part in index.parts:
                    self._add(name, part, missing, groups, phases)
                    progress.advance(len(missing.keys() & set(part.clips)))
                self._join_files(progress)
                progress.end()
        kept = sum(held.get(clip) == digest for clip, digest in wanted.items())
        return Changes(name, kept, len(wanted) - kept, len(held.keys() - wanted.keys()))

    def _held(self, project: str) -> dict[str, str]:
        """Digest of each clip of a project in the table; empty if two simultaneous calls have
        written the clip twice."""
        condition = f"project = {quoted(project)} AND row = 0"
        rows = self._select(condition, ["clip", "digest"])
        clips = rows["clip"].to_pylist()
        times = Counter(clips)
        pairs = zip(clips, rows["digest"].to_pylist(), strict=True)
        return {clip: digest if times[clip] == 1 else "" for clip, digest in pairs}

    def _remove(self, project: str, clips: Sequence[str]) -> None:
        for first in range(0, len(clips), _DELETED):
            names = ", ".join(map(quoted, clips[first : first + _DELETED]))
            with reported(self.uri, ExitCode.STORAGE):
                self.table.delete(f"project = {quoted(project)} AND clip IN ({names})")

    def _add(
        self,
        project: str,
        part: Part,
        digests: Mapping[str, str],
        groups: Mapping[str, str],
        phases: Mapping[str, Sequence[Phase]],
    ) -> None:
        """Add those clips of a part that have a digest, in one version of the table."""
        import pyarrow as pa

        batches = []
        for number, clip in enumerate(part.clips):
            if clip in digests:
                rows = part.rows(number)
                names = {"project": project, "clip": clip, "digest": digests[clip]}
                named = names | {"group": groups.get(clip) or None}
                columns = _columns(rows, named, phases.get(clip, ()))
                batches.append(pa.record_batch(columns, schema=self.table.schema))
        if batches:
            with reported(self.uri, ExitCode.STORAGE):
                self.table.add(pa.Table.from_batches(batches))
        artifact.release(part.value)

    def _join_files(self, progress: Progress) -> None:
        """Join small files: each call of `update` adds files, and many small ones slow down a
        search."""
        try:
            with reported(self.uri, ExitCode.STORAGE):
                if self.table.stats()["fragment_stats"]["num_small_fragments"] >= _SMALL_FILES:
                    self.table.optimize()
        except UserError as error:  # such as a simultaneous write; the query still works
            progress.note(f"small files were not joined: {error.message}")

    # --- the search --------------------------------------------------------------------------

    def search(
        self,
        own: str,
        query: FloatArray,
        limits: Limits,
        condition: str | None,
        *,
        exact: bool = True,
    ) -> list[list[StoredFrame]]:
        """The frames nearest to each query (Q, D) within the limits, nearest first.

        own: the condition of the clip to exclude. Each further search excludes the frames near
        those already chosen, so that it returns others and uses little memory.
        """
        where = " AND ".join(filter(None, (f"NOT ({own})", condition)))
        count = CANDIDATES * limits.k
        first = self.nearest(query, where, count, exact=exact)
        return [
            self._under_limits(value, found, limits, where, count, exact=exact)
            for value, found in zip(query, first, strict=True)
        ]

    def _under_limits(
        self,
        value: FloatArray,
        found: list[StoredFrame],
        limits: Limits,
        where: str,
        count: int,
        *,
        exact: bool,
    ) -> list[StoredFrame]:
        taken: list[StoredFrame] = []
        while True:
            both = taken + found
            clips = {place: n for n, place in enumerate({(f.project, f.clip) for f in both})}
            clip = np.array([clips[f.project, f.clip] for f in both])
            gap = np.array([_gap(f, limits) for f in both])
            allowed = apply_limits(clip, np.array([f.time for f in both]), gap, limits)
            before, taken = taken, [both[n] for n in allowed]
            if len(found) < count or len(taken) in (limits.k, len(before)):
                return taken
            others = " AND ".join([where, *_elsewhere(taken, limits)])
            found = self.nearest(value[None], others, count, exact=exact)[0]

    def nearest(
        self, query: FloatArray, where: str, count: int, *, exact: bool
    ) -> list[list[StoredFrame]]:
        """The `count` frames nearest to each query (Q, D) that satisfy the condition, sorted by
        exact distances in double precision."""
        columns = ["project", "clip", "row", "time", "seconds", "phase", "vector", "_distance"]
        with reported(self.uri):
            search = self.table.search(list(query), vector_column_name="vector")
            search = search.distance_type("l2").where(where, prefilter=True).limit(count)
            if exact:
                search = search.bypass_vector_index()
            else:
                search = search.minimum_nprobes(NPROBE).maximum_nprobes(0).refine_factor(_REFINED)
            rows = search.select(columns).to_arrow()
        several = "query_index" in rows.column_names
        of = np.array(rows["query_index"]) if several else np.zeros(len(rows), np.int64)
        value = _vectors(self.uri, rows, self.width)
        gap = value - query[of].astype(np.float64)
        distance = np.sqrt(np.einsum("nd,nd->n", gap, gap))
        found: list[list[StoredFrame]] = [[] for _ in query]
        for n, row in zip(of, _frames(self.uri, rows, distance), strict=True):
            found[n].append(row)
        for of_query in found:
            of_query.sort(key=lambda f: (f.distance, f.project, f.clip, f.row))
        return found

    def size(self, condition: str | None) -> tuple[int, int, int]:
        """Numbers of frames that satisfy the condition, of all clips and of all projects."""
        with reported(self.uri):
            frames = self.table.count_rows(condition)
        projects = self._select("row = 0", ["project"])["project"]
        return frames, len(projects), len(projects.unique())

    def _select(self, condition: str, columns: list[str]) -> Any:
        with reported(self.uri):
            return self.table.search().where(condition).select(columns).to_arrow()

    # --- the index ---------------------------------------------------------------------------

    def ensure_index(self, progress: Progress) -> tuple[int, Recall] | None:
        """Number of lists of the table's index, and its recall; None if the table has too few
        frames for an index. The index is rebuilt if many frames are outside it. Frames outside are
        compared one by one, so that no search misses them."""
        index = self._index()
        frames = self.size(None)[0]
        inside = 0 if index is None else index.num_indexed_rows
        if frames - inside > max(LEAST_INDEXED, inside // _OUTSIDE):
            progress.begin("building the index of the store")
            self._build(frames)
            progress.end()
            index = self._index()
        if index is None:
            return None
        known = _known_recall(self.table, index.index_uuid)
        if known is None:
            progress.begin("measuring the recall of the index")
            known = _list_count(index.num_indexed_rows), self._recall()
            self._write_recall(index.index_uuid, *known)
            progress.end()
        return known

    def _index(self) -> Any:
        with reported(self.uri):
            return next((i for i in self.table.list_indices() if i.columns == ["vector"]), None)

    def _build(self, frames: int) -> None:
        from lancedb.index import IvfPq

        most = max(1, self.width // _NUMBERS_PER_CODE)
        codes = max(n for n in range(1, most + 1) if self.width % n == 0)
        lists = _list_count(frames)
        config = IvfPq(distance_type="l2", num_partitions=lists, num_sub_vectors=codes)
        with reported(self.uri, ExitCode.STORAGE):
            self.table.create_index("vector", config=config, replace=True)

    def _recall(self) -> Recall:
        """Share of the RECALL_K nearest frames of other clips, by exact search, that are among the
        first RECALL_K from the index, queried with as many candidates as by `search`."""
        random, frames = np.random.default_rng(0), self.size(None)[0]
        places = random.choice(frames, min(_MEASURED_ON[0], frames), replace=False)
        with reported(self.uri):
            drawn = self.table.take_offsets(places.tolist()).select(["project", "clip"]).to_arrow()
        found = total = queries = 0
        for project, clip in sorted({(r["project"], r["clip"]) for r in drawn.to_pylist()}):
            own = clip_condition(project, clip)
            value = _vectors(self.uri, self._select(own, ["vector"]), self.width)
            value = value[
                np.linspace(0, len(value) - 1, min(_MEASURED_ON[1], len(value))).astype(int)
            ]
            queries += len(value)
            answers = [
                self.nearest(value, f"NOT ({own})", CANDIDATES * RECALL_K, exact=exact)
                for exact in (True, False)
            ]
            for known, answer in zip(*answers, strict=True):
                first = {_place(frame) for frame in known[:RECALL_K]}
                total += len(first)
                found += len(first & {_place(frame) for frame in answer[:RECALL_K]})
        return Recall(found / max(total, 1), RECALL_K, queries)

    def _write_recall(self, index: str, lists: int, recall: Recall) -> None:
        facts = {"index": index, "lists": lists, "recall": recall.value, "queries": recall.queries}
        update = {"path": "vector", "metadata": {FACTS.decode(): json.dumps(facts)}}
        with reported(self.uri, ExitCode.STORAGE):
            self.table.update_field_metadata(update)


def project_name(project: Project) -> str:
    """The unique name of a project in stores: the name of its folder at the first call, and eight
    random digits. It does not change if the folder is moved."""
    path = project.store_name_path
    if not path.exists():
        with project.lock():
            if not path.exists():
                name = f"{project.root.name}-{secrets.token_hex(4)}"
                artifact.write_text(path, name + "\n")
    try:
        name = regular_file.text(path).removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        name = ""
    if not re.fullmatch(r".{0,255}-[0-9a-f]{8}", name):
        raise UserError(
            f"{path} is not the name of a project in a store",
            hint="delete it; every store will then treat the project as a new one",
            exit_code=ExitCode.UNREADABLE,
        )
    return name


def clip_condition(project: str, clip: str) -> str:
    """The SQL condition that a frame belongs to this clip."""
    return f"project = {quoted(project)} AND clip = {quoted(clip)}"


def _digest(key: str, group: str, phases: Sequence[Phase]) -> str:
    """A digest that changes whenever a row of the clip does. key: of its poses or its embedding."""
    labels = [(phase.start, phase.end, phase.name) for phase in phases]
    return hashlib.sha256(json.dumps([key, group, labels]).encode()).hexdigest()[:32]


def _columns(
    rows: ClipRows, named: Mapping[str, str | None], phases: Sequence[Phase]
) -> dict[str, Any]:
    """The columns of a clip. named: those with the same text in all rows."""
    import pyarrow as pa

    count, width = rows.value.shape
    label = np.full(count, None, dtype=object)
    for phase in reversed(phases):  # where two overlap, the first one wins
        label[(rows.frame >= phase.start) & (rows.frame < phase.end)] = phase.name
    value = np.ascontiguousarray(rows.value, np.float32).ravel()
    columns = {name: pa.array([text] * count, pa.string()) for name, text in named.items()}
    return columns | {
        "row": pa.array(np.arange(count)),
        "frame": pa.array(rows.frame),
        "time": pa.array(rows.time),
        "seconds": pa.array(np.full(count, rows.time[-1] - rows.time[0])),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(value), width),
        "phase": pa.array(label, pa.string()),
    }


def _list_count(frames: int) -> int:
    return max(1, frames // PER_LIST)


def _place(frame: StoredFrame) -> tuple[str, str, int]:
    return frame.project, frame.clip, frame.row


def _gap(frame: StoredFrame, limits: Limits) -> float:
    """Least seconds to another frame of the clip."""
    if limits.min_gap is not None:
        return limits.min_gap
    return float(spread_gap(np.array(frame.seconds)))


def _elsewhere(taken: Sequence[StoredFrame], limits: Limits) -> Iterator[str]:
    """Conditions that exclude every frame that the limits forbid, given the frames taken."""
    of_clip = Counter((frame.project, frame.clip) for frame in taken)
    for (project, clip), count in of_clip.items():
        if count >= limits.per_video:
            yield f"NOT ({clip_condition(project, clip)})"
    for frame in taken:
        if of_clip[frame.project, frame.clip] < limits.per_video:
            apart = _gap(frame, limits) - ROUNDING
            low, high = frame.time - apart, frame.time + apart
            near = f"row = {frame.row} OR (time > {low!r} AND time < {high!r})"
            yield f"NOT ({clip_condition(frame.project, frame.clip)} AND ({near}))"


def _known_recall(table: Any, index: str) -> tuple[int, Recall] | None:
    """Number of lists and recall of an index; None if it was not measured."""
    metadata = table.schema.field("vector").metadata or {}
    try:
        facts = json.loads(metadata[FACTS])
        lists, value, queries = int(facts["lists"]), float(facts["recall"]), int(facts["queries"])
        known = facts["index"] == index and 0 <= value <= 1
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return (lists, Recall(value, RECALL_K, queries)) if known else None


def _vectors(uri: str, rows: Any, width: int) -> FloatArray:
    """The vectors (N, D) float32. Raises UserError (exit 3) for values that are not finite."""
    column = rows["vector"].combine_chunks()
    value = column.flatten().to_numpy(zero_copy_only=False)
    if column.null_count or value.size != len(rows) * width or not np.isfinite(value).all():
        raise unfit(uri)
    return value.reshape(-1, width)


def _frames(uri: str, rows: Any, distance: FloatArray) -> list[StoredFrame]:
    names = ("project", "clip", "row", "time", "seconds", "phase")
    columns = [rows[name].to_pylist() for name in names]
    frames = [StoredFrame(*row) for row in zip(*columns, distance.tolist(), strict=True)]
    for frame in frames:
        if None in (frame.project, frame.clip, frame.row, frame.time, frame.seconds):
            raise unfit(uri)
        if frame.row < 0 or not math.isfinite(frame.time) or not math.isfinite(frame.seconds):
            raise unfit(uri)
    return frames
