"""Tables with a row for each frame: CSV of la2ds and of DeepLabCut, and TRC. They are read and
written in pieces, since those of long films are larger as text than in memory."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import encoded, write_bytes
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import PoseFileError, shown, unreadable_text

Row = tuple[int, list[str]]  # the number of the row, from 1, and its cells
_PIECE = 1000  # rows written at once


def rows_of(path: Path, delimiter: str = ",") -> Iterator[Row]:
    """The rows of a file that are not blank, as they are read; raises PoseFileError."""
    number = 0
    with unreadable_text():
        stream = regular_file.opened(path, regular_file.MOST_IMPORTED, links=True)
        with io.TextIOWrapper(stream, "utf-8-sig", newline="") as lines:
            try:
                for cells in csv.reader(lines, delimiter=delimiter):
                    row = [cell.strip() for cell in cells]
                    if any(row):
                        number += 1
                        yield number, row
            except csv.Error as error:
                raise PoseFileError(f"it is not a table: {error}") from error


def cell_number(cell: str, where: str) -> float:
    """The number in a cell; NaN if it is empty, nan or na."""
    if not cell or cell.lower() in ("nan", "na"):
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        raise PoseFileError(f"{where} should be a number, not {shown(cell)}") from error


class Numbers:
    """The numbers of a table with `width` columns, gathered row by row.

    columns: those that hold numbers, None = all.
    """

    def __init__(self, width: int, columns: Collection[int] | None = None) -> None:
        self.width = width
        self._columns = range(width) if columns is None else sorted(columns)
        self._values = array("d")

    def add(self, row: Row) -> None:
        """Raises PoseFileError that names the cell; cells that a short row lacks are NaN."""
        number, cells = row
        if len(cells) > self.width:
            raise PoseFileError(
                f"row {number} has {len(cells)} columns, but the header has {self.width}"
            )
        try:
            values = [float(cells[c]) if cells[c] else math.nan for c in self._columns]
        except (IndexError, ValueError):  # a short row, or other text than a number
            values = [
                cell_number(cells[c] if c < len(cells) else "", f"row {number}, column {c + 1}")
                for c in self._columns
            ]
        self._values.extend(values)

    def table(self) -> FloatArray:
        """(T, C) float64 of the T rows so far, the C columns that hold numbers in order."""
        return np.frombuffer(self._values).reshape(-1, len(self._columns))

    def column(self, number: int) -> FloatArray:
        """(T,) of one of those columns, by its number in the file."""
        return self.table()[:, self._columns.index(number)]


def joint_cells(values: FloatArray, missing: str) -> Iterator[list[str]]:
    """The cells of each row of `values` (T, ...), with four decimals; `missing` for NaN."""
    for row in values:
        cells = row.ravel().tolist()
        yield [missing if value != value else f"{value:.4f}" for value in cells]


def write_rows(path: Path, rows: Iterable[Sequence[str]], delimiter: str = ",") -> None:
    """Write a table atomically; raises UserError (exit 7)."""

    def pieces() -> Iterator[bytes]:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
        for count, row in enumerate(rows, start=1):
            writer.writerow(row)
            if count % _PIECE == 0:
                yield encoded(buffer.getvalue())
                buffer.seek(0)
                buffer.truncate()
        yield encoded(buffer.getvalue())

    write_bytes(path, pieces())
