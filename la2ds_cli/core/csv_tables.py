"""CSV tables of a project: write them, and read hand-edited ones with checks."""

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
MOST_ROWS = 250_000  # videos.csv of 100,000 clips has 100,000
MOST_CELLS = 5_000_000
MOST_COLUMNS = 1_000
# Where a cell may begin: programs disagree on the separator, and some end a cell at a line break.
_START = r"(?:^|(?<=[;\t\r\n]))"
_FORMULA = r"(?='*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"  # also full-width signs
_UNMARKED = re.compile(_START + _FORMULA)
_MARK = re.compile(_START + "'" + _FORMULA)


class _Echo:
    """A stream for csv.writer that returns each row, with a line feed at its end.

    The writer must end rows with CR LF: before Python 3.13 it quotes a CR or LF only if its line
    terminator contains it, and the reader takes a bare one for the end of a row.
    """

    def write(self, row: str) -> str:
        return row.removesuffix("\r\n") + "\n"


def table_text(header: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV text; lines end with a line feed on every system. Cells are `inert`."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    lines = (writer.writerow([inert(cell) for cell in row]) for row in (header, *rows))
    return "".join(lines)  # pyright: ignore[reportArgumentType] (what write returns)


def table_of(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows, column -> cell, as CSV. columns: named as by `column_keys`; each counts once."""
    names = list(dict.fromkeys(columns))
    header = [name.rstrip("\0") for name in names]
    return table_text(header, ([row.get(name, "") for name in names] for row in rows))


def read_rows(
    path: Path,
    parse: Callable[[dict[str, str]], Row],
    hint: str,
    check: Callable[[Sequence[str]], None] | None = None,
) -> list[Row]:
    """Read the rows of a CSV file with a header, in UTF-8 with or without a byte-order mark.

    Parameters
    ----------
    parse
        Makes a value from a row, column -> text. Columns are named as by `column_keys`, and the
        apostrophe of an `inert` cell is removed. May raise KeyError or ValueError.
    hint
        Describes the expected file, for errors.
    check
        Gets the names of the columns, none if the file is empty. May raise as `parse`.

    Raises
    ------
    UserError
        Exit 3 if the file cannot be opened; exit 5, with the line, for an error of `parse` or
        `check`, and for more than MOST_ROWS, MOST_CELLS or MOST_COLUMNS.
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
        message = f"{path} line {line} cannot be read: {problem}"
        raise Mismatch(message, hint=hint) from error


def column_keys(columns: Sequence[str]) -> list[str]:
    """Return the names of columns, made unique.

    Spreadsheets write columns without a name; from the second one on, they get null characters,
    which `table_of` removes. Raises ValueError for any other name that appears twice, and for more
    than MOST_COLUMNS.
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
    """Return a number with this many decimals; an empty cell if it is NaN or infinite."""
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


# --- cells that a spreadsheet would take for formulas ---------------------------------------------


def inert(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula, or for several cells with one.

    Such text gets an apostrophe in front, as people type it in spreadsheets; `read_rows` removes
    it. Numbers and other text are unchanged.
    """
    if not isinstance(cell, str):
        return cell
    try:
        float(cell)
    except ValueError:
        return _UNMARKED.sub("'", cell)
    return cell


def without_mark(cell: str) -> str:
    """Undo `inert` for text."""
    return _MARK.sub("", cell)
