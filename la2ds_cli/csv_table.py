"""CSV tables: reading those that people edit by hand, and writing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from la2ds_cli.errors import ExitCode, UserError

Row = TypeVar("Row")


def table_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV, lines ending in a line feed on every system."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def read_rows(path: Path, parse: Callable[[dict[str, str]], Row], hint: str) -> list[Row]:
    """Parsed rows of a CSV file with a header, in UTF-8 with or without a byte-order mark.

    parse turns one row (column -> text) into a value and raises KeyError or ValueError when it
    cannot. UserError (exit 5) names the line; hint says what the file should look like.
    """
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            rows = []
            for row in reader:
                line = reader.line_num
                if None in row or None in row.values():
                    raise ValueError("it has more or fewer fields than the header")
                rows.append(parse(row))
            return rows
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        what = f"column {error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path} line {line} cannot be read: {what}",
            hint=hint,
            exit_code=ExitCode.MISMATCH,
        ) from error
