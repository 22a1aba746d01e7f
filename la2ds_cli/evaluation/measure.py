"""A measured figure: its value, its bootstrap interval over videos, its mean over training runs.

Pairs that share a video are not independent, so videos are resampled, not pairs: the weight of a
pair is how often A was drawn times how often B was drawn (Owen 2007, pigeonhole bootstrap).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray

Key = tuple[str, str]
"""Metric and part, such as ("phase_classification", "10 %"); "" for a metric without parts."""


@dataclass(frozen=True)
class Measure:
    """A figure with its resamples.

    value: None if undefined; facts["reason"] then says why. resampled: (R,) the value in each
    bootstrap resample of the test videos, NaN where undefined; (0,) without a value. clips: number
    of videos it is computed from. facts: details as plain JSON types.
    """

    value: float | None
    resampled: FloatArray
    clips: int
    facts: Mapping[str, Any]

    def row(self) -> dict[str, Any]:
        """Return value, 95 % interval over videos, number of videos, and facts, as JSON types."""
        spread = interval(self.resampled) if self.value is not None else None
        ends = list(spread) if spread else None
        return {"value": self.value, "interval": ends, "clips": self.clips, **self.facts}


def undefined(reason: str) -> Measure:
    """Return a measure without a value."""
    return Measure(None, np.empty(0), 0, {"reason": reason})


def mean_over_runs(measures: Mapping[str, Measure]) -> Measure:
    """Return the mean over several training runs (by name); undefined if one of them is.

    The interval is that of the mean under the same resamples of videos. It does not include the
    spread over runs, which facts["spread"] gives as the standard deviation (n - 1). Facts in which
    all runs agree are kept, and counts of problems are summed.
    """
    each = list(measures.values())
    facts: dict[str, Any] = {
        name: fact
        for name, fact in each[0].facts.items()
        if all(measure.facts.get(name) == fact for measure in each)
    }
    # `nan` counts some of the `pairs`, so both are summed.
    counts = ["clipped", "unmatched", *(["nan", "pairs"] * any("nan" in m.facts for m in each))]
    for key in counts:
        if any(key in measure.facts for measure in each):
            facts[key] = sum(measure.facts.get(key, 0) for measure in each)
    facts |= {"by_run": {run: m.value for run, m in measures.items()}, "spread": None}
    broken = {run: measure for run, measure in measures.items() if measure.value is None}
    # If the mean is undefined, only the reasons of the runs that make it so.
    facts["reason"] = joined(
        {
            run: m.facts["reason"] if run in (broken or measures) else None
            for run, m in measures.items()
        }
    )
    if broken:
        return Measure(None, np.empty(0), 0, facts)
    values = [measure.value for measure in each if measure.value is not None]
    facts["spread"] = float(np.std(values, ddof=1))
    resampled = np.mean([measure.resampled for measure in each], axis=0)
    clips = min(measure.clips for measure in each)
    return Measure(float(np.mean(values)), resampled, clips, facts)


def joined(texts: Mapping[str, str | None]) -> str | None:
    """Join the texts of several runs, each text once, with the names of its runs unless it holds
    for all. None if all are empty."""
    runs: dict[str, list[str]] = {}
    for run, text in texts.items():
        if text:
            runs.setdefault(text, []).append(run)
    parts = (
        text if len(names) == len(texts) else f"run {', '.join(names)}: {text}"
        for text, names in runs.items()
    )
    return "; ".join(parts) or None


RESAMPLES = 1000


def video_counts(videos: int, seed: int, resamples: int = RESAMPLES) -> IntArray:
    """Return (R, videos) int64: how often each video occurs in each resample with replacement."""
    generator = np.random.default_rng([seed, videos])
    return generator.multinomial(videos, np.full(videos, 1 / videos), resamples)


def resampled_medians(value: FloatArray, a: IntArray, b: IntArray, counts: IntArray) -> FloatArray:
    """Return (R,) float64: the median in each resample, NaN where a resample contains no pair.

    Parameters
    ----------
    value: (E,).
    a, b: (E,) video numbers of the pair of each value.
    counts: (R, videos) from `video_counts`.
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


LEAST_CLIPS = 2
LEAST_PAIRED_CLIPS = 3  # two clips are one pair


def spread_over_clips(resampled: FloatArray, clips: int, least: int) -> FloatArray:
    """Return the resamples (R,), or NaN everywhere if fewer than `least` clips contribute.

    All resamples would then be equal, and the interval of zero width would look certain.

    Parameters
    ----------
    clips: the number of clips that contribute to the figure.
    least: LEAST_CLIPS, or LEAST_PAIRED_CLIPS for a figure of pairs.
    """
    return resampled if clips >= least else np.full(len(resampled), np.nan)


def interval(statistics: FloatArray) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of resampled statistics (R,); None if all are NaN."""
    defined = statistics[~np.isnan(statistics)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def resampled_means(by_pair: FloatArray, counts: IntArray) -> FloatArray:
    """Return (R,) float64: the mean of by_pair (B, B) in each resample without its NaN entries; NaN
    where a resample contains no pair."""
    a, b = np.nonzero(np.isfinite(by_pair))
    return resampled_averages(by_pair[a, b], a, b, counts)


def resampled_averages(value: FloatArray, a: IntArray, b: IntArray, counts: IntArray) -> FloatArray:
    """Return (R,) float64: the mean in each resample, NaN where a resample contains no pair.

    Parameters
    ----------
    value: (E,).
    a, b: (E,) video numbers of the pair of each value; a pair may have several values.
    counts: (R, videos) from `video_counts`.
    """
    both = np.zeros((2, counts.shape[1], counts.shape[1]))  # sums, numbers
    np.add.at(both[0], (a, b), value)
    np.add.at(both[1], (a, b), 1)
    total, weight = np.einsum("ri,kij,rj->kr", counts, both, counts, optimize=True)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)
