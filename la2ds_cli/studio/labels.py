"""Phase labels as a person sets, moves and accepts them, one clip at a time.

They are rows of phases.csv. A row that was propagated from other clips becomes a person's once both
of its ends have been checked, moved or set; until then the row records which end has been.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock
from typing import Any

from la2ds_cli.core.clip import MOST_FRAMES, Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import (
    CHECKED,
    END,
    ORIGIN,
    ORIGIN_CLIPS,
    ORIGIN_CONFIDENCE,
    ORIGIN_TIME,
    PERSON,
    PHASE_COLUMNS,
    PROPAGATED,
    START,
    PhaseRow,
)
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.studio.pages import one_line

WAIT = 2.0  # seconds to wait for another process that is writing a table
_ORIGINS = (ORIGIN, ORIGIN_CLIPS, ORIGIN_TIME, ORIGIN_CONFIDENCE, CHECKED)
ROW = {
    **{"start": int, "end": int, "phase": str, "checked": [str]},
    **{"carried": (None, bool), "other": (None, dict)},
}
"""A label in what a page sends, see pages.posted; as row_json."""
_LONGEST = 80  # characters of a phase's name that a page gives


def phase_row(
    given: Mapping[str, Any], video: str, ends: tuple[int, int], columns: Collection[str]
) -> PhaseRow:
    """The row of phases.csv of a ROW, whose `checked` are the ends that a person has checked,
    `carried` says that nobody has checked both, and `other` are further cells.

    ends: frames at which the clip begins and ends; boundaries there need no check. columns: those
    that the table may have. Raises UserError (exit 2) for an invalid label.
    """
    start, end = given["start"], given["end"]
    if not 0 <= start < end <= MOST_FRAMES:
        raise UserError("a label must begin before it ends, at frames of the clip")
    cells = given.get("other") or {}
    if not all(isinstance(text, str) for text in cells.values()):
        raise UserError("the other cells of a label must be texts")
    other = {name: text for name, text in cells.items() if name in columns}
    by_person = {*given["checked"]} & {START, END}
    sure = START in by_person or start <= ends[0], END in by_person or end >= ends[1]
    propagated = given.get("carried") is True and not all(sure)
    if CHECKED in other or (propagated and by_person):
        other[CHECKED] = " ".join(sorted(by_person, reverse=True)) if propagated else ""
    if not propagated and other.get(ORIGIN, "").strip().lower() == PROPAGATED:
        other[ORIGIN] = PERSON
    return PhaseRow(video, Phase(start, end, given["phase"], propagated=propagated), other)


def _check_name(name: str) -> None:
    """Raise UserError (exit 2) for a name that a page may not give to a phase."""
    if not one_line(name):
        raise UserError("a phase needs a name")
    if len(name) > _LONGEST:
        raise UserError(f"the name of a phase can have at most {_LONGEST} characters")


def row_json(row: PhaseRow) -> dict[str, Any]:
    """A row for a page, with who set it and, in its other cells, where it comes from."""
    return {
        "start": row.phase.start,
        "end": row.phase.end,
        "phase": row.phase.name,
        "carried": row.phase.propagated,
        "checked": sorted(row.checked),
        "other": dict(row.other),
    }


def version(rows: Sequence[PhaseRow]) -> str:
    """A hash that changes whenever the labels of a clip do.

    Empty cells and the column `origin`, which the phase states as well, do not count: a row has
    them only once it has been written to a file with these columns.
    """
    said = [
        (
            row.phase,
            sorted((key, text) for key, text in row.other.items() if text and key != ORIGIN),
        )
        for row in rows
    ]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


@dataclass
class Labels:
    """The labels of a project, as changed on the page. phases.csv is backed up once, before the
    first change."""

    project: Project
    _copied: bool = False
    _lock: Lock = field(default_factory=Lock)

    def save(
        self, video: Video, labels: Sequence[Mapping[str, Any]], known: str, ends: tuple[int, int]
    ) -> list[PhaseRow]:
        """Replace the labels of a clip; return its new rows in time order.

        labels: ROWs. known: version of the rows that the page had. ends: see phase_row. Raises
        UserError (exit 2) if a label is invalid, has a name of no use or overlaps another, (exit 5)
        if the labels have changed meanwhile or another process has been writing a table for more
        than WAIT seconds.
        """
        with self._lock, self.project.tables(wait=WAIT):
            phases = self.project.clip_phases()
            own = phases.by_clip.get(video.id, [])
            if version(own) != known:
                raise UserError(
                    f"the labels of {video.title} have changed meanwhile",
                    hint="load the page again",
                    exit_code=ExitCode.MISMATCH,
                )
            there = {row.phase.name for row in own}
            name = own[0].video if own else video.id
            columns = {*phases.table.columns, *_ORIGINS} - set(PHASE_COLUMNS)
            new = [phase_row(label, name, ends, columns) for label in labels]
            new.sort(key=lambda row: row.phase.start)
            for phase in (row.phase for row in new):
                if phase.name not in there:  # else the file has it, whoever wrote it
                    _check_name(phase.name)
            for before, after in pairwise(row.phase for row in new):
                if before.end > after.start:
                    raise UserError(f"{before.name} and {after.name} overlap")
            table = phases.replaced({video.id: new})
            self.project.write_phase_table(table, backup=not self._copied)
            self._copied = True
        return new


def end_confidence(row: PhaseRow) -> tuple[float | None, float | None]:
    """Of the start and of the end of a propagated phase, 0 to 1; None = unknown."""
    try:
        start, end = map(float, row.other.get(ORIGIN_CONFIDENCE, "").split())
    except ValueError:
        return None, None
    return (start, end) if 0 <= start <= 1 and 0 <= end <= 1 else (None, None)
