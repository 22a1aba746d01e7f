"""Exact dynamic time warping: the monotone path of least summed squared Euclidean distance.

The steps are (1, 1), (1, 0) and (0, 1), each adding the cost of the cell it enters, unweighted
("symmetric1", Sakoe and Chiba 1978). Squared costs transferred key events of Penn Action clips
better than plain distances on all four actions tried. The costs are computed block by block from
matrix products and never stored all at once. Directions are stored if they fit DIRECTION_BYTES;
otherwise only one row of accumulated cost per block is stored, and each block is computed again
during backtracking.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from la2ds_cli.alignment.distance import BLOCK_ROWS, as_features, check_finite, square_norm
from la2ds_cli.core.compiled import compiled, compiling_pays
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import one_blas_thread
from la2ds_cli.core.types import FloatArray, IntArray

DIRECTION_BYTES = 1 << 28
_DIAGONAL, _UP, _LEFT = 0, 1, 2  # steps into a cell
LEAST_COST = 1e-3  # of an unmatched frame, as a share of the variance of the features
# Seconds that numpy takes: for a diagonal of the table, for a clip, and for a cell.
STEP, PAIR, CELL = 15e-6, 1e-4, 15e-9
TABLE_CELLS = 1 << 21  # of all tables that are computed together


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """Optimal path (P, 2) int64 of a (N, D) and b (M, D).

    config.band > 0: only cells within that share of the longer clip from the diagonal.
    config.open_ends: frames at the start of one clip and at the end of one clip may stay unmatched,
    each at a cost of config.skip_cost mean squared nearest-neighbour distances.
    """
    return align_each(a, [b], config)[0]


def align_each(a: FloatArray, clips: Sequence[FloatArray], config: AlignConfig) -> list[IntArray]:
    """The optimal path of `align` from a (N, D) to each of the clips (M, D).

    A few clips are computed together by numpy (_Together), many one by one by compiled kernels.
    Both find the same paths, except among paths whose costs differ only by rounding.
    """
    cells = [len(a) * len(clip) for clip in clips]
    steps = len(a) + max(map(len, clips), default=0)
    # Products of one block are too small for two threads: waiting at barriers costs more.
    with one_blas_thread():
        if compiling_pays(STEP * steps + PAIR * len(clips) + CELL * sum(cells)):
            return [_by_kernels(a, clip, config) for clip in clips]
        tables = (_Together(a, clips[part], config) for part in _parts(cells))
        return [path for together in tables for path in together.paths()]


def _by_kernels(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    table = _Warping(a, b, *band_limits(len(a), len(b), config.band))
    if config.open_ends:
        table.skip = _skip(table.unmatched_cost(), config)
    return table.path()


def _skip(unmatched: float, config: AlignConfig) -> float:
    """Cost of a frame left out; infinite with `_unmatched_cost`, even if skipping is free."""
    return unmatched if math.isinf(unmatched) else config.skip_cost * unmatched


def _unmatched_cost(
    row: FloatArray,
    column: FloatArray,
    square_a: FloatArray,
    square_b: FloatArray,
    square_mean: float,
) -> float:
    """Mean squared nearest-neighbour distance, as `distance.mean_nearest_squared`, but at least a
    share of the variance: it is 0 for identical clips, and if leaving frames out were free, a path
    of a single pair would be optimal. Infinite (nothing may be left out) if all frames are equal.

    row (N,), column (M,): squared distances of the frames of A and of B to the nearest frame of the
    other clip. square_a, square_b: squared norms of the frames minus A's mean; square_mean: that of
    B's mean frame minus A's.
    """
    rows, columns = len(row), len(column)  # .mean() takes longer than a short sum
    spread = (square_a.sum() / rows + square_b.sum() / columns - square_mean) / 2
    nearest = (row.sum() / rows + column.sum() / columns) / 2
    return max(float(nearest), LEAST_COST * float(spread)) or math.inf


def centred(
    a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, float]:
    """Both sequences minus A's mean frame, the squared norms (N,), (M,) float64 of all frames, and
    that of B's mean frame.

    Like la2ds_cli.alignment.distance.centred, with the same errors, but in one pass: for short
    clips, the many small steps of numpy take as long as the recurrence.
    """
    a, b = as_features(a, b)
    moved = np.empty_like(a), np.empty_like(b)
    square = np.empty(len(a)), np.empty(len(b))
    square_mean = _centre(a, b, *moved, *square)
    check_finite(*square)
    return *moved, *square, square_mean


def band_limits(rows: int, columns: int, band: float) -> tuple[IntArray, IntArray]:
    """First and last column (N,) int64 of every row of a Sakoe-Chiba band.

    band: half width as a share of the longer clip, 0 = no band. It is widened where needed, so
    that both corners always stay connected.
    """
    if not band:
        return np.zeros(rows, np.int64), np.full(rows, columns - 1, np.int64)
    slope = (columns - 1) / max(rows - 1, 1)
    # A half width of one slope lets the windows of neighbouring rows touch; for a single row, the
    # slope is columns - 1, which gives the whole row.
    half = max(band * max(rows, columns), slope, 1.0)
    centre = np.arange(rows) * slope
    low = np.clip(np.ceil(centre - half), 0, columns - 1).astype(np.int64)
    high = np.clip(np.floor(centre + half), 0, columns - 1).astype(np.int64)
    return low, high


class _Warping:
    """One run of the recurrence over blocks of BLOCK_ROWS rows. skip: cost of an unmatched frame,
    infinite = none may be unmatched."""

    def __init__(self, a: FloatArray, b: FloatArray, low: IntArray, high: IntArray) -> None:
        self.a, self.b, self.square_a, self.square_b, self.square_mean = centred(a, b)
        self.skip, self.low, self.high = math.inf, low, high
        self.starts = range(0, len(a), BLOCK_ROWS)
        self.store = int((high - low + 1).sum()) <= DIRECTION_BYTES
        self.directions: list[np.ndarray] = []
        self.above: list[np.ndarray] = []
        self._whole: np.ndarray | None = None  # products of a table that is one block

    def unmatched_cost(self) -> float:
        """`_unmatched_cost`, computed block by block."""
        row, column = np.full(len(self.a), math.inf), np.full(len(self.b), math.inf)
        for first in self.starts:
            part = slice(first, first + BLOCK_ROWS)
            products = self._products(first, 0, len(self.b))
            _nearest(products, self.square_a[part], self.square_b, row[part], column)
        return _unmatched_cost(row, column, self.square_a, self.square_b, self.square_mean)

    def _products(self, first: int, left: int, right: int) -> np.ndarray:
        """Products of the rows of the block at `first` with columns left..right of B."""
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


@compiled(fastmath={"reassoc", "nsz"})
def _centre(a, b, a_centred, b_centred, square_a, square_b):
    """Write a (N, D) and b (M, D) minus a's mean frame, and their squared norms (N,), (M,). Returns
    the squared norm of the mean of b's frames so written."""
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
    mean_b = np.zeros(a.shape[1])
    for j in range(len(b)):
        for d in range(b.shape[1]):
            mean_b[d] += b_centred[j, d]
    total = 0.0
    for d in range(b.shape[1]):
        total += (mean_b[d] / len(b)) ** 2
    return total


@compiled()
def _nearest(gram, square_a, square_b, row, column):
    """Lower row (R,) and column (M,) to the least squared distances of a block's frames of A to B's
    frames, and the reverse; gram (R, M), square_a (R,), square_b (M,)."""
    for i in range(len(gram)):
        for j in range(len(square_b)):
            squared = max(square_a[i] + square_b[j] - 2 * gram[i, j], 0.0)
            row[i] = min(row[i], squared)
            column[j] = min(column[j], squared)


@compiled()
def _first_row(columns, reached, skip):
    """Row -1 (M,): the first j + 1 frames of B left out; infinite from column `reached` on."""
    above = np.full(columns, math.inf)
    for j in range(reached):
        above[j] = skip * (j + 1)
    return above


@compiled()
def _advance(
    gram, square_a, square_b, first, low, high, skip, corner, above, last_column, direction
):
    """Fill rows first..first+R of the accumulated cost and their directions.

    Row -1 and column -1 of the table stand for the frames left out before the first pair: a path
    starts where it enters the table from them. All columns are counted from the first one that the
    block's band reaches. gram: (R, W) products of A's rows with B's columns. square_a: (R,),
    square_b: (W or more,) float64 squared norms. low, high: (R,) first and last column of the band,
    neither ever decreasing. skip: cost of each frame of A left out before the first pair, infinity
    = none may be. corner: accumulated cost above and left of the first cell. above: (W or more,)
    float64 accumulated costs of the previous row, infinite outside its band; overwritten by those
    of the last row. last_column: (R,) float64, receives each row's cost in the last column of
    `above`. direction: (R, W) uint8, receives where each cell came from (_DIAGONAL: both clips
    advance, _UP: A only, _LEFT: B only).
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


@compiled()
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


def _costs(
    a: FloatArray, clips: Sequence[FloatArray], *, open_ends: bool
) -> Iterator[tuple[FloatArray, float]]:
    """For each clip the squared distances (N, M) float64 and, with open ends, `_unmatched_cost`.
    They are rounded as in `_Warping`: where frames repeat, several paths cost the same, and
    rounding decides among them."""
    dtype = np.result_type(np.float32, a, *clips)
    a = as_features(a, clips[0])[0].astype(dtype)
    mean = a.mean(axis=0, dtype=np.float64)
    moved = a - mean
    square_a, own = square_norm(moved), moved.astype(dtype)
    for clip in clips:
        moved = as_features(a, clip)[1] - mean
        square, other = square_norm(moved), moved.astype(dtype)
        check_finite(square_a, square)
        cost = -2.0 * (own @ other.T).astype(np.float64)
        cost += square_a[:, None] + square
        np.maximum(cost, 0.0, out=cost)
        unmatched = math.inf
        if open_ends:
            near = cost.min(axis=1), cost.min(axis=0)
            mean_b = other.mean(axis=0, dtype=np.float64)
            unmatched = _unmatched_cost(*near, square_a, square, float(mean_b @ mean_b))
        yield cost, unmatched


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
        for k, (cost, unmatched) in enumerate(_costs(a, clips, open_ends=config.open_ends)):
            self.skip[k] = _skip(unmatched, config)
            if config.band:
                low, high = band_limits(self.rows, self.lengths[k], config.band)
                column = np.arange(self.lengths[k])
                cost[(column < low[:, None]) | (column > high[:, None])] = math.inf
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
        i, j = self._end(k)
        came, rows = self.step[:, :, k].tobytes(), self.rows
        path = []
        while i >= 0 and j >= 0:
            path.append((i, j))
            step = came[(i + j) * rows + i]
            if step != _LEFT:
                i -= 1
            if step != _UP:
                j -= 1
        return np.array(path[::-1], np.int64)

    def _end(self, k: int) -> tuple[int, int]:
        """The cell in which the best path ends."""
        rows, columns = self.rows, self.lengths[k]
        if math.isinf(self.skip[k]):
            return rows - 1, columns - 1
        row, column = np.arange(rows), np.arange(columns)
        by_row = self.table[row + columns + 1, row + 1, k] + self.skip[k] * (rows - 1 - row)
        by_column = self.table[column + rows + 1, rows, k] + self.skip[k] * (columns - 1 - column)
        if by_row.min() < by_column.min():
            return int(by_row.argmin()), columns - 1
        return rows - 1, int(by_column.argmin())
