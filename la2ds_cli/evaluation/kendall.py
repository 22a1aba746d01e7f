"""Kendall's tau of nearest neighbours, the temporal alignment metric of TCC, LAV, CASA and LA2DS.

For every ordered pair of clips, every `stride`-th frame of A is matched with its nearest frame of B
(smallest squared Euclidean distance, the first one if equal). The value is tau-b of those indices
against time, averaged over the pairs. Those codebases silently drop undefined pairs; here they are
counted, since a constant embedding makes every pair undefined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import (
    LEAST_PAIRED_CLIPS,
    Measure,
    resampled_means,
    spread_over_clips,
    video_counts,
)

_BLOCK = 2**21  # float64 cells of the score matrix in memory at once (16 MB)


@dataclass(frozen=True)
class Tau:
    """value: mean tau-b over the defined pairs, None if there is none. pairs: number of ordered
    pairs. nan: number of undefined pairs. by_pair: (B, B) float64, tau of clip i against clip j,
    NaN where undefined and on the diagonal."""

    value: float | None
    pairs: int
    nan: int
    by_pair: FloatArray


def kendalls_tau(features: Sequence[FloatArray], stride: int = 1) -> Tau:
    """Kendall's tau over all ordered pairs of clips.

    features: per clip (T, D), T may differ. stride: every `stride`-th frame of both clips is
    used. If a feature of a clip is not finite, all of its pairs are undefined.
    Raises ValueError for fewer than two clips, an empty clip, or clips of different D.
    """
    rows = [np.asarray(clip, dtype=np.float64)[::stride] for clip in features]
    if len(rows) < 2:
        raise ValueError(f"kendalls_tau: expected at least 2 clips, got {len(rows)}")
    widths = {clip.shape[1:] for clip in rows}
    if len(widths) > 1 or any(clip.ndim != 2 or not len(clip) for clip in rows):
        raise ValueError(
            f"kendalls_tau: expected clips (T > 0, D) of one D, got {[c.shape for c in rows]}"
        )
    by_pair = np.full((len(rows), len(rows)), np.nan)
    finite = np.flatnonzero([np.isfinite(clip).all() for clip in rows])
    if len(finite):
        by_pair[np.ix_(finite, finite)] = _all_pairs([rows[i] for i in finite])
    np.fill_diagonal(by_pair, np.nan)
    pairs = len(rows) * (len(rows) - 1)
    defined = by_pair[np.isfinite(by_pair)]
    value = float(defined.mean()) if len(defined) else None
    return Tau(value, pairs, pairs - len(defined), by_pair)


def measure_tau(features: Sequence[FloatArray], stride: int, seed: int) -> Measure:
    """Kendall's tau over all test clips as a Measure; features (T, D) per clip."""
    tau = kendalls_tau(features, stride)
    known = np.isfinite(tau.by_pair)
    resampled = resampled_means(tau.by_pair, video_counts(len(features), seed))
    paired = int((known | known.T).any(axis=1).sum())
    resampled = spread_over_clips(resampled, paired, LEAST_PAIRED_CLIPS)
    facts = {"pairs": tau.pairs, "nan": tau.nan, "reason": _undefined_tau(features, stride, tau)}
    return Measure(tau.value, resampled, int(known.any(axis=1).sum()), facts)


def _undefined_tau(features: Sequence[FloatArray], stride: int, tau: Tau) -> str | None:
    """Why some pairs have no tau. Their number is a separate fact, so that a reason that several
    features share appears only once."""
    broken = sum(not np.isfinite(feature[::stride]).all() for feature in features)
    finite = len(features) - broken
    reasons = []
    if tau.nan > tau.pairs - finite * (finite - 1):
        reasons.append("all frames of A have one and the same nearest frame in B")
    if broken:
        reasons.append(f"the features of {broken} clips are not finite")
    return f"pairs undefined, since {', or '.join(reasons)}" if reasons else None


def _all_pairs(clips: list[FloatArray]) -> FloatArray:

    offset = np.cumsum([0] + [len(clip) for clip in clips])
    stacked = np.concatenate(clips)
    # Centring avoids cancellation for features far from the origin; distances do not change.
    centred = stacked - stacked.mean(axis=0)
    half_norm = 0.5 * (centred**2).sum(axis=1)
    slack = 8 * np.finfo(np.float64).eps * (stacked.shape[1] + 4) * float(half_norm.max())
    block = max(1, _BLOCK // len(stacked))
    taus = np.empty((len(clips), len(clips)))
    for a, clip in enumerate(clips):
        blocks = []
        for start in range(0, len(clip), block):
            part = slice(offset[a] + start, offset[a] + min(start + block, len(clip)))
            score = half_norm - centred[part] @ centred.T
            blocks.append(nearest(score, stacked[part], stacked, offset, slack))
        index = np.ascontiguousarray(np.concatenate(blocks).T)
        for b, other in enumerate(clips):
            taus[a, b] = tau_against_order(index[b], len(other))
    return taus


@njit(cache=True)
def nearest(
    score: np.ndarray, a: np.ndarray, b: np.ndarray, offset: np.ndarray, slack: float
) -> np.ndarray:
    """Nearest row of every clip in `b` for each row of `a`, (N, clips) int64, within the clip.

    score: (N, M) half squared norm of b's rows minus the product a b', for all clips. a: (N, D),
    b: (M, D) float64. offset: (clips + 1,) int64, rows of clip c are offset[c]..offset[c + 1].
    slack: bound of the rounding error of `score`.
    Candidates within `slack` of the smallest score are compared again by their squared distance,
    summed in order, and the first smallest one wins: equal frames then tie exactly, as if all
    distances were computed directly.
    """
    index = np.empty((len(a), len(offset) - 1), np.int64)
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
            index[i, c] = choice - offset[c]
    return index


@njit(cache=True)
def tau_against_order(rank: np.ndarray, size: int) -> float:
    """Kendall's tau-b of rank (N,) int64 in 0..size-1 against 0..N-1; NaN if undefined.

    It is undefined for fewer than two values, or if all are equal. O(N log size) by a Fenwick tree
    of the ranks so far; the final expression is that of scipy.stats.kendalltau, term by term.
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
