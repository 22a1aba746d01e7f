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
def _skipped(frames, skip):
    """Cost of leaving out that many frames; 0 * infinity would be NaN."""
    return skip * frames if frames > 0 else 0.0


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
def advance(gram, square_a, square_b, first, low, high, skip, above, last_column, direction):
    """Fill rows first..first+R of the accumulated cost and their directions.

    gram: (R, W) products of A's rows with B's columns low[0]..low[0]+W. square_a: (R,),
    square_b: (M,) float64 squared norms. low, high: (R,) first and last column of the band,
    neither ever falling. skip: cost of each frame left out before the first pair, infinity = none
    may be. above: (M,) float64 accumulated costs of the row before, infinite outside its band,
    replaced by those of the last row. last_column: (R,) float64, receives each row's cost in B's
    last column. direction: (R, W) uint8, receives where each cell came from (DIAGONAL: both clips
    advance, UP: A only, LEFT: B only).
    """
    offset = low[0]
    rows = len(gram)
    for r in range(0, rows - rows % 4, 4):
        part = slice(r, r + 4)
        _four_rows(
            gram[part], square_a[part], square_b, first + r, low[part], high[part], offset, skip,
            above, last_column[part], direction[part],
        )  # fmt: skip
    for r in range(rows - rows % 4, rows):
        before = _skipped(first + r, skip)
        last_column[r] = _one_row(
            gram[r], square_a[r], square_b, low[r], high[r], offset, before, above, direction[r]
        )
    above[: low[-1]] = math.inf


@njit(cache=True)
def _one_row(gram, norm, square_b, low, high, offset, diagonal, above, direction):
    """Advance one row; `diagonal` is the cell before the row above. Returns the last column."""
    if low > 0:
        diagonal = above[low - 1]
        above[low - 1] = math.inf
    left = math.inf
    for j in range(low, high + 1):
        cost = _distance(norm, square_b[j], gram[j - offset])
        left, direction[j - offset] = _enter(cost, diagonal, above[j], left)
        diagonal, above[j] = above[j], left
    return above[-1]


@njit(cache=True)
def _four_rows(
    gram, square_a, square_b, first, low, high, offset, skip, above, last_column, direction
):
    """Advance four rows at once. of_k is the cell that row k has reached, before_k the one to its
    left; both are infinite outside the band."""
    columns = len(square_b)
    gram_0, gram_1, gram_2, gram_3 = gram[0], gram[1], gram[2], gram[3]
    into_0, into_1, into_2, into_3 = direction[0], direction[1], direction[2], direction[3]
    norm_0, norm_1, norm_2, norm_3 = square_a[0], square_a[1], square_a[2], square_a[3]
    low_1, low_2, low_3 = low[1], low[2], low[3]
    high_0, high_1, high_2, high_3 = high[0], high[1], high[2], high[3]
    start = low[0]
    of_0 = of_1 = of_2 = of_3 = before_0 = before_1 = before_2 = math.inf
    if start > 0:
        above_left = above[start - 1]
    else:
        above_left = _skipped(first, skip)
        of_0, of_1, of_2 = skip * (first + 1), skip * (first + 2), skip * (first + 3)
    for j in range(start, high_3 + 4):
        # The lowest row first: it reads what the row above it found one step before.
        k = j - 3
        if low_3 <= k <= high_3:
            cost = _distance(norm_3, square_b[k], gram_3[k - offset])
            of_3, into_3[k - offset] = _enter(cost, before_2, of_2, of_3)
            above[k] = of_3
        elif k >= 0:
            above[k] = math.inf
        k = j - 2
        if low_2 <= k <= high_2:
            cost = _distance(norm_2, square_b[k], gram_2[k - offset])
            before_2 = of_2
            of_2, into_2[k - offset] = _enter(cost, before_1, of_1, of_2)
        elif start <= k < columns:
            before_2, of_2 = of_2, math.inf
        k = j - 1
        if low_1 <= k <= high_1:
            cost = _distance(norm_1, square_b[k], gram_1[k - offset])
            before_1 = of_1
            of_1, into_1[k - offset] = _enter(cost, before_0, of_0, of_1)
        elif start <= k < columns:
            before_1, of_1 = of_1, math.inf
        if j <= high_0:
            cost = _distance(norm_0, square_b[j], gram_0[j - offset])
            before_0 = of_0
            of_0, into_0[j - offset] = _enter(cost, above_left, above[j], of_0)
            above_left = above[j]
        elif j < columns:
            before_0, of_0 = of_0, math.inf
    last_column[0], last_column[1], last_column[2] = of_0, of_1, of_2
    last_column[3] = above[columns - 1]


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
