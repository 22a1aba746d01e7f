"""Exact dynamic time warping: the monotone path of least summed squared Euclidean distance.

Steps (1, 1), (1, 0) and (0, 1), each adding the cost of the cell it enters, unweighted
("symmetric1", Sakoe and Chiba 1978). Squared costs carried key events of Penn Action clips better
than plain distances on all four actions tried. The costs come block by block from matrix products
and are never held all at once. Directions are stored while they fit DIRECTION_BYTES; beyond that
only one row of accumulated cost per block is stored, and each block is computed again on the way
back.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from la2ds_cli.alignment.distance import BLOCK_ROWS, as_features, check_finite
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray

DIRECTION_BYTES = 1 << 28
_DIAGONAL, _UP, _LEFT = 0, 1, 2  # steps into a cell
LEAST_COST = 1e-3  # of an unmatched frame, as a share of the variance of the features


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """Optimal path (P, 2) int64 of a (N, D) and b (M, D).

    config.band > 0: only cells within that share of the longer clip from the diagonal.
    config.open_ends: frames at the start of one clip and at the end of one clip may stay without
    a pair, each costing config.skip_cost mean squared nearest-neighbour distances.
    """
    with _one_blas_thread().limit(limits=1):
        table = _Warping(a, b, *band_limits(len(a), len(b), config.band))
        if config.open_ends:
            table.skip = config.skip_cost * table.unmatched_cost()
        return table.path()


@cache
def _one_blas_thread() -> Any:
    # Products of one block are too small for two threads: waiting at barriers costs more.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def centred(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Both sequences less A's mean frame, and the squared norms (N,), (M,) float64 of their frames.

    As la2ds_cli.alignment.distance.centred, with its errors, but in one pass: between short clips
    the many small steps of numpy take as long as the recurrence.
    """
    a, b = as_features(a, b)
    moved = np.empty_like(a), np.empty_like(b)
    square = np.empty(len(a)), np.empty(len(b))
    _centre(a, b, *moved, *square)
    check_finite(*square)
    return *moved, *square


def band_limits(rows: int, columns: int, band: float) -> tuple[IntArray, IntArray]:
    """First and last column (N,) int64 of every row of a Sakoe-Chiba band.

    band: half width as a share of the longer clip, 0 = no band. It is widened where needed, so
    that both corners always stay connected.
    """
    if not band:
        return np.zeros(rows, np.int64), np.full(rows, columns - 1, np.int64)
    slope = (columns - 1) / max(rows - 1, 1)
    # A half width of one slope lets the windows of neighbouring rows touch; a single row gets
    # slope columns - 1 and so the whole row.
    half = max(band * max(rows, columns), slope, 1.0)
    centre = np.arange(rows) * slope
    low = np.clip(np.ceil(centre - half), 0, columns - 1).astype(np.int64)
    high = np.clip(np.floor(centre + half), 0, columns - 1).astype(np.int64)
    return low, high


class _Warping:
    """One run of the recurrence over blocks of BLOCK_ROWS rows. skip: cost of an unmatched frame,
    infinite = none may be unmatched."""

    def __init__(self, a: FloatArray, b: FloatArray, low: IntArray, high: IntArray) -> None:
        self.a, self.b, self.square_a, self.square_b = centred(a, b)
        self.skip, self.low, self.high = math.inf, low, high
        self.starts = range(0, len(a), BLOCK_ROWS)
        self.store = int((high - low + 1).sum()) <= DIRECTION_BYTES
        self.directions: list[np.ndarray] = []
        self.above: list[np.ndarray] = []
        self._whole: np.ndarray | None = None  # products of a table that is one block

    def unmatched_cost(self) -> float:
        """Mean squared nearest-neighbour distance, as `distance.mean_nearest_squared`. Copies have
        none: were leaving out free, one pair would be a path as good as any, so a share of the
        variance is the least. Infinite (nothing may be left out) where no frame differs from
        another."""
        row, column = np.full(len(self.a), math.inf), np.full(len(self.b), math.inf)
        for first in self.starts:
            part = slice(first, first + BLOCK_ROWS)
            products = self._products(first, 0, len(self.b))
            _nearest(products, self.square_a[part], self.square_b, row[part], column)
        # The frames are those of A about their own mean.
        mean_b = self.b.mean(axis=0, dtype=np.float64)
        spread = float(self.square_a.mean() + self.square_b.mean() - mean_b @ mean_b) / 2
        return max(float(row.mean() + column.mean()) / 2, LEAST_COST * spread) or math.inf

    def _products(self, first: int, left: int, right: int) -> np.ndarray:
        """Products of the rows of the block from `first` on with columns left..right of B."""
        rows = self.a[first : first + BLOCK_ROWS]
        if len(self.starts) > 1 or right - left < len(self.b):
            return rows @ self.b[left:right].T
        if self._whole is None:
            self._whole = rows @ self.b.T
        return self._whole

    def path(self) -> IntArray:
        end_a, end_b = self._forward()
        path = np.empty((len(self.a) + len(self.b), 2), np.int64)
        i, j, filled = end_a, end_b, 0
        for number in reversed(range(len(self.starts))):
            first = self.starts[number]
            if i < first or j < 0:
                continue
            direction = self.directions[number] if self.store else self._again(number)
            i, j, filled = _walk_back(direction, first, self.low[first], i, j, path, filled)
        return path[:filled][::-1].copy()

    def _forward(self) -> tuple[int, int]:
        """Fill the table; returns the cell in which the best path ends."""
        above = _first_row(len(self.b), self.high[0] + 1, self.skip)
        column = np.empty(len(self.a))
        for first in self.starts:
            if not self.store:
                self.above.append(above.copy())
            direction = self._block(first, above, column)
            if self.store:
                self.directions.append(direction)
        rows, columns = len(self.a), len(self.b)
        if math.isinf(self.skip):
            return rows - 1, columns - 1
        by_row = column + self.skip * np.arange(rows - 1, -1, -1)
        by_column = above + self.skip * np.arange(columns - 1, -1, -1)
        if by_row.min() < by_column.min():
            return int(by_row.argmin()), columns - 1
        return rows - 1, int(by_column.argmin())

    def _block(self, first: int, above: np.ndarray, column: np.ndarray) -> np.ndarray:
        part = slice(first, first + BLOCK_ROWS)
        low, high = self.low[part], self.high[part]
        left, right = int(low[0]), int(high[-1]) + 1
        skip, corner = self.skip, self.skip * first if first else 0.0
        if left:  # no path enters here from outside the table
            skip, corner = math.inf, above[left - 1]
            above[:left] = math.inf
        gram = self._products(first, left, right)
        direction = np.empty(gram.shape, np.uint8)
        _advance(
            gram,
            self.square_a[part],
            self.square_b[left:],
            first,
            low - left,
            high - left,
            skip,
            corner,
            above[left:],
            column[part],
            direction,
        )
        return direction

    def _again(self, number: int) -> np.ndarray:
        column = np.empty(len(self.a))
        return self._block(self.starts[number], self.above[number], column)


@njit(cache=True, fastmath={"reassoc", "nsz"})
def _centre(a, b, a_centred, b_centred, square_a, square_b):
    """Write a (N, D) and b (M, D) less a's mean frame, and their squared norms (N,), (M,)."""
    mean = np.zeros(a.shape[1])
    for i in range(len(a)):
        for d in range(a.shape[1]):
            mean[d] += a[i, d]
    mean /= len(a)
    for source, out, square in ((a, a_centred, square_a), (b, b_centred, square_b)):
        for i in range(len(source)):
            total = 0.0
            for d in range(source.shape[1]):
                value = source[i, d] - mean[d]
                out[i, d] = value
                total += value * value
            square[i] = total


@njit(cache=True)
def _nearest(gram, square_a, square_b, row, column):
    """Lower row (R,) and column (M,) to the least squared distances of a block's frames of A, and
    of B's frames to them; gram (R, M), square_a (R,), square_b (M,)."""
    for i in range(len(gram)):
        for j in range(len(square_b)):
            squared = max(square_a[i] + square_b[j] - 2 * gram[i, j], 0.0)
            row[i] = min(row[i], squared)
            column[j] = min(column[j], squared)


@njit(cache=True)
def _first_row(columns, reached, skip):
    """Row -1 (M,): the first j + 1 frames of B left out; infinite from column `reached` on."""
    above = np.full(columns, math.inf)
    for j in range(reached):
        above[j] = skip * (j + 1)
    return above


@njit(cache=True)
def _advance(
    gram, square_a, square_b, first, low, high, skip, corner, above, last_column, direction
):
    """Fill rows first..first+R of the accumulated cost and their directions.

    Row -1 and column -1 of the table stand for the frames left out before the first pair: a path
    starts where it steps out of the table. All columns are counted from the first one that the
    block's band reaches. gram: (R, W) products of A's rows with B's columns. square_a: (R,),
    square_b: (W or more,) float64 squared norms. low, high: (R,) first and last column of the band,
    neither ever falling. skip: cost of each frame of A left out before the first pair, infinity =
    none may be. corner: accumulated cost above and left of the first cell. above: (W or more,)
    float64 accumulated costs of the row before, infinite outside its band, replaced by those of the
    last row. last_column: (R,) float64, receives each row's cost in the last column of `above`.
    direction: (R, W) uint8, receives where each cell came from (_DIAGONAL: both clips advance, _UP:
    A only, _LEFT: B only).
    """
    for r in range(len(gram)):
        diagonal = corner
        if low[r] > 0:
            diagonal = above[low[r] - 1]
            above[low[r] - 1] = math.inf
        left = math.inf
        for j in range(low[r], high[r] + 1):
            best, step = (diagonal, _DIAGONAL) if diagonal <= above[j] else (above[j], _UP)
            if left < best:
                best, step = left, _LEFT
            left = best + max(square_a[r] + square_b[j] - 2 * gram[r, j], 0.0)
            direction[r, j] = step
            diagonal, above[j] = above[j], left
        last_column[r] = above[-1]
        corner = skip * (first + r + 1)
    above[: low[-1]] = math.inf


@njit(cache=True)
def _walk_back(direction, first, offset, i, j, path, filled):
    """Follow directions from cell (i, j) to the block's first row, or out of the table.

    Writes the cells into path[filled:], last pair first. Returns the next cell, outside the block
    or the table, and the new `filled`.
    """
    while i >= first and j >= 0:
        path[filled, 0] = i
        path[filled, 1] = j
        filled += 1
        step = direction[i - first, j - offset]
        if step != _LEFT:
            i -= 1
        if step != _UP:
            j -= 1
    return i, j, filled
