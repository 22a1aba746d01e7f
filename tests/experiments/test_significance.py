"""Holm's correction, p of a difference, and resamples of clips and seeds, on known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from la2ds_cli.evaluation.measure import video_counts
from la2ds_cli.experiments.comparison import ScoreSample
from la2ds_cli.experiments.tables import LEVEL, difference, holm, nested_resamples

CLIPS = 60
COUNTS = video_counts(CLIPS, seed=0)


def _sample(by_clip: np.ndarray, clips: int = CLIPS, counts: np.ndarray = COUNTS) -> ScoreSample:
    """The mean over clips of each run (S, clips)."""
    runs = np.atleast_2d(by_clip)
    resampled = np.array([counts @ run / clips for run in runs])
    return ScoreSample(runs.mean(axis=1), resampled, clips)


def _p(first: ScoreSample, second: ScoreSample) -> float:
    return difference(first, second)[1]


def _means(by_clip: np.ndarray) -> np.ndarray:
    """The mean over clips (CLIPS,) in each resample."""
    return COUNTS @ by_clip / CLIPS


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # of textbooks
        ([0.9, 0.6, 0.5], [1, 1, 1]),
        ([], []),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.001, 0.0012, 0.2], [0.003, 0.003, 0.2]),
    ],
)
def test_holm_is_never_above_one_and_keeps_the_order(p: list[float], adjusted: list[float]) -> None:
    assert holm(p) == pytest.approx(adjusted)


def test_of_one_training_p_is_nearly_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(5, 2, CLIPS)
    for shift in (0.0, 0.1, 0.3):
        second = first + rng.normal(shift, 0.5, CLIPS)
        value, p = difference(_sample(first), _sample(second))
        assert value == pytest.approx(first.mean() - second.mean())
        expected = ttest_rel(first, second).pvalue
        assert math.log(p) == pytest.approx(math.log(expected), rel=0.15, abs=0.15)


@pytest.mark.parametrize("clips", [3, 6, 20])
def test_of_few_clips_p_is_that_of_a_paired_t_test(clips: int) -> None:
    """Resamples of n clips vary (n - 1) / n times as much as other clips would."""
    counts = video_counts(clips, seed=0, resamples=100_000)
    rng = np.random.default_rng(clips)
    first, second = rng.normal(5, 2, (2, clips))
    one, other = (_sample(x, clips, counts) for x in (first, second))
    expected = ttest_rel(first, second).pvalue
    assert _p(one, other) == pytest.approx(expected, rel=0.01)


def test_over_seeds_alone_p_is_that_of_welch() -> None:
    """Resamples that do not differ leave the seeds: a t-test of unequal variances."""
    first, second = np.array([1.0, 1.2, 1.1]), np.array([1.5, 1.9, 1.4, 1.6])
    one, other = (ScoreSample(x, np.full((len(x), 1000), x.mean()), CLIPS) for x in (first, second))
    _, expected = ttest_ind(first, second, equal_var=False)
    assert _p(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(("clips", "resampled"), [(CLIPS, np.nan), (1, 1.0), (0, 1.0)])
def test_without_resamples_or_clips_p_is_unknown(clips: int, resampled: float) -> None:
    varied = resampled + np.random.default_rng(0).random((1, 1000))
    one, other = (ScoreSample(np.array([value]), varied, clips) for value in (1.0, 2.0))
    assert math.isnan(_p(one, other))


def test_where_nothing_differs_nothing_is_significant() -> None:
    """40 tables of eight rows that differ by chance alone, the best row chosen by looking."""
    wrong = 0
    for table in range(40):
        rng = np.random.default_rng(table)
        of_clip = rng.normal(0, 1, CLIPS)
        samples = []
        for _ in range(8):
            runs = of_clip + rng.normal(0, 0.3, CLIPS) + rng.normal(0, 0.02, (3, 1))
            samples.append(_sample(runs))
        pairs = [_p(a, b) for n, a in enumerate(samples) for b in samples[:n]]
        wrong += min(holm(pairs)) <= LEVEL
    assert wrong <= 4  # 5 % of 40 are expected


def test_trainings_add_the_variance_of_their_mean() -> None:
    """Var = that over clips + that over seeds / S: here 0.04 and 1 / 3."""
    rng = np.random.default_rng(0)
    clips = rng.normal(0, 0.2, 200_000)
    values = np.array([0.0, 1.0, 2.0])  # of a standard deviation of 1
    nested = nested_resamples([clips + value for value in values])
    assert nested.mean() == pytest.approx(1, abs=0.01)
    assert nested.var() == pytest.approx(0.04 + 1 / 3, rel=0.02)
    alone = _means(rng.normal(size=CLIPS))
    assert np.array_equal(nested_resamples([alone]), alone)  # of one training
