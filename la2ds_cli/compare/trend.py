"""Whether a value changes over attempts by more than chance: arrays in, numbers out.

The test is Kendall's rank correlation of the values with their order, since a fault need not fade
linearly and one bad attempt must not decide. The size of the change comes from the Theil-Sen line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray

LEAST_ATTEMPTS = 5  # with fewer, even a steady rise may be chance: 2 of the 24 orders of four
CHANCE = 0.05  # for all series of a comparison together


@dataclass(frozen=True)
class Trend:
    """count: attempts with a value. tau: Kendall's, -1 to 1. p: how often a random order of the
    attempts is as steady (two-sided); adjusted: corrected for all series that were tested (Holm).
    slope: median change per attempt; start, end: the line at the first and the last attempt with a
    value; both in the values' unit. verdict: `fades` or `grows`, by the distance from 0; `none` if
    it may be chance or is too small to matter; `few` for fewer than LEAST_ATTEMPTS. NaN = not
    known.
    """

    count: int
    tau: float
    p: float
    adjusted: float
    slope: float
    start: float
    end: float
    verdict: str


def trends(values: Sequence[FloatArray], least: Sequence[float]) -> list[Trend]:
    """The trend of every series (A,) over the attempts, NaN = no value. least: for each series, the
    smallest change from start to end that matters."""
    found = [_trend(value) for value in values]
    tested = [k for k, trend in enumerate(found) if not math.isnan(trend.p)]
    running = 0.0
    for rank, k in enumerate(sorted(tested, key=lambda k: found[k].p)):
        running = max(running, min((len(tested) - rank) * found[k].p, 1.0))
        found[k] = replace(found[k], adjusted=running)
    return [
        replace(trend, verdict=_verdict(trend, smallest))
        for trend, smallest in zip(found, least, strict=True)
    ]


def _trend(value: FloatArray) -> Trend:
    known = np.flatnonzero(~np.isnan(value))
    if len(known) < 2:
        return Trend(len(known), *[math.nan] * 6, verdict="few")
    slope, start, end = _line(known, value[known])
    tau, p = kendall(value[known])
    if len(known) < LEAST_ATTEMPTS:
        p = math.nan
    return Trend(len(known), tau, p, math.nan, slope, start, end, "few")


def _verdict(trend: Trend, least: float) -> str:
    if trend.count < LEAST_ATTEMPTS:
        return "few"
    if trend.adjusted > CHANCE or abs(trend.end - trend.start) < least:
        return "none"
    return "fades" if abs(trend.end) < abs(trend.start) else "grows"


def _line(order: IntArray, value: FloatArray) -> tuple[float, float, float]:
    """The Theil-Sen slope, and the line's values at the first and the last of `order`."""
    from scipy.stats import theilslopes

    slope, height = np.array(theilslopes(value, order, method="joint"))[:2].tolist()
    return slope, height + slope * float(order[0]), height + slope * float(order[-1])


def kendall(value: FloatArray) -> tuple[float, float]:
    """Kendall's tau of values (A,) with their order, and its two-sided p: the share of orders of
    the attempts that are at least as steady, exact without ties; 0 and 1 if all are equal."""
    from scipy.stats import kendalltau

    if np.ptp(value) == 0:
        return 0.0, 1.0
    tau, p = np.array(kendalltau(np.arange(len(value)), value)).tolist()
    return tau, p
