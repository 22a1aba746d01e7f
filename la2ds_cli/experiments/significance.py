"""Which differences between rows of a table are more than chance.

A figure of a method would differ with other clips and with other seeds. Clips: the bootstrap of
`la2ds_cli.evaluation.measure`, whose resamples are the same for all rows, so that rows compare in
pairs. Seeds: the variance over the training runs of each row. 1,000 resamples cannot resolve p
below 0.002, and Holm's correction over some hundred comparisons needs less: p is therefore that of
Student's t, for the difference divided by its standard error. With three seeds, this is slightly
anticonservative: of tables without any true difference, 9 in 100 then show one, not 5.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import interval

LEVEL = 0.05  # of significance, after the correction
_ROUNDING = 1e-9  # of figures in per cent


@dataclass(frozen=True)
class Sample:
    """A figure of a row in one data set.

    values: (S,) of its training runs, one if nothing is trained.
    resampled: (S, R) of each run in the same resamples of the clips, NaN where undefined.
    clips: how many contribute to the figure; a clip without a label for it is no observation.
    seeds: of the runs.
    """

    values: FloatArray
    resampled: FloatArray
    clips: int
    seeds: tuple[Hashable, ...] = (None,)


def by_seed(samples: Sequence[Sample]) -> list[float]:
    """The mean over data sets for each seed that all of them have."""
    each = [dict(zip(one.seeds, one.values.tolist(), strict=True)) for one in samples]
    shared = [seed for seed in each[0] if all(seed in values for values in each)]
    return [float(np.mean([values[seed] for values in each])) for seed in shared]


def mean_interval(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """95 % interval of the mean over data sets, over their clips and seeds; None if undefined."""
    nested = []
    for number, one in enumerate(samples):
        resamples = nested_resamples(one.resampled, seed=number)
        # Data sets of equally many clips have the same draws in the same order: shuffle them.
        nested.append(np.random.default_rng(number).permutation(resamples))
    return interval(np.mean(nested, axis=0))


def nested_resamples(runs: Sequence[FloatArray] | FloatArray, seed: int) -> FloatArray:
    """(R,) the mean over training runs in each resample of the clips and of the runs.

    runs: (S, R), under the same resamples of the clips. Deviations of the drawn runs from their
    mean are scaled by the root of S / (S - 1), since a few resampled seeds spread less than seeds
    do (Rao and Wu 1988). For a single run, its resamples are returned.
    """
    values = np.asarray(runs, np.float64)
    seeds, resamples = values.shape
    centre = values.mean(axis=0)
    if seeds < 2:
        return centre
    drawn = np.random.default_rng(seed).integers(seeds, size=(seeds, resamples))
    picked = np.take_along_axis(values, drawn, axis=0).mean(axis=0)
    return centre + math.sqrt(seeds / (seeds - 1)) * (picked - centre)


def difference(first: Sequence[Sample], second: Sequence[Sample]) -> tuple[float, float]:
    """The figure of one row minus that of another, as a mean over data sets, and its two-sided p.

    Both rows are measured on the same clips, and data sets are independent. A row with one seed has
    no variance over seeds: p then covers only other clips. The variance over n resampled clips is
    multiplied by n / (n - 1), as that of seeds in `nested_resamples`; the degrees of freedom of the
    sum are those of Satterthwaite (1946). NaN for p if a variance is unknown.
    """
    from scipy import stats

    terms: list[tuple[float, float]] = []  # variance, degrees of freedom
    for a, b in zip(first, second, strict=True):
        paired = a.resampled.mean(axis=0) - b.resampled.mean(axis=0)
        paired = paired[~np.isnan(paired)]
        free = min(a.clips, b.clips) - 1
        known = len(paired) > 1 and free > 0
        terms.append((paired.var(ddof=1) * (free + 1) / free if known else math.nan, max(free, 1)))
        runs = (one.values for one in (a, b) if len(one.values) > 1)
        terms += [(values.var(ddof=1) / len(values), len(values) - 1) for values in runs]
    value = float(
        np.mean([a.values.mean() - b.values.mean() for a, b in zip(first, second, strict=True)])
    )
    variance, freedom = np.array(terms, np.float64).T
    variance /= len(first) ** 2
    total = float(variance.sum())
    if math.isnan(total):
        return value, math.nan
    if abs(value) <= _ROUNDING or total <= _ROUNDING**2:
        return value, float(abs(value) <= _ROUNDING)
    of_sum = total**2 / (variance**2 / freedom).sum()
    return value, float(2 * stats.t.sf(abs(value) / math.sqrt(total), of_sum))


def holm(p: Sequence[float]) -> list[float]:
    """p after Holm's step-down correction (1979): the smallest is multiplied by their number, the
    next by one less, and so on; none is below the previous one or above 1.

    If those up to a level are called significant, the probability that any of them is wrong is at
    most that level.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    factors = np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p)[order]), 1)
    return adjusted.tolist()
