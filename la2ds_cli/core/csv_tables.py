"""CSV tables of a project: writing, and checked reading of hand-edited ones."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import cannot_read
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.table_size import check_table_size

Row = TypeVar("Row")
MOST_ROWS = 250_000  # of a project of 100,000 clips, videos.csv has 100,000
MOST_CELLS = 5_000_000
MOST_COLUMNS = 1_000
# Where a cell may begin: programs disagree on the separator, and some break a cell at its lines.
_START = r"(?:^|(?<=[;\t\r\n]))"
_FORMULA = r"(?='*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"  # also of full width
_UNMARKED = re.compile(_START + _FORMULA)
_MARK = re.compile(_START + "'" + _FORMULA)


class _Echo:
    """What csv.writer writes a row to, and returns. The writer must end rows with CR LF: before
    Python 3.13 it quotes a CR or LF only if its line terminator contains it, and the reader takes a
    bare one for the end of a row."""

    def write(self, row: str) -> str:
        return row.removesuffix("\r\n") + "\n"


def table_text(header: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV text; lines end with a line feed on every system. Cells are `inert`."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    lines = (writer.writerow([inert(cell) for cell in row]) for row in (header, *rows))
    return "".join(lines)  # pyright: ignore[reportArgumentType] (what write returns)


def table_of(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows, column -> cell, as CSV. columns: named as `column_keys` says; each counts once."""
    names = list(dict.fromkeys(columns))
    header = [name.rstrip("\0") for name in names]
    return table_text(header, ([row.get(name, "") for name in names] for row in rows))


def read_rows(
    path: Path,
    parse: Callable[[dict[str, str]], Row],
    hint: str,
    check: Callable[[Sequence[str]], None] | None = None,
) -> list[Row]:
    """Parsed rows of a CSV file with a header, in UTF-8 with or without a byte-order mark.

    parse: makes a value of a row, column -> text. Columns are named as `column_keys` says, and the
    apostrophe of an `inert` cell is taken off. check: gets the names of the columns, none if the
    file is empty. Either may raise KeyError or ValueError, which becomes a UserError (exit 5) that
    names the line. hint: describes the expected file. Raises UserError (exit 3) if the file cannot
    be opened, and (exit 5) for more than MOST_ROWS, MOST_CELLS or MOST_COLUMNS.
    """
    line = 1
    try:
        with regular_file.opened(path) as stream:
            check_table_size(stream, MOST_ROWS, MOST_CELLS, ",")
            reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""))
            keys = column_keys([without_mark(name) for name in next(reader, ())])
            if check is not None:
                check(keys)
            rows = []
            for cells in reader:
                if not cells:  # an empty line
                    continue
                line = reader.line_num
                if len(cells) != len(keys):
                    fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
                    raise ValueError(f"it has {fields}, but the header has {len(keys)}")
                if "'" in "".join(cells):  # rare, and tables are long
                    cells = [without_mark(cell) for cell in cells]
                rows.append(parse(dict(zip(keys, cells, strict=True))))
            return rows
    except OSError as error:
        raise cannot_read(path, error) from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        problem = f"column {error} is missing" if isinstance(error, KeyError) else str(error)
        if isinstance(error, UnicodeDecodeError):
            problem = "it is not UTF-8 text"
        said = f"{path} line {line} cannot be read: {problem}"
        raise Mismatch(said, hint=hint) from error


def column_keys(columns: Sequence[str]) -> list[str]:
    """Return the names of columns, each only once.

    Spreadsheets write columns without a name; from the second one on, null characters follow, which
    `table_of` takes off. Raises ValueError for any other name that appears twice, and for more than
    MOST_COLUMNS.
    """
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"it has more than {MOST_COLUMNS:,} columns")
    keys: list[str] = []
    for name in columns:
        blanks = sum(key.rstrip("\0") == name for key in keys) if not name.strip() else 0
        if (key := name + blanks * "\0") in keys:
            raise ValueError(f"the column '{name}' appears twice; rename or delete one of them")
        keys.append(key)
    return keys


def number_cell(value: float, digits: int) -> str:
    """A number with this many decimals; an empty cell if it is NaN or infinite."""
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


# --- cells that a spreadsheet would take for formulas ---------------------------------------------


def inert(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula, or for several cells with one, with an
    apostrophe in front of it, as people type it there; numbers and other text unchanged.
    `read_rows` removes it again."""
    if not isinstance(cell, str):
        return cell
    try:
        float(cell)
    except ValueError:
        return _UNMARKED.sub("'", cell)
    return cell


def without_mark(cell: str) -> str:
    """Inverse of `inert` for text."""
    return _MARK.sub("", cell)
