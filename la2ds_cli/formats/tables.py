"""Tables with a row for each frame: CSV of la2ds and of DeepLabCut, and TRC. They are read and
written in pieces, since those of long films are larger as text than in memory."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import encoded, write_bytes
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import (
    FramesError,
    PoseFileError,
    frame_number,
    reading,
    unreadable_text,
)

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


def cell_number(cell: str) -> float:
    """The number in a cell; NaN if it is empty, nan or na. Raises ValueError for other text."""
    return float(cell) if cell and cell.lower() != "na" else math.nan


def read_frames(
    rows: Iterable[Row], width: int, columns: Sequence[int], frame: int | None = 0
) -> tuple[list[int], FloatArray]:
    """The frame numbers (T,) of the rows, and the numbers (T, C) in some columns.

    width: columns of the header; cells that a short row lacks are NaN. frame: the column of the
    frame numbers, None = counted from 0. Raises PoseFileError that names the row, and FramesError
    if the numbers do not increase.
    """
    numbers: list[int] = []
    values = array("d")
    for line, cells in rows:
        with reading(f"row {line}"):
            if any(cells[width:]):  # some programs end each row with an empty cell
                raise PoseFileError(f"it has {len(cells)} columns, but the header has {width}")
            cells += [""] * (width - len(cells))
            number = len(numbers) if frame is None else frame_number(cells[frame])
            if numbers and number <= numbers[-1]:
                raise FramesError(f"frame {number} comes after frame {numbers[-1]}")
            numbers.append(number)
            values.extend(cell_number(cells[column]) for column in columns)
    if not numbers:
        raise PoseFileError("it has no rows below its header")
    return numbers, np.frombuffer(values).reshape(-1, len(columns))


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
