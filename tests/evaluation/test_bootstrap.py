"""Bootstrap over videos for statistics of pairs of videos."""

from __future__ import annotations

import numpy as np

from la2ds_cli.evaluation.measure import interval, resampled_means, resampled_medians, video_counts


def all_pairs(videos: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.nonzero(~np.eye(videos, dtype=bool))
    return a, b


def test_counts_draw_as_many_videos_as_there_are_and_repeat_with_the_seed() -> None:
    counts = video_counts(7, seed=3)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(counts, video_counts(7, seed=3))
    assert (counts != video_counts(7, seed=4)).any()


def test_medians_equal_those_of_the_repeated_values() -> None:
    a, b = all_pairs(6)
    value = np.random.default_rng(0).exponential(size=len(a))
    counts = video_counts(6, seed=0, resamples=50)
    expected = [np.median(np.repeat(value, count[a] * count[b])) for count in counts]
    np.testing.assert_allclose(resampled_medians(value, a, b, counts), expected)


def test_a_resample_without_any_pair_is_left_out() -> None:
    a, b = np.array([0]), np.array([1])
    counts = np.array([[2, 0], [1, 1], [0, 2]])
    medians = resampled_medians(np.array([4.0]), a, b, counts)
    np.testing.assert_array_equal(medians, [np.nan, 4.0, np.nan])
    assert interval(medians) == (4.0, 4.0)
    assert interval(np.full(3, np.nan)) is None


def test_the_interval_holds_the_middle_95_percent() -> None:
    values = np.random.default_rng(0).permutation(1001).astype(float)
    assert interval(np.append(values, np.nan)) == (25, 975)


def test_means_of_pairs_equal_the_loop_over_resamples() -> None:
    by_pair = np.random.default_rng(2).normal(size=(5, 5))
    np.fill_diagonal(by_pair, np.nan)
    by_pair[0, 3] = np.nan
    counts = video_counts(5, seed=0, resamples=200)
    a, b = np.nonzero(np.isfinite(by_pair))
    means = []
    for count in counts:
        weight = count[a] * count[b]
        means.append((by_pair[a, b] * weight).sum() / weight.sum() if weight.sum() else np.nan)
    found = resampled_means(by_pair, counts)
    np.testing.assert_allclose(found, means)
    assert np.isnan(found).any() == (counts.max(axis=1) == 5).any()
    assert np.isnan(resampled_means(np.full((5, 5), np.nan), counts)).all()
