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
from itertools import pairwise

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
from la2ds_cli.evaluation.nearest_frames import FrameSearch


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
    end = np.cumsum([0] + [len(clip) for clip in clips])
    rows_of = [slice(start, stop) for start, stop in pairwise(end)]
    nobody = slice(0, 0)
    search = FrameSearch(np.concatenate(clips))
    taus = np.empty((len(clips), len(clips)))
    for a, own in enumerate(rows_of):
        index = [np.empty(0, np.int64)] * len(clips)
        for rows, score in search.scores(own.start, own.stop):
            for b, among in enumerate(rows_of):
                found = search.nearest(rows, score, among, nobody, 1)[:, 0]
                index[b] = np.concatenate([index[b], found])
        taus[a] = [tau_against_order(nearest) for nearest in index]
    return taus


@njit(cache=True)
def tau_against_order(rank: np.ndarray) -> float:
    """Kendall's tau-b of rank (N,) int64 against 0..N-1; NaN if undefined.

    It is undefined for fewer than two values, or if all are equal. The final expression is that of
    scipy.stats.kendalltau, term by term.
    """
    count = len(rank)
    excess, tied = 0, 0  # concordant pairs minus discordant ones; pairs of equal ranks
    for i in range(count):
        for j in range(i):
            excess += int(rank[i] > rank[j]) - int(rank[i] < rank[j])
            tied += int(rank[i] == rank[j])
    total = count * (count - 1) // 2
    if total == tied:
        return math.nan
    tau = excess / math.sqrt(total) / math.sqrt(total - tied)
    return float(min(1.0, max(-1.0, tau)))
