"""The frames of all projects in a table of a store, which may be larger than memory.

Each project writes its own clips, and a query searches the clips of all projects.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.errors import ExitCode, Unreadable
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, Phase
from la2ds_cli.core.view import View
from la2ds_cli.retrieval.clip_rows import ClipRows, SearchFeatures
from la2ds_cli.retrieval.frame_search import ClipSample, Found
from la2ds_cli.retrieval.store import foreign, quoted, reported

LEAST_INDEXED = 10_000  # frames outside the index from which it is built
_OUTSIDE = 4  # frames inside the index per frame that may stay outside, where all are compared
PER_LIST = 4096  # frames; with sqrt(frames) lists, k-means took 60 s for 100,000 frames
NPROBE = 20  # least number of lists of the index that a query searches
_REFINED = 10  # this times as many frames as requested are compared exactly
_NUMBERS_PER_CODE = 4  # of one byte
_WRITTEN = 64 << 20  # bytes of features written at once
_DELETED = 1000  # clips per delete statement
_LARGEST = 1e15  # feature; squares of larger ones overflow
_SECONDS = ("start", "time", "end")  # of the first frame of a clip, a frame, and the last
_FOUND = ["project", "clip", "row", *_SECONDS, "phase", "_distance"]


@dataclass(frozen=True)
class FrameTable:
    """A table of the store at `uri`."""

    uri: str
    table: Any

    # --- the clips of a project --------------------------------------------------------------

    def update(
        self, project: StoredProject, features: SearchFeatures, progress: Progress
    ) -> dict[str, int]:
        """Write new and changed clips of a project, remove those that it no longer has, and return
        the numbers of clips `kept`, `added` and `dropped`.

        If a call is interrupted, the next call writes the rest. Raises UserError if another command
        writes to the project (exit 5) or the store cannot be written (exit 7).
        """
        phases = project.phases()
        wanted = {clip: _digest(key, phases.get(clip, ())) for clip, key in features.keys.items()}
        name = project_name(project)
        held = self._held(name)
        missing = [clip for clip, digest in wanted.items() if held.get(clip) != digest]
        added = 0
        if missing or held.keys() - wanted.keys():
            with project.lock():
                self._remove(name, [c for c, digest in held.items() if wanted.get(c) != digest])
                progress.begin("writing clips to the store", len(missing))
                for part in _parts(features.rows(missing)):
                    self._add(
                        _columns(rows, {"project": name, "clip": clip, "digest": wanted[clip]})
                        for clip, rows in part.items()
                    )
                    added += len(part)
                    progress.advance(len(part))
                progress.end()
        dropped = len(held.keys() - wanted.keys())
        return {"kept": len(wanted) - len(missing), "added": added, "dropped": dropped}

    def _held(self, project: str) -> dict[str, str]:
        """Return the digest of each clip of a project in the table; empty if two simultaneous calls
        have written the clip twice."""
        rows = self.select(f"project = {quoted(project)} AND row = 0", ["clip", "digest"])
        clips = rows["clip"].to_pylist()
        times = Counter(clips)
        pairs = zip(clips, rows["digest"].to_pylist(), strict=True)
        return {clip: digest if times[clip] == 1 else "" for clip, digest in pairs}

    def _remove(self, project: str, clips: Sequence[str]) -> None:
        for first in range(0, len(clips), _DELETED):
            names = ", ".join(map(quoted, clips[first : first + _DELETED]))
            with reported(self.uri, self.table.name, ExitCode.STORAGE):
                self.table.delete(f"project = {quoted(project)} AND clip IN ({names})")

    def _add(self, clips: Iterable[Mapping[str, Any]]) -> None:
        """Add the columns of some clips, in one version of the table."""
        import pyarrow as pa

        batches = [pa.record_batch(columns, schema=self.table.schema) for columns in clips]
        with reported(self.uri, self.table.name, ExitCode.STORAGE):
            self.table.add(pa.Table.from_batches(batches))

    def size(self) -> tuple[int, int, int]:
        """Return the numbers of all frames, clips and projects."""
        with reported(self.uri, self.table.name):
            frames = self.table.count_rows()
        projects = self.select("row = 0", ["project"])["project"]
        return frames, len(projects), len(projects.unique())

    def select(self, condition: str, columns: list[str]) -> Any:
        """Return columns of the rows that satisfy an SQL condition, in Arrow."""
        with reported(self.uri, self.table.name):
            return self.table.search().where(condition).select(columns).to_arrow()

    # --- the index ---------------------------------------------------------------------------

    def ensure_index(self, progress: Progress) -> bool:
        """Return whether the table has an index, built first if many frames are outside it.

        Frames outside are compared one by one, so that no search misses them.
        """
        from lancedb.index import IvfPq

        with reported(self.uri, self.table.name):
            indices = [i for i in self.table.list_indices() if i.columns == ["vector"]]
            frames = self.table.count_rows()
        inside = sum(index.num_indexed_rows for index in indices)
        if frames - inside <= max(LEAST_INDEXED, inside // _OUTSIDE):
            return bool(indices)
        width = self.table.schema.field("vector").type.list_size
        codes = 1 if width % _NUMBERS_PER_CODE else width // _NUMBERS_PER_CODE
        lists = max(1, frames // PER_LIST)
        config = IvfPq(distance_type="l2", num_partitions=lists, num_sub_vectors=codes)
        progress.begin("building the index of the store")
        with reported(self.uri, self.table.name, ExitCode.STORAGE):
            self.table.create_index("vector", config=config, replace=True)
        progress.end()
        return True


def project_name(project: StoredProject) -> str:
    """Return the unique name of a project in stores, which does not change if its folder is moved:
    the name of the folder at the first call, and eight random digits."""
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
        raise Unreadable(
            f"{path} does not contain the name of a project in a store",
            hint="delete it; every store will then treat the project as a new one",
        )
    return name


class StoredClips:
    """All clips of a table except the query's, searched exactly or by the index.

    query: (Q, D) in each view. own: the query's clip, of this project, and its copies.
    """

    def __init__(
        self,
        table: FrameTable,
        query: Mapping[View, FloatArray],
        project: str,
        own: Sequence[str],
        *,
        exact: bool,
    ) -> None:
        self._table, self.query, self._exact = table, query, exact
        clips = ", ".join(map(quoted, own))
        self._others = f"NOT (project = {quoted(project)} AND clip IN ({clips}))"
        self._number: dict[tuple[str, str], int] = {}  # of those that were found

    def named(self, clip: int) -> tuple[str, str]:
        return list(self._number)[clip]

    def nearest(self, view: View, query: int, count: int) -> Found:
        table = self._table
        with reported(table.uri, table.table.name):
            search = table.table.search(self.query[view][query], vector_column_name="vector")
            search = search.distance_type("l2").where(self._others, prefilter=True).limit(count)
            if self._exact:
                search = search.bypass_vector_index()
            else:
                search = search.minimum_nprobes(NPROBE).maximum_nprobes(0).refine_factor(_REFINED)
            rows = search.select(_FOUND).to_arrow()
        numbers = [rows[name].to_numpy() for name in ("row", *_SECONDS, "_distance")]
        row, start, time, end, square = numbers
        sound = all(map(_is_sound, numbers)) and not (
            rows["project"].null_count or rows["clip"].null_count or (row < 0).any()
        )
        if not sound or not ((start <= time) & (time <= end)).all():
            raise foreign(table.uri, table.table.name)
        pairs = zip(rows["project"].to_pylist(), rows["clip"].to_pylist(), strict=True)
        clip = [self._number.setdefault(pair, len(self._number)) for pair in pairs]
        phase = np.array(rows["phase"].to_pylist(), dtype=object)
        distance = np.sqrt(square.astype(np.float64))
        found = Found(distance, np.array(clip, np.int64), row, time, end - start, phase)
        return found.only(np.argsort(distance, kind="stable"))

    def samples(self, clips: Sequence[int]) -> Iterator[tuple[int, ClipSample]]:
        """Yield samples of clips; their features also rank the views of a query."""
        table, names = self._table, list(self._number)
        condition = " OR ".join(_clip_condition(*names[clip]) for clip in clips)
        rows = table.select(condition, ["project", "clip", "row", "time", "vector"])
        pairs = zip(rows["project"].to_pylist(), rows["clip"].to_pylist(), strict=True)
        of = np.array([self._number.get(pair, -1) for pair in pairs], np.int64)
        row, time = (rows[name].to_numpy() for name in ("row", "time"))
        vectors = rows["vector"].combine_chunks().flatten().to_numpy()
        width = table.table.schema.field("vector").type.list_size
        if len(vectors) != len(of) * width or not (np.abs(vectors) < _LARGEST).all():
            raise foreign(table.uri, table.table.name)
        value = vectors.reshape(-1, width)
        for clip in clips:
            own = np.flatnonzero(of == clip)
            own = own[np.argsort(row[own], kind="stable")]
            if len(own):  # else removed meanwhile
                yield clip, ClipSample.of(value[own], value[own], time[own])


# --- rows ------------------------------------------------------------------------------------


def _clip_condition(project: str, clip: str) -> str:
    """Return the SQL condition for the frames of a clip."""
    return f"project = {quoted(project)} AND clip = {quoted(clip)}"


def _digest(key: str, phases: Sequence[Phase]) -> str:
    """Return a digest that changes whenever a row of the clip does. key: of its poses or its
    embedding."""
    labels = [(phase.start, phase.end, phase.name) for phase in phases]
    return hashlib.sha256(json.dumps([key, labels]).encode()).hexdigest()[:32]


def _parts(rows: Iterator[tuple[str, ClipRows]]) -> Iterator[dict[str, ClipRows]]:
    """Yield clips to write at once, with features of _WRITTEN bytes or a little more."""
    part: dict[str, ClipRows] = {}
    for clip, value in rows:
        part[clip] = value
        if sum(rows.value.nbytes for rows in part.values()) >= _WRITTEN:
            yield part
            part = {}
    if part:
        yield part


def _columns(rows: ClipRows, named: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of a clip. named: columns with the same text in all rows."""
    import pyarrow as pa

    count, width = rows.value.shape
    value = np.ascontiguousarray(rows.value, np.float32).ravel()
    columns = {name: pa.array([text] * count, pa.string()) for name, text in named.items()}
    return columns | {
        "row": pa.array(np.arange(count)),
        "time": pa.array(rows.time),
        "start": pa.array(np.full(count, rows.time[0])),
        "end": pa.array(np.full(count, rows.time[-1])),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(value), width),
        "phase": pa.array(rows.phase, pa.string()),
    }


def _is_sound(column: np.ndarray) -> bool:
    """Return whether all numbers are present and finite; lancedb reads flipped bytes without an
    error."""
    return column.dtype != object and bool(np.isfinite(column).all())
