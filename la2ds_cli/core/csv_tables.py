"""CSV tables of a project: writing, and checked reading of hand-edited ones."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from la2ds_cli.core.artifact import cannot_read
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.untrusted_text import inert, without_mark

Row = TypeVar("Row")


class _Lines:
    """Collects rows of csv.writer, which calls `write` once for each, with a line feed as their
    end. The writer itself must end them with CR LF: before Python 3.13 it quotes only those of the
    two that its line ends have, and the reader takes a bare one for the end of a row."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, row: str) -> None:
        self.lines.append(row.removesuffix("\r\n") + "\n")


def table_text(header: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV text; lines end with a line feed on every system. Cells are `inert`."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow([inert(cell) for cell in header])
    writer.writerows([inert(cell) for cell in row] for row in rows)
    return "".join(lines.lines)


def read_rows(
    path: Path,
    parse: Callable[[dict[str, str]], Row],
    hint: str,
    check: Callable[[Sequence[str]], None] | None = None,
) -> list[Row]:
    """Parsed rows of a CSV file with a header, in UTF-8 with or without a byte-order mark.

    parse turns one row (column -> text) into a value, or raises KeyError or ValueError; `check`
    raises them for the names of the columns, none of an empty file. Either becomes a UserError
    (exit 5) that names the line; hint describes the expected file. The apostrophe of an `inert`
    cell is taken off. Raises UserError (exit 3) if the system does not let the file be read.
    """
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns = [without_mark(name) for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            if check is not None:
                check(columns)
            rows = []
            for row in reader:
                line = reader.line_num
                if None in row or None in row.values():
                    raise ValueError(f"it has {_fields(row)}, the header has {len(columns)}")
                rows.append(parse({name: without_mark(cell) for name, cell in row.items()}))
            return rows
    except OSError as error:
        raise cannot_read(path, error) from error
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
