"""Holm's correction, p of a difference, and resamples of clips and seeds, on known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from la2ds_cli.evaluation.measure import video_counts
from la2ds_cli.experiments.significance import (
    LEVEL,
    Difference,
    Sample,
    difference,
    holm,
    mean_difference,
    nested_resamples,
)

CLIPS = 60
COUNTS = video_counts(CLIPS, seed=0)


def _means(by_clip: np.ndarray) -> np.ndarray:
    """The mean over clips (CLIPS,) in each resample."""
    return COUNTS @ by_clip / CLIPS


def test_holm_on_the_example_of_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_is_never_above_one_and_keeps_the_order() -> None:
    assert holm([0.9, 0.6, 0.5]) == [1.0, 1.0, 1.0]
    assert holm([]) == []
    adjusted = holm([0.001, 0.0012, 0.2])
    assert adjusted == pytest.approx([0.003, 0.003, 0.2])


def test_of_one_training_p_is_nearly_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(5, 2, CLIPS)
    for shift in (0.0, 0.1, 0.3):
        second = first + rng.normal(shift, 0.5, CLIPS)
        one, other = (Sample.of([x.mean()], [_means(x)]) for x in (first, second))
        found = difference(one, other, CLIPS)
        assert found.value == pytest.approx(first.mean() - second.mean())
        expected = ttest_rel(first, second).pvalue
        assert math.log(found.p) == pytest.approx(math.log(expected), rel=0.15, abs=0.15)


@pytest.mark.parametrize("clips", [3, 6, 20])
def test_of_few_clips_p_is_that_of_a_paired_t_test(clips: int) -> None:
    """Resamples of n clips vary (n - 1) / n times as much as other clips would."""
    counts = video_counts(clips, seed=0, resamples=100_000)
    rng = np.random.default_rng(clips)
    first, second = rng.normal(5, 2, (2, clips))
    one, other = (Sample.of([x.mean()], [counts @ x / clips]) for x in (first, second))
    expected = ttest_rel(first, second).pvalue
    assert difference(one, other, clips).p == pytest.approx(expected, rel=0.01)


def test_over_seeds_alone_p_is_that_of_welch() -> None:
    """Resamples that do not differ leave the seeds: a t-test of unequal variances."""
    first, second = np.array([1.0, 1.2, 1.1]), np.array([1.5, 1.9, 1.4, 1.6])
    one, other = (Sample(x, np.full(1000, x.mean())) for x in (first, second))
    _, expected = ttest_ind(first, second, equal_var=False)
    assert difference(one, other, CLIPS).p == pytest.approx(expected)


def test_equal_rows_do_not_differ_and_a_sure_difference_is_sure() -> None:
    sample = Sample.of([2.0], [_means(np.full(CLIPS, 2.0))])
    assert difference(sample, sample, CLIPS).p == 1
    other = Sample.of([3.0], [_means(np.full(CLIPS, 3.0))])
    assert difference(sample, other, CLIPS).p == 0


def test_resamples_without_a_value_leave_p_unknown() -> None:
    empty = Sample(np.array([1.0]), np.full(1000, np.nan))
    assert math.isnan(difference(empty, empty, CLIPS).p)


def test_the_mean_over_two_data_sets_halves_the_standard_error() -> None:
    one = Difference(1.0, ((4.0, 50.0),))
    both = mean_difference([one, Difference(3.0, ((4.0, 50.0),))])
    assert both.value == 2
    assert sum(variance for variance, _ in both.parts) == 2


def test_where_nothing_differs_nothing_is_significant() -> None:
    """40 tables of eight rows that differ by chance alone, the best row chosen by looking."""
    wrong = 0
    for table in range(40):
        rng = np.random.default_rng(table)
        of_clip = rng.normal(0, 1, CLIPS)
        samples = []
        for _ in range(8):
            runs = of_clip + rng.normal(0, 0.3, CLIPS) + rng.normal(0, 0.02, (3, 1))
            samples.append(Sample.of(runs.mean(axis=1), [_means(run) for run in runs]))
        pairs = [difference(a, b, CLIPS).p for n, a in enumerate(samples) for b in samples[:n]]
        wrong += min(holm(pairs)) <= LEVEL
    assert wrong <= 4  # 5 % of 40 are expected


def test_one_training_varies_with_its_clips_alone() -> None:
    resampled = _means(np.random.default_rng(0).normal(size=CLIPS))
    assert np.array_equal(nested_resamples([resampled], 3), resampled)


def test_trainings_add_the_variance_of_their_mean() -> None:
    """Var = that over clips + that over seeds / S: here 0.04 and 1 / 3."""
    rng = np.random.default_rng(0)
    clips = rng.normal(0, 0.2, 200_000)
    values = np.array([0.0, 1.0, 2.0])  # of a standard deviation of 1
    nested = nested_resamples([clips + value for value in values], seed=0)
    assert nested.mean() == pytest.approx(1, abs=0.01)
    assert nested.var() == pytest.approx(0.04 + 1 / 3, rel=0.02)
