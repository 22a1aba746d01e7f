"""Compiled inner loop of the K nearest frames. Importing this module imports numba."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def nearest_frames(
    score: np.ndarray,
    query: np.ndarray,
    frame: np.ndarray,
    first: int,
    stop: int,
    count: int,
    slack: float,
) -> np.ndarray:
    """(N, count) int64: rows of `frame` nearest to each row of `query`, nearest first.

    score: (N, M) half squared norm of frame's rows minus the product. query: (N, D), frame:
    (M, D) float64. Rows first..stop (stop exclusive) of `frame` are never chosen; at least
    `count` others exist. slack: bound of the rounding error of `score`. Candidates within `slack`
    are compared by their squared distance, summed in order; equals go by their row, so that equal
    frames tie exactly.
    """
    found = np.empty((len(query), count), np.int64)
    best = np.empty(count)
    for i in range(len(query)):
        best[:] = np.inf
        for j in range(len(frame)):
            if (j < first or j >= stop) and score[i, j] < best[count - 1]:
                _insert(best, found[i], score[i, j], j)
        limit = best[count - 1] + 2 * slack
        best[:] = np.inf
        for j in range(len(frame)):
            if (j < first or j >= stop) and score[i, j] <= limit:
                distance = 0.0
                for d in range(query.shape[1]):
                    distance += (query[i, d] - frame[j, d]) ** 2
                if distance < best[count - 1]:
                    _insert(best, found[i], distance, j)
    return found


@njit(cache=True)
def _insert(best: np.ndarray, row: np.ndarray, value: float, index: int) -> None:
    """Put `value` into the ascending `best` behind its equals, and `index` beside it."""
    k = len(best) - 1
    while k > 0 and best[k - 1] > value:
        best[k] = best[k - 1]
        row[k] = row[k - 1]
        k -= 1
    best[k] = value
    row[k] = index
