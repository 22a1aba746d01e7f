"""Compiled recurrence of dynamic time warping, one block of rows at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

DIAGONAL, UP, LEFT, START = 0, 1, 2, 3


@njit(cache=True)
def advance(
    gram, square_a, square_b, first, low, high, offset, skip, above, last_column, direction
):
    """Fill rows first..first+R of the accumulated cost and their directions.

    gram: (R, W) products of A's rows with B's columns offset..offset+W. square_a: (R,),
    square_b: (M,) squared norms. low, high: (R,) first and last column of the band. skip: cost
    of each frame left out before the first pair, infinity = none may be. above: (M,) float64
    accumulated costs of the row before, replaced by those of the last row. last_column: (R,)
    float64, receives each row's cost in B's last column. direction: (R, W) uint8, receives where
    each cell came from (DIAGONAL: both clips advance, UP: A only, LEFT: B only, START).
    """
    columns = len(square_b)
    row = np.full(columns, np.inf)
    cost = np.empty(columns)
    best = np.empty(columns)
    for r in range(len(gram)):
        start, stop = low[r], high[r] + 1
        for j in range(start, stop):
            cost[j] = max(square_a[r] + square_b[j] - 2 * gram[r, j - offset], 0.0)
        # The two candidates of the row above need no order, so this loop becomes SIMD.
        for j in range(max(start, 1), stop):
            diagonal, up = above[j - 1], above[j]
            best[j] = min(diagonal, up)
            direction[r, j - offset] = DIAGONAL if diagonal <= up else UP
        if start == 0:
            best[0] = above[0]
            direction[r, 0] = UP
        _offer_start(first + r, start, stop, offset, skip, best, direction[r])
        row[:start] = np.inf
        row[stop:] = np.inf
        left = np.inf
        for j in range(start, stop):
            if left < best[j]:
                direction[r, j - offset] = LEFT
                left = left + cost[j]
            else:
                left = best[j] + cost[j]
            row[j] = left
        last_column[r] = row[columns - 1]
        above[:] = row


@njit(cache=True)
def _offer_start(i, start, stop, offset, skip, best, direction):
    """Let a path begin in A's first frame or in B's first frame, each left-out frame at `skip`."""
    if i == 0:
        for j in range(start, stop):
            begin = skip * j if j > 0 else 0.0
            if begin <= best[j]:
                best[j] = begin
                direction[j - offset] = START
    elif start == 0 and skip * i < best[0]:
        best[0] = skip * i
        direction[0] = START


@njit(cache=True)
def walk_back(direction, first, offset, i, j, path, filled):
    """Follow directions from cell (i, j) to the block's first row.

    Writes the cells into path[filled:], last pair first. Returns the next cell (its row lies in
    the block before, or is -1 after a START) and the new `filled`.
    """
    while i >= first:
        path[filled, 0] = i
        path[filled, 1] = j
        filled += 1
        step = direction[i - first, j - offset]
        if step == START:
            return -1, -1, filled
        if step != LEFT:
            i -= 1
        if step != UP:
            j -= 1
    return i, j, filled
