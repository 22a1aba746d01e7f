"""Reading phases.csv: named spans of frames."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.csv_table import read_rows
from la2ds_cli.types import Phase


def read_phases(path: Path) -> list[tuple[str, Phase]]:
    """Rows of a `video,start,end,phase` CSV (frames, end exclusive), names as written."""

    def parse(row: dict[str, str]) -> tuple[str, Phase]:
        phase = Phase(_frame(row, "start"), _frame(row, "end"), row["phase"])
        if not 0 <= phase.start < phase.end:
            raise ValueError(f"start {phase.start} must lie before end {phase.end}")
        return row["video"], phase

    return read_rows(path, parse, "columns: video,start,end,phase (frame numbers, end exclusive)")


def _frame(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise ValueError(f"{column} is '{row[column]}', not a frame number") from None
