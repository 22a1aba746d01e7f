"""Compiled recurrence of dynamic time warping, one block of rows at a time.

Each cell waits for its left neighbour, so one row alone leaves the processor idle. Four rows
advance together, each one column behind the row above it: their cells do not wait for each other.

Row -1 and column -1 stand for the frames left out before the first pair: a path starts where it
steps out of the table.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

DIAGONAL, UP, LEFT = 0, 1, 2


@njit(cache=True, fastmath={"reassoc", "nsz"})
def centre(a, b, a_centred, b_centred, square_a, square_b):
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


@njit(inline="always")
def _enter(cost, diagonal, up, left):
    """Accumulated cost of a cell, and the step into it."""
    best, step = (diagonal, DIAGONAL) if diagonal <= up else (up, UP)
    if left < best:
        best, step = left, LEFT
    return best + cost, step


@njit(inline="always")
def _distance(square_a, square_b, gram):
    return max(square_a + square_b - 2 * gram, 0.0)


@njit(cache=True)
def first_row(columns, reached, skip):
    """Row -1 (M,): the first j + 1 frames of B left out; infinite from column `reached` on."""
    above = np.full(columns, math.inf)
    for j in range(reached):
        above[j] = skip * (j + 1)
    return above


@njit(cache=True)
def advance(
    gram, square_a, square_b, first, low, high, skip, corner, above, last_column, direction
):
    """Fill rows first..first+R of the accumulated cost and their directions.

    All columns are counted from the first one that the block's band reaches. gram: (R, W) products
    of A's rows with B's columns. square_a: (R,), square_b: (W or more,) float64 squared norms. low,
    high: (R,) first and last column of the band, neither ever falling. skip: cost of each frame of
    A left out before the first pair, infinity = none may be. corner: accumulated cost above and
    left of the first cell. above: (W or more,) float64 accumulated costs of the row before,
    infinite outside its band, replaced by those of the last row. last_column: (R,) float64,
    receives each row's cost in the last column of `above`. direction: (R, W) uint8, receives where
    each cell came from (DIAGONAL: both clips advance, UP: A only, LEFT: B only).
    """
    rows = len(gram)
    for r in range(0, rows - rows % 4, 4):
        _four_rows(
            gram, square_a, square_b, low, high, skip, first + r, corner, above, last_column,
            direction, r,
        )  # fmt: skip
        corner = skip * (first + r + 4)
    for r in range(rows - rows % 4, rows):
        last_column[r] = _one_row(
            gram[r], square_a[r], square_b, low[r], high[r], corner, above, direction[r]
        )
        corner = skip * (first + r + 1)
    above[: low[-1]] = math.inf


@njit(cache=True)
def _one_row(gram, norm, square_b, low, high, corner, above, direction):
    """Advance one row; returns its cost in the last column."""
    diagonal = corner
    if low > 0:
        diagonal = above[low - 1]
        above[low - 1] = math.inf
    left = math.inf
    for j in range(low, high + 1):
        left, direction[j] = _enter(_distance(norm, square_b[j], gram[j]), diagonal, above[j], left)
        diagonal, above[j] = above[j], left
    return above[-1]


@njit(cache=True)
def _four_rows(
    gram, square_a, square_b, low, high, skip, first, corner, above, last_column, direction, r
):
    """Advance rows r..r+3, the frames first..first+3 of A, at once. of_k is the cell that row r + k
    has reached, before_k the one to its left; both are infinite outside the band."""
    columns = len(above)
    # Rows of whole arrays: those of a slice would not be known to be contiguous.
    gram_0, gram_1, gram_2, gram_3 = gram[r], gram[r + 1], gram[r + 2], gram[r + 3]
    into_0, into_1 = direction[r], direction[r + 1]
    into_2, into_3 = direction[r + 2], direction[r + 3]
    norm_0, norm_1, norm_2, norm_3 = square_a[r], square_a[r + 1], square_a[r + 2], square_a[r + 3]
    low_1, low_2, low_3 = low[r + 1], low[r + 2], low[r + 3]
    high_0, high_1, high_2, high_3 = high[r], high[r + 1], high[r + 2], high[r + 3]
    start = low[r]
    of_0 = of_1 = of_2 = of_3 = before_0 = before_1 = before_2 = math.inf
    if start > 0:
        above_left = above[start - 1]
    else:
        above_left = corner
        of_0, of_1, of_2 = skip * (first + 1), skip * (first + 2), skip * (first + 3)
    for j in range(start, high_3 + 4):
        # The lowest row first: it reads what the row above it found one step before. `k >= 0` is
        # implied, but telling the compiler so spares it the handling of negative indices.
        k = j - 3
        if k >= 0 and low_3 <= k <= high_3:
            cost = _distance(norm_3, square_b[k], gram_3[k])
            of_3, into_3[k] = _enter(cost, before_2, of_2, of_3)
            above[k] = of_3
        elif k >= 0:
            above[k] = math.inf
        k = j - 2
        if k >= 0 and low_2 <= k <= high_2:
            cost = _distance(norm_2, square_b[k], gram_2[k])
            before_2 = of_2
            of_2, into_2[k] = _enter(cost, before_1, of_1, of_2)
        elif start <= k < columns:
            before_2, of_2 = of_2, math.inf
        k = j - 1
        if k >= 0 and low_1 <= k <= high_1:
            cost = _distance(norm_1, square_b[k], gram_1[k])
            before_1 = of_1
            of_1, into_1[k] = _enter(cost, before_0, of_0, of_1)
        elif start <= k < columns:
            before_1, of_1 = of_1, math.inf
        if j <= high_0:
            cost = _distance(norm_0, square_b[j], gram_0[j])
            before_0 = of_0
            of_0, into_0[j] = _enter(cost, above_left, above[j], of_0)
            above_left = above[j]
        elif j < columns:
            before_0, of_0 = of_0, math.inf
    last_column[r], last_column[r + 1], last_column[r + 2] = of_0, of_1, of_2
    last_column[r + 3] = above[columns - 1]


@njit(cache=True)
def walk_back(direction, first, offset, i, j, path, filled):
    """Follow directions from cell (i, j) to the block's first row, or out of the table.

    Writes the cells into path[filled:], last pair first. Returns the next cell, outside the block
    or the table, and the new `filled`.
    """
    while i >= first and j >= 0:
        path[filled, 0] = i
        path[filled, 1] = j
        filled += 1
        step = direction[i - first, j - offset]
        if step != LEFT:
            i -= 1
        if step != UP:
            j -= 1
    return i, j, filled
