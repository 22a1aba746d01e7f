"""CSV tables of a project: writing, and checked reading of hand-edited ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from la2ds_cli.core.errors import ExitCode, UserError

Row = TypeVar("Row")


def table_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV text; lines end with a line feed on every system."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def read_rows(
    path: Path,
    parse: Callable[[dict[str, str]], Row],
    hint: str,
    check: Callable[[Sequence[str]], None] | None = None,
) -> list[Row]:
    """Parsed rows of a CSV file with a header, in UTF-8 with or without a byte-order mark.

    parse turns one row (column -> text) into a value, or raises KeyError or ValueError; `check`
    raises them for the names of the columns. Either becomes a UserError (exit 5) that names the
    line; hint describes the expected file.
    """
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns = reader.fieldnames or ()
            if check is not None and columns:
                check(columns)
            rows = []
            for row in reader:
                line = reader.line_num
                if None in row or None in row.values():
                    raise ValueError(f"it has {_fields(row)}, the header has {len(columns)}")
                rows.append(parse(row))
            return rows
    except UnicodeDecodeError as error:
        raise _unreadable(path, line, "it is not UTF-8 text", hint) from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        problem = f"column {error} is missing" if isinstance(error, KeyError) else str(error)
        raise _unreadable(path, line, problem, hint) from error


def _fields(row: dict[Any, Any]) -> str:
    """The number of fields of a row as text; DictReader puts extra fields under the key None."""
    inside = sum(name is not None and value is not None for name, value in row.items())
    count = inside + len(row.get(None, ()))
    return f"{count} field" if count == 1 else f"{count} fields"


def _unreadable(path: Path, line: int, problem: str, hint: str) -> UserError:
    return UserError(
        f"{path} line {line} cannot be read: {problem}", hint=hint, exit_code=ExitCode.MISMATCH
    )
