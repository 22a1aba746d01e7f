"""notes.csv: a person's notes on moments of two clips.

A row names a frame of each clip, as numbered in the files, so that it stays valid when a clip is
extracted again; the frame is empty if its clip shows no such moment. Only a person changes the
table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import read_rows, table_text

COLUMNS = ("a", "frame_a", "b", "frame_b", "text", "set")
NOTE_LONGEST = 500  # letters of a note
_HINT = f"correct the line, or delete it; columns: {','.join(COLUMNS)}"


@dataclass(frozen=True)
class Note:
    """frame_a, frame_b: of the clips' files, from 0; None = the clip shows no such moment. set:
    when, UTC, ISO 8601."""

    frame_a: int | None
    frame_b: int | None
    text: str
    set: str = ""

    @property
    def exchanged(self) -> Note:
        """The same note with A and B exchanged."""
        return Note(self.frame_b, self.frame_a, self.text, self.set)


Row = tuple[str, str, Note]  # with the ids of the two clips


def read_notes(path: Path) -> list[Row]:
    """The rows of the table; none without the file. Raises UserError (exit 5) that names a line."""
    return read_rows(path, _parse, _HINT) if path.exists() else []


def write_notes(path: Path, rows: Iterable[Row]) -> None:
    """Write the table; raises UserError (exit 7) if it cannot be written."""
    cells = [
        (a, _cell(one.frame_a), b, _cell(one.frame_b), one.text, one.set) for a, b, one in rows
    ]
    artifact.write_text(path, table_text(COLUMNS, cells))


def notes_of(path: Path, a: str, b: str) -> list[Note]:
    """The notes on two clips, in the order of A's frames, whichever clip was A when they were
    written. Raises UserError as read_notes."""
    found = [
        note if first == a else note.exchanged
        for first, second, note in read_notes(path)
        if (first, second) in ((a, b), (b, a))
    ]
    return sorted(found, key=lambda note: (note.frame_a is None, note.frame_a or 0))


def _cell(frame: int | None) -> str:
    return "" if frame is None else str(frame)


def _parse(cells: dict[str, str]) -> Row:
    a, b = (int(text) if (text := cells[f"frame_{side}"].strip()) else None for side in "ab")
    known = [frame for frame in (a, b) if frame is not None]
    if not known:
        raise ValueError("it names no frame")
    if min(known) < 0:
        raise ValueError(f"{min(known)} is not a frame number")
    return cells["a"], cells["b"], Note(a, b, cells["text"], cells.get("set", ""))
