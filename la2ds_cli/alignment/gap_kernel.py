"""Compiled time warping in which spans of either clip may stay without a counterpart.

Three states for each cell (i, j), as in alignment with affine gaps (Gotoh 1982): the frames are a
pair; frame i of A is left out after a pair with frame j; frame j of B is left out after a pair (or
frames of A left out) with frame i.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from la2ds_cli.core.types import FloatArray, IntArray

_PAIR, _ONLY_A, _ONLY_B, _START = 0, 1, 2, 3
_BOTH, _A, _B = 0, 1, 2  # which clips advance into a pair


@njit(cache=True)
def _fill(cost, skip, opening, pair_from, pair_step, a_from, b_from):
    """Fill the tables (N, M) uint8 of where each state's best path came from; returns the pair in
    which the best path of all ends."""
    rows, columns = cost.shape
    above = np.full((columns, 3), math.inf)
    best_end, end_i, end_j = math.inf, 0, 0
    for i in range(rows):
        corner = np.full(3, math.inf)  # the cell above and to the left
        left = np.full(3, math.inf)
        for j in range(columns):
            best = skip * (i + j) if i == 0 or j == 0 else math.inf
            state, step = _START, _BOTH
            for s in range(3):
                if corner[s] < best:
                    best, state, step = corner[s], s, _BOTH
            if above[j, _PAIR] < best:
                best, state, step = above[j, _PAIR], _PAIR, _A
            if left[_PAIR] < best:
                best, state, step = left[_PAIR], _PAIR, _B
            pair = best + cost[i, j]
            pair_from[i, j], pair_step[i, j] = state, step

            only_a, a_from[i, j] = above[j, _ONLY_A], _ONLY_A
            if above[j, _PAIR] + opening < only_a:
                only_a, a_from[i, j] = above[j, _PAIR] + opening, _PAIR
            only_b, b_from[i, j] = left[_ONLY_B], _ONLY_B
            for s in (_PAIR, _ONLY_A):
                if left[s] + opening < only_b:
                    only_b, b_from[i, j] = left[s] + opening, s

            corner[:] = above[j]
            left[_PAIR], left[_ONLY_A], left[_ONLY_B] = pair, only_a + skip, only_b + skip
            above[j] = left
            if i == rows - 1 or j == columns - 1:
                ending = pair + skip * (rows - 1 - i + columns - 1 - j)
                if ending < best_end:
                    best_end, end_i, end_j = ending, i, j
    return end_i, end_j


@njit(cache=True)
def _walk_back(i, j, pair_from, pair_step, a_from, b_from):
    rows, columns = pair_from.shape
    path = np.empty((rows + columns, 2), np.int64)
    length, state = 0, _PAIR
    while state != _START:
        if state == _PAIR:
            path[length, 0], path[length, 1] = i, j
            length += 1
            state, step = pair_from[i, j], pair_step[i, j]
            if step != _B:
                i -= 1
            if step != _A:
                j -= 1
        elif state == _ONLY_A:
            state = a_from[i, j]
            i -= 1
        else:
            state = b_from[i, j]
            j -= 1
    return path[:length][::-1].copy()


def path_with_gaps(cost: FloatArray, skip: float, opening: float) -> IntArray:
    """(P, 2) int64 monotone path of least summed cost (N, M) in which frames may be left out.

    Each frame left out costs `skip`, each span of them inside the path `opening` besides; frames
    at the start of one clip and at the end of one clip cost no opening. With infinite `opening` it
    is time warping with open ends.
    """
    cost = np.ascontiguousarray(cost, np.float64)
    tables = [np.empty(cost.shape, np.uint8) for _ in range(4)]
    end = _fill(cost, float(skip), float(opening), *tables)
    return _walk_back(*end, *tables)
