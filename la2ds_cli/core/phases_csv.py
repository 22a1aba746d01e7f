"""phases.csv: named spans of frames, and which of them no person has made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from la2ds_cli.core.csv_table import read_rows, table_text
from la2ds_cli.core.types import Phase

COLUMNS = ("video", "start", "end", "phase")
ORIGIN = "origin"  # optional column
CARRIED = "carried"  # its value in rows that `transfer-labels` wrote; empty: made by a person


def read_phases(path: Path) -> list[tuple[str, Phase]]:
    """Rows of a `video,start,end,phase[,origin]` CSV (frames, end exclusive), names as written."""

    def parse(row: dict[str, str]) -> tuple[str, Phase]:
        carried = row.get(ORIGIN, "").strip().lower() == CARRIED
        phase = Phase(_frame(row, "start"), _frame(row, "end"), row["phase"], carried)
        if not 0 <= phase.start < phase.end:
            raise ValueError(f"start {phase.start} must lie before end {phase.end}")
        return row["video"], phase

    return read_rows(path, parse, "columns: video,start,end,phase (frame numbers, end exclusive)")


def phases_text(rows: Iterable[tuple[str, Phase]]) -> str:
    """The same rows as CSV; the column `origin` is there where a phase was carried."""
    rows = list(rows)
    with_origin = any(phase.carried for _, phase in rows)
    lines = []
    for name, phase in rows:
        origin = [CARRIED if phase.carried else ""] if with_origin else []
        lines.append([name, phase.start, phase.end, phase.name, *origin])
    return table_text([*COLUMNS, ORIGIN] if with_origin else COLUMNS, lines)


def _frame(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise ValueError(f"{column} is '{row[column]}', not a frame number") from None
