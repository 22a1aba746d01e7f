"""Types of arrays, runs of a mask, and means of what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[Any]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[Any]


def runs_of(mask: BoolArray) -> list[tuple[int, int]]:
    """Return the first and stop row of every run of true values in a mask (N,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    return [(int(first), int(stop)) for first, stop in edges]


def mean_around(value: FloatArray, reach: IntArray) -> FloatArray:
    """Return (T,) the mean of values (T,) over `reach` (T,) rows before and after each, as far as
    there are any."""
    total, row = np.concatenate([[0.0], np.cumsum(value)]), np.arange(len(value))
    first, stop = np.maximum(row - reach, 0), np.minimum(row + reach + 1, len(value))
    return (total[stop] - total[first]) / (stop - first)


def mean_and_deviation(values: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return mean, standard deviation and number of the known values along the first axis.

    Parameters
    ----------
    values: (N, ...), NaN = unknown.

    Returns
    -------
    mean, deviation: (...) float64; 0 where no value is known, and the deviation of a single one.
    count: (...) known values.
    """
    count = (~np.isnan(values)).sum(axis=0)
    mean = np.nansum(values, axis=0) / np.maximum(count, 1)
    squares = np.nansum((values - mean) ** 2, axis=0) / np.maximum(count - 1, 1)
    return mean, np.sqrt(squares), count
