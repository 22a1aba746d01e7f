"""phases.csv: named spans of frames, and who set each of them.

Reading and writing keeps every column, including those that la2ds does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import MOST_FRAMES
from la2ds_cli.core.csv_tables import heading, read_rows, table_text
from la2ds_cli.core.types import Phase

PHASE_COLUMNS = ("video", "start", "end", "phase")
ORIGIN = "origin"  # optional: PERSON or PROPAGATED; empty, or without the column: a person
PERSON, PROPAGATED = "person", "carried"
ORIGIN_CLIPS = "origin_clips"  # of propagated rows: ids of the labelled clips, a space between two
ORIGIN_TIME = "origin_time"  # of propagated rows: when they were written, UTC, ISO 8601
ORIGIN_CONFIDENCE = "origin_confidence"  # of propagated rows: of the start and of the end, 0 to 1
CHECKED = "checked"  # of propagated rows: which of START, END a person has looked at, or moved
START, END = "start", "end"
_HINT = "columns: video,start,end,phase (frame numbers, end exclusive)"


@dataclass(frozen=True)
class PhaseRow:
    """video: as written: an id, a file name or its stem. other: text of further columns."""

    video: str
    phase: Phase
    other: Mapping[str, str] = field(default_factory=dict)

    @property
    def checked(self) -> frozenset[str]:
        """START, END: those that a person has checked."""
        if not self.phase.propagated:
            return frozenset({START, END})
        return frozenset(self.other.get(CHECKED, "").split()) & {START, END}


@dataclass(frozen=True)
class PhaseTable:
    """The rows in file order. columns: of the file, in its order, as `column_keys` names them."""

    rows: tuple[PhaseRow, ...] = ()
    columns: tuple[str, ...] = PHASE_COLUMNS

    def text(self) -> str:
        """The table as CSV. Columns that only rows have follow those of the file; with a column
        `origin`, every row says who set it."""
        extra = [name for row in self.rows for name in row.other]
        if any(row.phase.propagated for row in self.rows):
            extra.insert(0, ORIGIN)
        columns = tuple(dict.fromkeys((*self.columns, *extra)))
        cells = ([_cell(row, name) for name in columns] for row in self.rows)
        return table_text(map(heading, columns), cells)


def _cell(row: PhaseRow, column: str) -> str | int:
    phase = row.phase
    if column == ORIGIN:
        return PROPAGATED if phase.propagated else row.other.get(ORIGIN, "").strip() or PERSON
    known = {"video": row.video, "start": phase.start, "end": phase.end, "phase": phase.name}
    return known[column] if column in known else row.other.get(column, "")


def read_phase_table(path: Path) -> PhaseTable:
    """The file with all its columns; an empty table if the file does not exist or is empty.

    Raises UserError (exit 5) that names an unreadable row.
    """
    columns: list[str] = []
    rows = read_rows(path, _parse, _HINT, columns.extend) if path.exists() else []
    return PhaseTable(tuple(rows), tuple(columns) or PHASE_COLUMNS)


def in_time_order(phases: Iterable[Phase]) -> list[Phase]:
    """Phases of one clip by their start. Raises ValueError if two share a frame."""
    ordered = sorted(phases, key=lambda phase: phase.start)
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(
                f"'{before.name}' ({before.start} to {before.end}) and '{after.name}' "
                f"({after.start} to {after.end}) overlap"
            )
    return ordered


def _parse(cells: dict[str, str]) -> PhaseRow:
    propagated = cells.get(ORIGIN, "").strip().lower() == PROPAGATED
    phase = Phase(_frame(cells, "start"), _frame(cells, "end"), cells["phase"], propagated)
    if not 0 <= phase.start < phase.end:
        raise ValueError(f"start {phase.start} must be before end {phase.end}")
    other = {name: text for name, text in cells.items() if name not in PHASE_COLUMNS}
    return PhaseRow(cells["video"], phase, other)


def _frame(cells: dict[str, str], column: str) -> int:
    text = cells[column]
    try:
        frame = int(text)
    except ValueError:
        raise ValueError(f"{column} is {text[:40]!a}, not a frame number") from None
    if frame > MOST_FRAMES:
        raise ValueError(
            f"{column} is {text[:40]!a}, not a frame number of at most {MOST_FRAMES:,}"
        )
    return frame


def write_phase_table(path: Path, table: PhaseTable, backups: Path | None) -> Path | None:
    """Write the table, after copying the old file into the folder `backups` as `before-N.csv`.
    Returns the copy; None if there was no file or no folder, or if nothing changes.

    Raises UserError (exit 7) if either cannot be written.
    """
    content = artifact.encoded(table.text())
    old = regular_file.content(path) if path.exists() else None
    if old == content:
        return None
    copy = None if old is None or backups is None else _back_up(old, backups)
    artifact.write_bytes(path, content)
    return copy


def _back_up(content: bytes, folder: Path) -> Path:
    numbers = [
        int(number)
        for path in folder.glob("before-*.csv")
        if (number := path.stem.removeprefix("before-")).isdecimal()
    ]
    copy = folder / f"before-{max(numbers, default=0) + 1}.csv"
    artifact.write_bytes(copy, content)
    return copy
