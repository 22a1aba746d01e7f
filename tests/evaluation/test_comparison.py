"""Comparison of two feature sets on the same pairs."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.evaluation.event_transfer import TransferError, compare
from la2ds_cli.evaluation.table import verdict

VIDEOS = 10
LEAD = {"model": 1.0, "time_only": 20.0}


def errors(values: np.ndarray) -> list[TransferError]:
    pairs = [(a, b) for a in range(VIDEOS) for b in range(VIDEOS) if a != b]
    return [
        TransferError(0, a, b, "top", v, v, v, False)
        for (a, b), v in zip(pairs, values.tolist(), strict=True)
    ]


def test_a_lead_on_one_pair_of_clips_may_be_chance() -> None:
    by_name = {name: [[TransferError(0, 3, 7, "top", v, v, v, False)]] for name, v in LEAD.items()}
    rows = compare(by_name, VIDEOS, seed=0)
    features = {name: {"event_transfer": {"median_percent": v}} for name, v in LEAD.items()}
    assert rows[0]["interval_percent"] is None
    assert verdict({"comparisons": rows, "features": features}) == [
        "The model beats time only by 20.0x (median error 1.00 % against 20.00 %; too few clips "
        "for an interval: it may be chance)."
    ]


@pytest.fixture
def hard() -> np.ndarray:
    """Errors that differ far more between pairs than between features."""
    return np.random.default_rng(0).uniform(1, 20, VIDEOS * (VIDEOS - 1))


def test_a_small_but_constant_lead_is_found_because_pairs_are_shared(hard: np.ndarray) -> None:
    rows = compare({"model": [errors(hard)], "time_only": [errors(hard + 0.5)]}, VIDEOS, seed=0)
    assert [(row["features"], row["against"]) for row in rows] == [("model", "time_only")]
    assert rows[0]["difference_percent"] == pytest.approx(-0.5)
    assert rows[0]["interval_percent"] == pytest.approx([-0.5, -0.5])
    assert rows[0]["ratio"] == pytest.approx((np.median(hard) + 0.5) / np.median(hard))


def test_no_lead_has_an_interval_around_zero(hard: np.ndarray) -> None:
    shuffled = np.random.default_rng(1).permutation(hard)
    row = compare({"model": [errors(hard)], "time_only": [errors(shuffled)]}, VIDEOS, seed=0)[0]
    assert row["interval_percent"][0] < 0 < row["interval_percent"][1]


def test_without_a_model_the_best_raw_pose_is_compared(hard: np.ndarray) -> None:
    found = compare(
        {"raw_pose_best": [errors(hard)], "time_only": [errors(2 * hard)]}, VIDEOS, seed=0
    )
    assert [(row["features"], row["against"]) for row in found] == [("raw_pose_best", "time_only")]
    assert found[0]["ratio"] == pytest.approx(2.0)


def test_a_perfect_feature_has_no_ratio_and_nothing_compares_with_nothing(
    hard: np.ndarray,
) -> None:
    row = compare({"model": [errors(0 * hard)], "time_only": [errors(hard)]}, VIDEOS, seed=0)[0]
    assert row["ratio"] is None
    assert compare({"model": [[]], "time_only": [errors(hard)]}, VIDEOS, seed=0) == []
    assert compare({"raw_pose": [errors(hard)]}, VIDEOS, seed=0) == []


def test_several_runs_count_by_the_mean_of_their_medians(hard: np.ndarray) -> None:
    runs = [errors(hard), errors(hard + 2.0)]
    row = compare({"model": runs, "time_only": [errors(hard + 3.0)]}, VIDEOS, seed=0)[0]
    assert row["difference_percent"] == pytest.approx(-2.0)
    assert row["interval_percent"] == pytest.approx([-2.0, -2.0])
    assert compare({"model": [errors(hard), []], "time_only": runs}, VIDEOS, seed=0) == []
