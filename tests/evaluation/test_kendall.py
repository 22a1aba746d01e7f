"""Kendall's tau against scipy and against answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from la2ds_cli.evaluation import nearest_frames
from la2ds_cli.evaluation.kendall import kendalls_tau, tau_against_order


def usual_loop(clips: list[np.ndarray], stride: int) -> np.ndarray:
    """The loop of the TCC and CASA code, undefined pairs kept as NaN."""
    taus = np.full((len(clips), len(clips)), np.nan)
    for i, a in enumerate(clips):
        for j, b in enumerate(clips):
            if i != j:
                nearest = cdist(a[::stride], b[::stride], "sqeuclidean").argmin(axis=1)
                taus[i, j] = kendalltau(np.arange(len(nearest)), nearest)[0]
    return taus


def walk(length: int, width: int, seed: int) -> np.ndarray:
    """A random walk: neighbouring frames are near, as in a movement."""
    return np.random.default_rng(seed).normal(size=(length, width)).cumsum(axis=0)


@pytest.mark.parametrize("seed", range(20))
def test_tau_equals_scipy_on_ranks_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, size = int(rng.integers(2, 80)), int(rng.integers(1, 30))
    rank = rng.integers(0, size, count)
    expected = kendalltau(np.arange(count), rank)[0]
    assert tau_against_order(rank) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_tau_of_a_hand_computed_case() -> None:
    # Pairs of (1, 0, 2, 2): discordant 1, tied 1, concordant 4; (4 - 1) / sqrt(6 * 5).
    tau = tau_against_order(np.array([1, 0, 2, 2]))
    assert tau == pytest.approx(3 / np.sqrt(30), abs=1e-15)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_pairs_equal_the_usual_loop(stride: int, dtype: type) -> None:
    clips = [walk(length, 8, seed).astype(dtype) for seed, length in enumerate((30, 41, 17, 25))]
    tau = kendalls_tau(clips, stride)
    expected = usual_loop(clips, stride)
    np.testing.assert_allclose(tau.by_pair, expected, atol=1e-12)
    assert tau.value == pytest.approx(np.nanmean(expected), abs=1e-12)
    assert (tau.pairs, tau.nan) == (12, np.isnan(expected).sum() - len(clips))


def test_frames_that_tie_go_to_the_first_as_in_the_usual_loop() -> None:
    """Repeated frames (a held pose) tie exactly; a matrix product alone may order them at will."""
    base = [walk(length, 5, seed) for seed, length in enumerate((21, 33))]
    clips = [np.repeat(clip, 3, axis=0) + 1e3 for clip in base]
    np.testing.assert_allclose(kendalls_tau(clips).by_pair, usual_loop(clips, 1), atol=1e-12)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [walk(length, 4, seed) for seed, length in enumerate((30, 41, 17))]
    whole = kendalls_tau(clips).by_pair
    monkeypatch.setattr(nearest_frames, "_BLOCK", 7 * (30 + 41 + 17))
    np.testing.assert_array_equal(kendalls_tau(clips).by_pair, whole)


def test_identical_clips_score_one_and_reversed_clips_minus_one() -> None:
    clip = np.linspace(0, 1, 25)[:, None] * [1.0, 2.0]
    assert kendalls_tau([clip, clip]).value == pytest.approx(1.0, abs=1e-12)
    assert kendalls_tau([clip, clip[::-1]]).value == pytest.approx(-1.0, abs=1e-12)


def test_constant_embedding_is_counted_and_is_no_success() -> None:
    clips = [np.full((length, 16), 0.1 * length) for length in (40, 50, 60)]
    tau = kendalls_tau(clips)
    assert tau.value is None
    assert (tau.pairs, tau.nan) == (6, 6)


@pytest.mark.parametrize(
    "clips",
    [
        [np.zeros((5, 2))],
        [np.zeros((5, 2)), np.zeros((5, 3))],
        [np.zeros((5, 2)), np.zeros((0, 2))],
        [np.zeros(5), np.zeros(5)],
    ],
)
def test_clips_that_do_not_fit_are_refused(clips: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="kendalls_tau: expected"):
        kendalls_tau(clips)
