"""Bootstrap intervals over videos, for statistics of videos and of ordered pairs of videos.

Pairs that share a video are not independent, so videos are resampled, not pairs: a pair counts
as often as its A was drawn times as often as its B was drawn (Owen 2007, pigeonhole bootstrap).
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray

RESAMPLES = 1000


def video_counts(videos: int, seed: int, resamples: int = RESAMPLES) -> IntArray:
    """(R, videos) int64: how often each video occurs in each resample with replacement."""
    generator = np.random.default_rng([seed, videos])
    return generator.multinomial(videos, np.full(videos, 1 / videos), resamples)


def resampled_medians(value: FloatArray, a: IntArray, b: IntArray, counts: IntArray) -> FloatArray:
    """(R,) float64: median of value (E,) in each resample, NaN where a resample holds no pair.

    a, b: (E,) video numbers of each value's pair. counts: (R, videos) of video_counts.
    """
    order = np.argsort(value, kind="stable")
    value, a, b = np.asarray(value)[order], a[order], b[order]
    medians = np.full(len(counts), np.nan)
    for r, count in enumerate(counts):
        running = np.cumsum(count[a] * count[b])
        if len(running) and running[-1] > 0:
            middle = [(running[-1] - 1) // 2, running[-1] // 2]
            medians[r] = value[np.searchsorted(running, middle, side="right")].mean()
    return medians


def interval(statistics: FloatArray) -> tuple[float, float] | None:
    """95 % percentile interval of resampled statistics (R,); None when all are NaN."""
    defined = statistics[~np.isnan(statistics)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def resampled_means(by_pair: FloatArray, counts: IntArray) -> FloatArray:
    """(R,) float64: mean of by_pair (B, B) in each resample; NaN entries are left out, NaN where
    a resample holds no pair."""
    defined = np.isfinite(by_pair)
    total = np.where(defined, by_pair, 0.0)
    weight = np.einsum("ri,ij,rj->r", counts, defined.astype(float), counts, optimize=True)
    summed = np.einsum("ri,ij,rj->r", counts, total, counts, optimize=True)
    return np.where(weight > 0, summed / np.where(weight > 0, weight, 1), np.nan)
