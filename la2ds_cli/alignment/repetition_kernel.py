"""Compiled parts of finding repetitions: closed loops in a self-distance matrix, where a pattern
comes again in a clip, and the best set of places that do not overlap."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True)
def closed_loops(squared, feature, shortest, longest, openness, least, each, room):
    """Stretches that end in the pose in which they began: (n, 2) first and last row, n <= room.

    squared: (T, T) squared distances of the frames of `feature` (T, D). A stretch is as long as
    shortest..longest steps; the distance of its ends is lower than between their neighbours and,
    squared, below `openness` times twice its own variance; and that variance is above `least`.
    Of the stretches from one row on the shortest `each` are kept (longer ones are several of them);
    where there are more than `room`, rows are left out evenly.
    """
    length, width = feature.shape
    total = np.zeros((length + 1, width))
    square = np.zeros(length + 1)
    for t in range(length):
        norm = 0.0
        for d in range(width):
            value = np.float64(feature[t, d])
            total[t + 1, d] = total[t, d] + value
            norm += value * value
        square[t + 1] = square[t] + norm
    found = []
    starts = 0
    for s in range(length):
        kept = 0
        for e in range(s + shortest, min(s + longest + 1, length)):
            apart = squared[s, e]
            if apart > squared[s, e - 1] or (e + 1 < length and apart >= squared[s, e + 1]):
                continue
            if s > 0 and squared[s - 1, e] < apart:
                continue
            frames = e + 1 - s
            mean = 0.0
            for d in range(width):
                difference = total[e + 1, d] - total[s, d]
                mean += difference * difference
            variance = (square[e + 1] - square[s] - mean / frames) / frames
            if variance > least and apart < openness * 2 * variance:
                found.append((s, e, starts))
                kept += 1
                if kept == each:
                    break
        starts += kept > 0
    step = max(1, math.ceil(len(found) / room))
    chosen = np.empty((len(found), 2), np.int64)
    count = 0
    for s, e, number in found:
        if number % step == 0 and count < room:
            chosen[count, 0], chosen[count, 1] = s, e
            count += 1
    return chosen[:count]


@njit(cache=True)
def subsequence(cost):
    """Where a pattern (N frames) lies in a clip (M frames): for each last frame (M,) the summed
    cost of its best match, infinite where none ends, and the first frame of that, -1 for none.

    cost: (N, M) squared distances. Steps (1, 1), (1, 2) and (2, 1), so that no part of a match is
    more than twice as fast or as slow as the pattern; each frame of the pattern adds one cost, the
    mean of two frames where it takes two.
    """
    rows, columns = cost.shape
    before = np.full(columns, math.inf)  # row i - 2
    above = cost[0].astype(np.float64)  # row i - 1
    begin_before = np.full(columns, -1)
    begin_above = np.arange(columns)
    for i in range(1, rows):
        row = np.full(columns, math.inf)
        begin = np.full(columns, -1)
        for j in range(1, columns):
            here = cost[i, j]
            best, first = above[j - 1] + here, begin_above[j - 1]
            if j > 1:
                slow = above[j - 2] + (cost[i, j - 1] + here) / 2
                if slow < best:
                    best, first = slow, begin_above[j - 2]
            fast = before[j - 1] + cost[i - 1, j] + here
            if fast < best:
                best, first = fast, begin_before[j - 1]
            row[j] = best
            if best < math.inf:
                begin[j] = first
        before, above = above, row
        begin_before, begin_above = begin_above, begin
    return above, begin_above


@njit(cache=True)
def schedule(gain, first):
    """Rows (n,) at which the matches of the best set end, in order: the set without overlap whose
    summed gain is highest. gain: (M,), of the match that ends at each row, 0 or less = not to be
    taken; first: (M,) the row at which it begins. Two matches may share the row between them."""
    length = len(gain)
    best = np.zeros(length)
    taken = np.zeros(length, np.bool_)
    for e in range(length):
        best[e] = best[e - 1] if e else 0.0
        if gain[e] > 0 and 0 <= first[e] < e and best[first[e]] + gain[e] > best[e]:
            best[e] = best[first[e]] + gain[e]
            taken[e] = True
    ends = np.empty(length, np.int64)
    count = 0
    e = length - 1
    while e > 0:
        if taken[e]:
            ends[count] = e
            count += 1
            e = first[e]
        else:
            e -= 1
    return ends[:count][::-1].copy()
