"""The alignment as CSV and JSON: every pair in frames and in seconds, with cost and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray

SCHEMA_VERSION = 1
COLUMNS = ("index_a", "index_b", "frame_a", "frame_b", "time_a", "time_b", "cost", "confidence")


def path_columns(alignment: Alignment) -> dict[str, np.ndarray]:
    """One array (P,) per name of COLUMNS. index: row in the clip's poses, frame: in its source
    file, time: seconds, cost: feature distance of the pair, confidence: of its frame of A."""
    i, j = alignment.path.T
    values = (
        i,
        j,
        alignment.frame_a[i],
        alignment.frame_b[j],
        alignment.time_a[i],
        alignment.time_b[j],
        alignment.cost,
        alignment.confidence[i],
    )
    return dict(zip(COLUMNS, values, strict=True))


def csv_text(alignment: Alignment) -> str:
    """The path, one row a pair; seconds to the microsecond."""
    columns = path_columns(alignment)
    digits = {"time_a": 6, "time_b": 6, "cost": 6, "confidence": 4}
    shown = [
        [f"{value:.{digits[name]}f}" for value in column] if name in digits else column
        for name, column in columns.items()
    ]
    return table_text(COLUMNS, zip(*shown, strict=True))


def path_json(alignment: Alignment) -> dict[str, list[Any]]:
    """The same columns as lists of plain numbers."""
    return {name: rounded(column) for name, column in path_columns(alignment).items()}


def rounded(values: FloatArray | Sequence[float], digits: int = 6) -> list[Any]:
    """Plain numbers for JSON; NaN becomes None."""
    array = np.asarray(values)
    if np.issubdtype(array.dtype, np.integer):
        return array.tolist()
    exact = array.astype(np.float64).round(digits) + 0.0  # no -0.0
    return [None if np.isnan(value) else value for value in exact.tolist()]


def unmatched(matched: BoolArray, time: FloatArray) -> list[list[float]]:
    """[first, last] seconds of every span of frames without a counterpart; matched (T,)."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[True], matched, [True]])))
    return [rounded(time[[first, stop - 1]]) for first, stop in bounds.reshape(-1, 2)]
