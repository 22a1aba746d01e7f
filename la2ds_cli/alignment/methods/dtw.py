"""Exact dynamic time warping: the monotone path of least summed squared Euclidean distance.

The steps are (1, 1), (1, 0) and (0, 1), each adding the cost of the cell it enters, unweighted
("symmetric1", Sakoe and Chiba 1978). Squared costs transferred key events of Penn Action clips
better than plain distances on all four actions tried. A few clips are computed together by numpy,
many one by one by compiled kernels, whose costs come block by block from matrix products and are
never stored all at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.path import BLOCK_ROWS, as_features, check_finite, square_norm
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import compiled, compiling_pays, one_blas_thread
from la2ds_cli.core.types import FloatArray, IntArray

_DIAGONAL, _UP, _LEFT = 0, 1, 2  # steps into a cell
LEAST_COST = 1e-3  # of an unmatched frame, as a share of the variance of the features
# Seconds that numpy takes: for a diagonal of the table, for a clip, and for a cell.
STEP, PAIR, CELL = 15e-6, 1e-4, 15e-9
TABLE_CELLS = 1 << 21  # of all tables that are computed together


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """Optimal path (P, 2) int64 of a (N, D) and b (M, D).

    config.open_ends: frames at the start of one clip and at the end of one clip may stay unmatched,
    each at a cost of config.skip_cost mean squared nearest-neighbour distances.
    """
    return align_each(a, [b], config)[0]


def align_each(a: FloatArray, clips: Sequence[FloatArray], config: AlignConfig) -> list[IntArray]:
    """The optimal path of `align` from a (N, D) to each of the clips (M, D).

    The two ways to compute them do the same arithmetic in the same order, so that both find the
    same path, also among paths whose costs differ only by rounding.
    """
    cells = [len(a) * len(clip) for clip in clips]
    steps = len(a) + max(map(len, clips), default=0)
    # Products of one block are too small for two threads: waiting at barriers costs more.
    with one_blas_thread():
        if compiling_pays(STEP * steps + PAIR * len(clips) + CELL * sum(cells)):
            return [_by_kernels(pair, config) for pair in _centred(a, clips)]
        tables = (_Together(a, clips[part], config) for part in _parts(cells))
        return [path for together in tables for path in together.paths()]


class _Centred(NamedTuple):
    """Both clips minus A's mean frame: a (N, D), b (M, D), and the squared norms (N,), (M,) float64
    of their frames. Distances stay the same, and float32 does not cancel."""

    a: FloatArray
    b: FloatArray
    square_a: FloatArray
    square_b: FloatArray

    @property
    def blocks(self) -> list[slice]:
        """Rows of A whose products with B are computed at once."""
        starts = range(0, len(self.a), BLOCK_ROWS)
        return [slice(first, first + BLOCK_ROWS) for first in starts]

    def products(self, rows: slice) -> FloatArray:
        """Products (R, M) of a block of A's frames with B's. Of another block they would be rounded
        otherwise."""
        return self.a[rows] @ self.b.T

    def cost(self) -> FloatArray:
        """Squared distances (N, M) float64, to the bit those of `_advance`: where frames repeat,
        several paths cost the same, and rounding decides among them."""
        products = np.concatenate([self.products(rows) for rows in self.blocks])
        cost = -2.0 * products.astype(np.float64)
        cost += self.square_a[:, None] + self.square_b
        return np.maximum(cost, 0.0, out=cost)

    def skip(self, row: FloatArray, column: FloatArray, config: AlignConfig) -> float:
        """Cost of a frame left out, by the squared distances (N,), (M,) of the frames of A and of B
        to the nearest frame of the other clip.

        It is config.skip_cost mean squared nearest-neighbour distances, as `path.
        mean_nearest_squared`, but of at least a share of the variance: that distance is 0 for
        identical clips, and if leaving frames out were free, a path of a single pair would be
        optimal. Infinite, even if skipping is free, if all frames are equal.
        """
        mean_b = self.b.mean(axis=0)
        spread = (self.square_a.mean() + self.square_b.mean() - float(mean_b @ mean_b)) / 2
        unmatched = max(float(row.mean() + column.mean()) / 2, LEAST_COST * float(spread))
        return config.skip_cost * unmatched if unmatched else math.inf


def _centred(a: FloatArray, clips: Sequence[FloatArray]) -> Iterator[_Centred]:
    """A with each of the clips. Raises ValueError as `path.centred` does."""
    dtype = np.result_type(np.float32, a, *clips)
    a, _ = as_features(a, a)
    mean = a.mean(axis=0, dtype=np.float64)
    own, square_a = _moved(a, mean, dtype)
    for clip in clips:
        other, square_b = _moved(as_features(a, clip)[1], mean, dtype)
        check_finite(square_a, square_b)
        yield _Centred(own, other, square_a, square_b)


def _moved(frames: FloatArray, mean: FloatArray, dtype: np.dtype) -> tuple[FloatArray, FloatArray]:
    """Frames (T, D) minus a mean frame, and their squared norms (T,) float64."""
    moved = frames - mean
    return moved.astype(dtype), square_norm(moved)


def _best_end(last_column: FloatArray, last_row: FloatArray, skip: float) -> tuple[int, int]:
    """The cell in which the best path ends, by the accumulated costs of the last column (N,) and
    the last row (M,)."""
    rows, columns = len(last_column), len(last_row)
    if math.isinf(skip):
        return rows - 1, columns - 1
    by_row = last_column + skip * np.arange(rows - 1, -1, -1)
    by_column = last_row + skip * np.arange(columns - 1, -1, -1)
    if by_row.min() < by_column.min():
        return int(by_row.argmin()), columns - 1
    return rows - 1, int(by_column.argmin())


def _walked_back(came: np.ndarray | bytes, down: int, right: int, i: int, j: int) -> IntArray:
    """(P, 2) int64 path to cell (i, j) of a table. came: the steps into its cells, that into (i, j)
    at i * down + j * right."""
    path = np.empty((i + j + 1, 2), np.int64)
    start = len(path)
    while i >= 0 and j >= 0:
        start -= 1
        path[start, 0] = i
        path[start, 1] = j
        step = came[i * down + j * right]
        if step != _LEFT:
            i -= 1
        if step != _UP:
            j -= 1
    return path[start:]


# --- many clips, one by one -----------------------------------------------------------------------


def _by_kernels(pair: _Centred, config: AlignConfig) -> IntArray:
    rows, columns = len(pair.a), len(pair.b)
    blocks = pair.blocks
    whole = pair.products(blocks[0]) if len(blocks) == 1 else None

    def products(part: slice) -> FloatArray:
        return pair.products(part) if whole is None else whole

    skip = math.inf
    if config.open_ends:
        row, column = np.full(rows, math.inf), np.full(columns, math.inf)
        for part in blocks:
            square = pair.square_a[part], pair.square_b
            _nearest(products(part), square, row[part], column)
        skip = pair.skip(row, column, config)
    border = np.concatenate([[0.0], skip * np.arange(1, rows + 1)])
    above, last_column = skip * np.arange(1, columns + 1), np.empty(rows)
    direction = np.empty((rows, columns), np.uint8)
    for part in blocks:
        square = pair.square_a[part], pair.square_b
        above_part = border[part.start :]
        last_column[part] = _advance(products(part), square, above_part, above, direction[part])
    i, j = _best_end(last_column, above, skip)
    return _walk_back(direction.ravel(), columns, 1, i, j)


@compiled
def _nearest(gram, square, row, column):
    """Lower row (R,) and column (M,) to the least squared distances of a block's frames of A to B's
    frames, and the reverse; gram and square as in `_advance`."""
    square_a, square_b = square
    for i in range(len(gram)):
        for j in range(len(square_b)):
            squared = max(square_a[i] + square_b[j] - 2 * gram[i, j], 0.0)
            row[i] = min(row[i], squared)
            column[j] = min(column[j], squared)


@compiled
def _advance(gram, square, border, above, direction):
    """Fill R rows of the accumulated cost; returns the (R,) costs in their last column.

    Row -1 and column -1 of the table stand for the frames left out before the first pair: a path
    starts where it enters the table from them. gram: (R, M) products of A's rows with B's. square:
    (R,), (M,) float64 squared norms of both. border: (R or more,) cost in column -1, from the row
    above the first. above: (M,) float64 accumulated costs of the row above; overwritten by those of
    the last row. direction: (R, M) uint8, receives where each cell came from (_DIAGONAL: both clips
    advance, _UP: A only, _LEFT: B only).
    """
    last = np.empty(len(gram))
    square_a, square_b = square
    for r in range(len(gram)):
        diagonal, left = border[r], math.inf
        for j in range(len(above)):
            best, step = (diagonal, _DIAGONAL) if diagonal <= above[j] else (above[j], _UP)
            if left < best:
                best, step = left, _LEFT
            left = best + max(square_a[r] + square_b[j] - 2 * gram[r, j], 0.0)
            direction[r, j] = step
            diagonal, above[j] = above[j], left
        last[r] = left
    return last


_walk_back = compiled(_walked_back)


# --- few clips, computed together ----------------------------------------------------------------


def _parts(cells: Sequence[int]) -> Iterator[slice]:
    """Consecutive clips whose tables together have about TABLE_CELLS cells."""
    start, total = 0, 0
    for n, count in enumerate(cells):
        if n > start and total + count > TABLE_CELLS:
            yield slice(start, n)
            start, total = n, 0
        total += count
    if cells:
        yield slice(start, len(cells))


class _Together:
    """The tables of a (N, D) and of each of K clips, filled diagonal by diagonal.

    The cells of a diagonal do not depend on each other, so numpy advances all K tables with a few
    operations. The recurrence, its tie-breaking and the frames left out are those of `_advance`.
    """

    def __init__(self, a: FloatArray, clips: Sequence[FloatArray], config: AlignConfig) -> None:
        self.rows, self.lengths = len(a), [len(clip) for clip in clips]
        columns, count = max(self.lengths), len(clips)
        # A table of diagonals: cell (i, j) of clip k is [i + j + 2, i + 1, k]. Its border, row -1
        # and column -1, stands for the frames left out before the first pair.
        self.table = table = np.zeros((self.rows + columns + 1, self.rows + 1, count))
        along, down, across = table.strides
        by_cell = np.lib.stride_tricks.as_strided(
            table[2:, 1:], (self.rows, columns, count), (along + down, along, across)
        )
        self.skip = np.full(count, math.inf)
        for k, pair in enumerate(_centred(a, clips)):
            cost = pair.cost()
            if config.open_ends:
                self.skip[k] = pair.skip(cost.min(axis=1), cost.min(axis=0), config)
            by_cell[:, : cost.shape[1], k] = cost
        border = np.arange(1, len(table))
        table[1:, 0] = border[:, None] * self.skip
        border = border[: self.rows]
        table[border, border] = border[:, None] * self.skip
        self.step = self._filled(columns)

    def _filled(self, columns: int) -> np.ndarray:
        """Fill the tables; returns (diagonals, N, K) uint8 where each cell came from."""
        table, rows = self.table, self.rows
        step = np.empty((rows + columns - 1, rows, len(self.lengths)), np.uint8)
        for n in range(rows + columns - 1):
            low, high = max(0, n - columns + 1), min(rows - 1, n) + 1
            diagonal, above = table[n, low:high], table[n + 1, low:high]
            left, cells = table[n + 1, low + 1 : high + 1], table[n + 2, low + 1 : high + 1]
            came = step[n, low:high]
            np.less(above, diagonal, out=came.view(bool))  # _DIAGONAL or _UP
            best = np.minimum(diagonal, above)
            np.copyto(came, _LEFT, where=left < best)
            cells += np.minimum(best, left, out=best)
        return step

    def paths(self) -> list[IntArray]:
        """(P, 2) int64 of every clip."""
        return [self._path(k) for k in range(len(self.lengths))]

    def _path(self, k: int) -> IntArray:
        rows, columns = self.rows, self.lengths[k]
        row, column = np.arange(rows), np.arange(columns)
        last_column = self.table[row + columns + 1, row + 1, k]
        i, j = _best_end(last_column, self.table[column + rows + 1, rows, k], self.skip[k])
        return _walked_back(self.step[:, :, k].tobytes(), rows + 1, rows, i, j)
