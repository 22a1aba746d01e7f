"""Compiled inner loops of Kendall's tau. Importing this module imports numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True)
def nearest(
    score: np.ndarray, a: np.ndarray, b: np.ndarray, offset: np.ndarray, slack: float
) -> np.ndarray:
    """Nearest row of every clip in `b` for each row of `a`, (N, clips) int64, within the clip.

    score: (N, M) half squared norm of b's rows minus the product a b', all clips side by side.
    a: (N, D), b: (M, D) float64. offset: (clips + 1,) int64, rows of clip c are
    offset[c]..offset[c + 1]. slack: bound of the rounding error of `score`.
    Candidates within `slack` of the smallest score are compared again by their squared distance,
    summed in order, and the first smallest wins: equal frames then tie exactly, as they do when
    all distances are computed directly.
    """
    found = np.empty((len(a), len(offset) - 1), np.int64)
    for c in range(len(offset) - 1):
        for i in range(len(a)):
            lowest = np.inf
            for j in range(offset[c], offset[c + 1]):
                lowest = min(lowest, score[i, j])
            best = np.inf
            choice = offset[c]
            for j in range(offset[c], offset[c + 1]):
                if score[i, j] <= lowest + slack:
                    distance = 0.0
                    for d in range(a.shape[1]):
                        distance += (a[i, d] - b[j, d]) ** 2
                    if distance < best:
                        best = distance
                        choice = j
            found[i, c] = choice - offset[c]
    return found


@njit(cache=True)
def tau_against_order(rank: np.ndarray, size: int) -> float:
    """Kendall's tau-b of rank (N,) int64 in 0..size-1 against 0..N-1; NaN when undefined.

    Undefined: fewer than two values, or all of them equal. O(N log size) by a Fenwick tree of
    the ranks met so far; the final expression is scipy.stats.kendalltau's, term by term.
    """
    count = len(rank)
    tree = np.zeros(size + 1, np.int64)
    times = np.zeros(size, np.int64)
    discordant = 0
    tied = 0
    for i in range(count):
        at_most = 0
        k = rank[i] + 1
        while k > 0:
            at_most += tree[k]
            k -= k & -k
        discordant += i - at_most
        tied += times[rank[i]]
        times[rank[i]] += 1
        k = rank[i] + 1
        while k <= size:
            tree[k] += 1
            k += k & -k
    total = count * (count - 1) // 2
    if total == tied:
        return math.nan
    excess = total - tied - 2 * discordant
    tau = excess / math.sqrt(total) / math.sqrt(total - tied)
    return float(min(1.0, max(-1.0, tau)))
