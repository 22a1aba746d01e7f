"""phases.csv: named spans of frames, the origin of their ends, and the rows that a clip shows.

Reading and writing keeps every column, including unknown ones. A row names a file, by its name or
by the id of any clip of it, and frames of that file. Each clip of the same person shows the part
within its own frames, so nothing has to change when a clip is cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import inf
from pathlib import Path

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import MOST_FRAMES, Video, family, id_within
from la2ds_cli.core.csv_tables import read_rows, table_of
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.types import BY_PERSON, CLIP_EDGE, PERSON, PROPAGATED, Origins, Phase
from la2ds_cli.core.video_list import VideoList

PHASE_COLUMNS = ("video", "start", "end", "phase")
ORIGIN_COLUMNS = ("start_origin", "end_origin")
"""Optional: who placed each end (types.Origins); an empty cell or no such column = a person."""
ORIGIN_CLIPS = "origin_clips"  # of propagated rows: ids of the labelled clips, separated by spaces
ORIGIN_TIME = "origin_time"  # of propagated rows: time of writing, UTC, ISO 8601
ORIGIN_CONFIDENCE = "origin_confidence"  # of propagated rows: of the start and of the end, 0 to 1
_BOTH_ENDS, _CHECKED = "origin", "checked"
"""Columns of older files, read and replaced by ORIGIN_COLUMNS: the origin of both ends, and which
ends of a propagated row a person has checked (`start`, `end`)."""
_HINT = "columns: video,start,end,phase (frame numbers, end exclusive)"


@dataclass(frozen=True)
class PhaseRow:
    """A row of the table. video: a name for VideoList.file_of. other: text of other columns."""

    video: str
    phase: Phase
    other: Mapping[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, str | int]:
        """The cells by column."""
        phase = self.phase
        cells = {"video": self.video, "start": phase.start, "end": phase.end, "phase": phase.name}
        return {**self.other, **cells, **dict(zip(ORIGIN_COLUMNS, phase.origins, strict=True))}


@dataclass(frozen=True)
class PhaseTable:
    """The rows in file order. columns: of the file, in its order, as `column_keys` names them."""

    rows: tuple[PhaseRow, ...] = ()
    columns: tuple[str, ...] = PHASE_COLUMNS

    def text(self) -> str:
        """Return the table as CSV.

        Columns that only rows have follow those of the file. ORIGIN_COLUMNS are written if the file
        has them, or if a person did not place every end of every row.
        """
        all_by_person = all(row.phase.origins == BY_PERSON for row in self.rows)
        columns = (*self.columns, *(() if all_by_person else ORIGIN_COLUMNS))
        columns += tuple(name for row in self.rows for name in row.other)
        return table_of(columns, (row.cells for row in self.rows))


def read_phase_table(path: Path) -> PhaseTable:
    """Read the table with all its columns; an empty one if the file is missing or empty.

    Raises UserError (exit 5) that names an unreadable row.
    """
    columns: list[str] = []
    rows = read_rows(path, _parse, _HINT, columns.extend) if path.exists() else []
    return PhaseTable(tuple(rows), _current_columns(columns) or PHASE_COLUMNS)


def _current_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of a file, with ORIGIN_COLUMNS in place of the older ones."""
    current: list[str] = []
    for name in columns:
        current += ORIGIN_COLUMNS if name == _BOTH_ENDS else () if name == _CHECKED else [name]
    return tuple(dict.fromkeys(current))


def in_time_order(phases: Iterable[Phase]) -> list[Phase]:
    """Sort the phases of a clip by their start. Raises ValueError if two share a frame."""
    ordered = sorted(phases, key=lambda phase: phase.start)
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(
                f"'{before.name}' ({before.start} to {before.end}) and '{after.name}' "
                f"({after.start} to {after.end}) overlap"
            )
    return ordered


def overlap_error(video: str, problem: ValueError) -> UserError:
    """Return the error for a frame that has two phases."""
    return Mismatch(
        f"phases.csv, video {video}: {problem}",
        hint="a frame has one phase; correct the rows (the end of a phase is exclusive)",
    )


def _parse(cells: dict[str, str]) -> PhaseRow:
    phase = Phase(_frame(cells, "start"), _frame(cells, "end"), cells["phase"], _origins(cells))
    if not 0 <= phase.start < phase.end:
        raise ValueError(f"start {phase.start} must be before end {phase.end}")
    read = {*PHASE_COLUMNS, *ORIGIN_COLUMNS, _BOTH_ENDS, _CHECKED}
    return PhaseRow(
        cells["video"], phase, {name: text for name, text in cells.items() if name not in read}
    )


def _origins(cells: Mapping[str, str]) -> Origins:
    """Return the origins of both ends of a row, also of an older file."""
    both, checked = _origin(cells.get(_BOTH_ENDS, "")), cells.get(_CHECKED, "").split()
    ends = []
    for side, column in zip(Origins._fields, ORIGIN_COLUMNS, strict=True):
        older = PERSON if both == PROPAGATED and side in checked else both
        ends.append(_origin(cells.get(column, "")) if cells.get(column, "").strip() else older)
    return Origins(*ends)


def _origin(text: str) -> str:
    """Parse an origin as a person may write it in a table."""
    word = text.strip()
    return word.lower() if word.lower() in (PERSON, PROPAGATED, CLIP_EDGE) else word or PERSON


def _frame(cells: dict[str, str], column: str) -> int:
    text = cells[column].strip()
    frame = int(text) if re.fullmatch(r"-?\d{1,10}", text) else MOST_FRAMES + 1
    if frame > MOST_FRAMES:
        raise ValueError(
            f"{column} is {text[:40]!a}, not a frame number of at most {MOST_FRAMES:,}"
        )
    return frame


def write_phase_table(path: Path, table: PhaseTable, backups: Path | None) -> Path | None:
    """Write the table, after copying the old file into the folder `backups` as `before-N.csv`.

    Returns the copy; None if there was no file or no folder, or if nothing changes. Raises
    UserError (exit 3) if the old file cannot be read, (exit 7) if either cannot be written.
    """
    content = artifact.encoded(table.text())
    try:
        old = regular_file.content(path) if path.exists() else None
    except OSError as error:
        raise artifact.cannot_read(path, error) from error
    if old == content:
        return None
    copy = None if old is None or backups is None else _back_up(old, backups)
    artifact.write_bytes(path, content)
    return copy


def _back_up(content: bytes, folder: Path) -> Path:
    """Copy a file into the folder and return the copy; an equal last copy, which an interrupted
    change made, is reused."""
    numbers = [
        int(number)
        for path in folder.glob("before-*.csv")
        if (number := path.stem.removeprefix("before-")).isdecimal()
    ]
    last = folder / f"before-{max(numbers, default=0)}.csv"
    with suppress(OSError):  # an unreadable copy is not reused
        if numbers and regular_file.content(last) == content:
            return last
    copy = folder / f"before-{max(numbers, default=0) + 1}.csv"
    artifact.write_bytes(copy, content)
    return copy


def kept_names(table: PhaseTable, before: VideoList, after: VideoList) -> PhaseTable | None:
    """Return the table with ids in place of names that mean another film, several or none once the
    list of clips has changed; None if all names keep their meaning."""
    ids: dict[str, str] = {}
    for name in {row.video for row in table.rows}:
        with suppress(UserError):  # it already fitted several films
            meant = before.file_of(name)
            if meant is not None and meant != _file_or_none(after, name):
                ids[name] = id_within(meant[0], person=int(meant[1]))
    if all(name == video for name, video in ids.items()):
        return None
    rows = tuple(replace(row, video=ids.get(row.video, row.video)) for row in table.rows)
    return replace(table, rows=rows)


def _file_or_none(videos: VideoList, name: str) -> tuple[str, str] | None:
    try:
        return videos.file_of(name)
    except UserError:  # it fits several films
        return None


# --- the rows that each clip shows ----------------------------------------------------------------

File = tuple[str, str]  # and person, see clip.family
Frames = tuple[int, float]
"""The first frame of a file that a clip shows, and the one after its last."""


class ClipPhases:
    """The rows of a table by clip.

    table: phases.csv.
    videos: the clips of the project.
    frames: returns the frames of its file that a clip shows; None if unknown.
    """

    def __init__(
        self, table: PhaseTable, videos: VideoList, frames: Callable[[Video], Frames | None]
    ) -> None:
        self.table = table
        self._videos = videos
        self._frames = frames
        self.unclear: dict[str, UserError] = {}  # names that fit several films, shown by no clip
        self._file = {name: self._file_of(name) for name in {row.video for row in table.rows}}

    def _file_of(self, name: str) -> File | None:
        try:
            return self._videos.file_of(name)
        except UserError as error:
            self.unclear[name] = error
            return None

    def of_table(self, table: PhaseTable) -> ClipPhases:
        """Return the same for another table of the project."""
        return ClipPhases(table, self._videos, self._frames)

    @cached_property
    def by_clip(self) -> dict[str, list[PhaseRow]]:
        """The parts of rows that clips show, in time order, by id of the clip."""
        parts: dict[str, list[PhaseRow]] = {}
        for file, rows in self._by_file.items():
            for video in self._videos.of_file(file):
                low, high = self._frames(video) or (0, 0)
                shown = [part for row in rows for part in _cut(row, low, high)]
                if shown:
                    parts[video.id] = sorted(shown, key=_start)
        return parts

    @cached_property
    def _by_file(self) -> dict[File, list[PhaseRow]]:
        rows: dict[File, list[PhaseRow]] = {}
        for row in self.table.rows:
            if (file := self._file[row.video]) is not None:
                rows.setdefault(file, []).append(row)
        return rows

    def replaced(self, new: Mapping[str, Sequence[PhaseRow]]) -> PhaseTable:
        """Return the table with new rows, by id of the clip, in place of those that the clips show.

        Parts of rows beyond the frames of a clip stay, and are joined with the rows they continue.
        """
        files: dict[File, list[PhaseRow]] = {}
        for clip, rows in new.items():
            file = family(clip)
            listed = [video for video in self._videos.of_file(file) if video.id == clip]
            low, high = (self._frames(listed[0]) or (0, 0)) if listed else (0, inf)
            left = files.get(file, self._by_file.get(file, []))
            left = [part for row in left for part in (*_cut(row, 0, low), *_cut(row, high, inf))]
            files[file] = _joined(sorted([*left, *rows], key=_start), (low, high))
        result: list[PhaseRow] = []
        for row in self.table.rows:
            file = self._file[row.video]
            if file is None or file not in files:
                result.append(row)
            else:  # all rows of a file go to the place of its first
                result += files[file]
                files[file] = []
        return replace(
            self.table, rows=(*result, *(row for rows in files.values() for row in rows))
        )


def _start(row: PhaseRow) -> int:
    return row.phase.start


def _cut(row: PhaseRow, low: float, high: float) -> list[PhaseRow]:
    """Return the part of a row from one frame to another, if there is any; its origins stay."""
    start, end = max(row.phase.start, low), min(row.phase.end, high)
    if start >= end:
        return []
    return [replace(row, phase=replace(row.phase, start=int(start), end=int(end)))]


def _joined(rows: Iterable[PhaseRow], edges: Frames) -> list[PhaseRow]:
    """Return rows in time order, with the parts of one phase on both sides of an edge joined."""
    joined: list[PhaseRow] = []
    for row in rows:
        before = joined[-1] if joined else None
        if before and before.phase.end == row.phase.start in edges:
            origins = Origins(before.phase.origins.start, row.phase.origins.end)
            whole = replace(row.phase, start=before.phase.start, origins=origins)
            if _counts(before.phase) == _counts(row.phase) == _counts(whole):
                inner = row if row.phase.start == edges[0] else before  # the row that is new
                joined[-1] = replace(inner, phase=whole)
                continue
        joined.append(row)
    return joined


def _counts(phase: Phase) -> tuple[str, bool, bool]:
    """Return the properties that must be equal in the parts of a phase and in the whole."""
    return phase.name, phase.is_truth, phase.is_placed
