"""Which differences between rows of a table are more than chance.

A figure of a method would differ with other clips and with other seeds. `nested_resamples` covers
both; `Difference.p` tests whether two figures differ by more than both explain; `holm` corrects for
the number of tests in a table.

Clips: the bootstrap of `la2ds_cli.evaluation.measure`, whose resamples are the same for all rows,
so that rows compare in pairs. Seeds: the variance over the training runs of each row. 1,000
resamples cannot resolve p below 0.002, and Holm's correction over some hundred comparisons needs
less: p is therefore that of Student's t, for the difference divided by its standard error. With
three seeds, this is slightly anticonservative: of tables without any true difference, 9 in 100 then
show one, not 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray

LEVEL = 0.05  # of significance, after the correction
_ROUNDING = 1e-9  # of figures in per cent


@dataclass(frozen=True)
class Sample:
    """A figure of a row. values: (S,) of its training runs, one if nothing is trained. resampled:
    (R,) the mean over them in each resample of the clips, NaN where undefined."""

    values: FloatArray
    resampled: FloatArray

    @classmethod
    def of(cls, values: Sequence[float], runs: Sequence[FloatArray]) -> Sample:
        """Build a sample. values: of the training runs. runs: their resamples, (R,) each."""
        return cls(np.asarray(values, np.float64), np.mean(runs, axis=0))


@dataclass(frozen=True)
class Difference:
    """The figure of one row minus that of another. parts: (variance, degrees of freedom) of the
    terms whose variances add up to that of `value`."""

    value: float
    parts: tuple[tuple[float, float], ...]

    @property
    def p(self) -> float:
        """Two-sided p of no difference; NaN if a variance is unknown.

        The degrees of freedom of the sum are those of Satterthwaite (1946)."""
        from scipy.special import stdtr

        total = sum(variance for variance, _ in self.parts)
        if math.isnan(total):
            return math.nan
        if abs(self.value) <= _ROUNDING or total <= _ROUNDING**2:
            return float(abs(self.value) <= _ROUNDING)
        freedom = total**2 / sum(variance**2 / each for variance, each in self.parts)
        return float(2 * stdtr(freedom, -abs(self.value) / math.sqrt(total)))


def difference(first: Sample, second: Sample, clips: int) -> Difference:
    """The difference of two rows measured on the same clips (or people). clips: the number of those
    that contribute to the figure; a clip without a label for it is no observation.

    A row with one seed has no variance over seeds: p then covers only other clips. The variance
    over n resampled clips is multiplied by n / (n - 1), as that of seeds in `nested_resamples`."""
    paired = first.resampled - second.resampled
    paired = paired[~np.isnan(paired)]
    variance = float(paired.var(ddof=1)) if len(paired) > 1 and clips > 1 else math.nan
    parts = [(variance * clips / max(clips - 1, 1), float(max(clips - 1, 1)))]
    for sample in (first, second):
        seeds = len(sample.values)
        if seeds > 1:
            parts.append((float(sample.values.var(ddof=1)) / seeds, seeds - 1.0))
    return Difference(float(first.values.mean() - second.values.mean()), tuple(parts))


def mean_difference(differences: Sequence[Difference]) -> Difference:
    """The difference of means over data sets, whose clips and training runs are independent."""
    count = len(differences)
    parts = tuple((v / count**2, freedom) for one in differences for v, freedom in one.parts)
    return Difference(sum(one.value for one in differences) / count, parts)


def holm(p: Sequence[float]) -> list[float]:
    """p after Holm's step-down correction (1979): the smallest is multiplied by their number, the
    next by one less, and so on; none is below the previous one or above 1.

    If those up to a level are called significant, the probability that any of them is wrong is at
    most that level."""
    adjusted = [1.0] * len(p)
    largest = 0.0
    for rank, n in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[n]))
        adjusted[n] = largest
    return adjusted


def nested_resamples(runs: Sequence[FloatArray], seed: int) -> FloatArray:
    """(R,) the mean over training runs in each resample of the clips and of the runs.

    runs: (R,) each, under the same resamples of the clips. Deviations of the drawn runs from their
    mean are scaled by the root of S / (S - 1), since a few resampled seeds spread less than seeds
    do (Rao and Wu 1988). For a single run, its resamples are returned."""
    values = np.asarray(runs, np.float64)
    seeds, resamples = values.shape
    centre = values.mean(axis=0)
    if seeds < 2:
        return centre
    drawn = np.random.default_rng(seed).integers(seeds, size=(seeds, resamples))
    picked = np.take_along_axis(values, drawn, axis=0).mean(axis=0)
    return centre + math.sqrt(seeds / (seeds - 1)) * (picked - centre)
