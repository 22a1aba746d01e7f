"""Tables of one person per row group: columns of text to joints, for the CSV formats and TRC."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.importers._problems import PoseFileError
from la2ds_cli.formats.importers._values import read_text, shown


def read_table(path: Path, delimiter: str = ",") -> list[list[str]]:
    """Rows of cells, blank lines left out; raises PoseFileError."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise PoseFileError(f"it is not a table: {error}") from error
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def cell_number(cell: str, where: str) -> float:
    """The number in a cell; NaN where it is empty or says nan."""
    if not cell or cell.lower() in ("nan", "na"):
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        raise PoseFileError(f"{where} should be a number, not {shown(cell)}") from error


def cell_numbers(
    rows: Sequence[Sequence[str]],
    first_row: int,
    width: int,
    columns: Collection[int] | None = None,
) -> FloatArray:
    """(T, width) of rows of text, NaN where a row is short.

    first_row: number of the first one, for messages. columns: those that hold numbers, None = all;
    the others become NaN.
    """
    value = np.full((len(rows), width), np.nan)
    for number, (row, found) in enumerate(zip(rows, value, strict=True), start=first_row):
        if len(row) > width:
            raise PoseFileError(f"row {number} has {len(row)} columns, the header {width}")
        for c, cell in enumerate(row):
            if columns is None or c in columns:
                found[c] = cell_number(cell, f"row {number}, column {c + 1}")
    return value
