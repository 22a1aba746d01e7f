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
"""Metric and its part, such as ("phase_classification", "10 %"); "" where there are no parts."""


@dataclass(frozen=True)
class Measure:
    """value: None if undefined, and facts["reason"] then says why. resampled: (R,) the value in
    each bootstrap resample of the test videos, NaN where undefined; (0,) without a value. clips:
    the number of videos behind it. facts: details as plain JSON types."""

    value: float | None
    resampled: FloatArray
    clips: int
    facts: Mapping[str, Any]

    def row(self) -> dict[str, Any]:
        """Value, interval (95 %, over videos), the number of videos behind both, and facts as plain
        JSON types."""
        spread = interval(self.resampled) if self.value is not None else None
        ends = list(spread) if spread else None
        return {"value": self.value, "interval": ends, "clips": self.clips, **self.facts}


def undefined(reason: str) -> Measure:
    """A measure without a value."""
    return Measure(None, np.empty(0), 0, {"reason": reason})


def mean_over_runs(measures: Mapping[str, Measure]) -> Measure:
    """Mean over several training runs, by run name; undefined if one of them is.

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
    # nan counts a part of the pairs.
    counts = ["clipped", "unmatched", *(["nan", "pairs"] * any("nan" in m.facts for m in each))]
    for key in counts:
        if any(key in measure.facts for measure in each):
            facts[key] = sum(measure.facts.get(key, 0) for measure in each)
    facts |= {"by_run": {run: m.value for run, m in measures.items()}, "spread": None}
    broken = {run: measure for run, measure in measures.items() if measure.value is None}
    # Of an undefined mean, not why single pairs of the other runs are undefined.
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
    """What holds for several runs, by name, each text once; runs are named if a text is not that of
    all. None if there is none."""
    runs: dict[str, list[str]] = {}
    for run, text in texts.items():
        if text:
            runs.setdefault(text, []).append(run)
    said = (
        text if len(names) == len(texts) else f"run {', '.join(names)}: {text}"
        for text, names in runs.items()
    )
    return "; ".join(said) or None


RESAMPLES = 1000


def video_counts(videos: int, seed: int, resamples: int = RESAMPLES) -> IntArray:
    """(R, videos) int64: how often each video occurs in each resample with replacement."""
    generator = np.random.default_rng([seed, videos])
    return generator.multinomial(videos, np.full(videos, 1 / videos), resamples)


def resampled_medians(value: FloatArray, a: IntArray, b: IntArray, counts: IntArray) -> FloatArray:
    """(R,) float64: median of value (E,) in each resample, NaN where a resample contains no pair.

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


LEAST_CLIPS = 2
LEAST_PAIRED_CLIPS = 3  # two clips are one pair


def spread_over_clips(resampled: FloatArray, clips: int, least: int) -> FloatArray:
    """The resamples (R,), or NaN everywhere if fewer than `least` of the clips contribute to the
    figure. Every resample would then count them alike: an interval without width, which looks
    certain. least: LEAST_CLIPS, or LEAST_PAIRED_CLIPS for a figure of pairs."""
    return resampled if clips >= least else np.full(len(resampled), np.nan)


def interval(statistics: FloatArray) -> tuple[float, float] | None:
    """95 % percentile interval of resampled statistics (R,); None if all are NaN."""
    defined = statistics[~np.isnan(statistics)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def resampled_means(by_pair: FloatArray, counts: IntArray) -> FloatArray:
    """(R,) float64: mean of by_pair (B, B) in each resample; NaN entries are left out, NaN where
    a resample contains no pair."""
    a, b = np.nonzero(np.isfinite(by_pair))
    return resampled_averages(by_pair[a, b], a, b, counts)


def resampled_averages(value: FloatArray, a: IntArray, b: IntArray, counts: IntArray) -> FloatArray:
    """(R,) float64: mean of value (E,) in each resample, NaN where a resample contains no pair.

    a, b: (E,) video numbers of each value's pair, which may have several values. counts: (R,
    videos) of video_counts.
    """
    both = np.zeros((2, counts.shape[1], counts.shape[1]))  # sums, numbers
    np.add.at(both[0], (a, b), value)
    np.add.at(both[1], (a, b), 1)
    total, weight = np.einsum("ri,kij,rj->kr", counts, both, counts, optimize=True)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)
