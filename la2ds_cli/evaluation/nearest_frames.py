"""The nearest frames of other clips, found from matrix products but ordered by exact distances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit

from la2ds_cli.core.types import FloatArray, IntArray

_BLOCK = 2**22  # float64 cells of the score matrix in memory at once (32 MB)


class FrameSearch:
    """Searches frames (M, D) float64, by squared Euclidean distance.

    Centring avoids cancellation for features far from the origin; distances do not change. slack:
    bound of the rounding error of a score.
    """

    def __init__(self, frame: FloatArray) -> None:
        self.frame = frame
        self._centred = frame - frame.mean(axis=0)
        self._half_norm = 0.5 * (self._centred**2).sum(axis=1)
        width = frame.shape[1] + 4
        self._slack = 8 * np.finfo(np.float64).eps * width * float(self._half_norm.max())

    def scores(self, start: int, stop: int) -> Iterator[tuple[slice, FloatArray]]:
        """Blocks of the query rows start..stop (stop exclusive), and their scores against all
        frames: half the squared norm minus the product, ordered as the distances are."""
        block = max(1, _BLOCK // len(self.frame))
        for first in range(start, stop, block):
            rows = slice(first, min(first + block, stop))
            yield rows, self._half_norm - self._centred[rows] @ self._centred.T

    def nearest(
        self, rows: slice, score: FloatArray, among: slice, without: slice, count: int
    ) -> IntArray:
        """(N, count) int64: the frames of `among` nearest to each query row, nearest first, counted
        from its start; none of `without`. At least `count` frames must be left."""
        first, last = without.start - among.start, without.stop - among.start
        return _nearest(
            np.ascontiguousarray(score[:, among]),
            self.frame[rows],
            self.frame[among],
            first,
            last,
            count,
            self._slack,
        )


@njit(cache=True)
def _nearest(
    score: np.ndarray,
    query: np.ndarray,
    frame: np.ndarray,
    first: int,
    stop: int,
    count: int,
    slack: float,
) -> np.ndarray:
    """Rows of `frame` (M, D) nearest to each row of `query` (N, D), but for first..stop.

    score: (N, M). Candidates within `slack` are compared by their squared distance, summed in
    order, so that equal frames tie exactly; ties go by row.
    """
    neighbour = np.empty((len(query), count), np.int64)
    best = np.empty(count)
    for i in range(len(query)):
        best[:] = np.inf
        for j in range(len(frame)):
            if (j < first or j >= stop) and score[i, j] < best[count - 1]:
                _insert(best, neighbour[i], score[i, j], j)
        limit = best[count - 1] + 2 * slack
        best[:] = np.inf
        for j in range(len(frame)):
            if (j < first or j >= stop) and score[i, j] <= limit:
                distance = 0.0
                for d in range(query.shape[1]):
                    distance += (query[i, d] - frame[j, d]) ** 2
                if distance < best[count - 1]:
                    _insert(best, neighbour[i], distance, j)
    return neighbour


@njit(cache=True)
def _insert(best: np.ndarray, row: np.ndarray, value: float, index: int) -> None:
    """Insert `value` into the ascending `best` after equal values, and `index` at the same place in
    `row`."""
    k = len(best) - 1
    while k > 0 and best[k - 1] > value:
        best[k] = best[k - 1]
        row[k] = row[k - 1]
        k -= 1
    best[k] = value
    row[k] = index
