"""Alignment through reference clips, on clips whose true correspondence is known."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import sampling
from la2ds_cli.alignment.consensus import (
    PairwisePath,
    consensus,
    consensus_position,
    estimates_through,
    match_clips,
    pairwise_path,
)
from la2ds_cli.alignment.path import path_through, smooth_match
from la2ds_cli.core.config import AlignConfig
from la2ds_cli.features.resample import evenly_spaced
from tests.movement import warped_phase

DTW = AlignConfig(method="dtw")
NAN = np.nan


def feature(phase: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """A point on a spiral for each phase, (T, 3): no two phases look alike."""
    turn = 3 * np.pi * phase
    point = np.column_stack([np.cos(turn), np.sin(turn), 3 * phase])
    return point + np.random.default_rng(seed).normal(0, noise, point.shape)


def truth(phase_a: np.ndarray, phase_b: np.ndarray) -> np.ndarray:
    return np.interp(phase_a, phase_b, np.arange(len(phase_b)))


def test_without_references_the_direct_path_is_the_answer() -> None:
    a, b = feature(warped_phase(30, 1)), feature(warped_phase(41, 2))
    direct = pairwise_path(a, b, DTW)
    np.testing.assert_array_equal(consensus(a, [], b, [], DTW)[0], direct.forward)
    np.testing.assert_array_equal(match_clips(a, b, DTW).position, direct.forward)


def test_references_make_a_noisy_match_more_accurate() -> None:
    phases = [warped_phase(30 + n, n) for n in range(12)]
    a, b, *others = (feature(phase, 0.15, n) for n, phase in enumerate(phases))
    true = truth(phases[0], phases[1])
    error = [np.abs(match_clips(a, b, DTW, (), of).position - true).mean() for of in ((), others)]
    assert error[1] < 0.8 * error[0]


def test_a_pairwise_path_maps_forward_and_backward() -> None:
    phase_a, phase_b = warped_phase(50, 3), warped_phase(35, 4)
    path = pairwise_path(feature(phase_a), feature(phase_b), DTW)
    assert path.forward.shape == (50,)
    assert path.backward.shape == (35,)
    assert np.abs(path.forward - truth(phase_a, phase_b)).max() < 1
    assert np.abs(path.backward - truth(phase_b, phase_a)).max() < 1
    assert path.cost < 0.05


def test_long_clips_are_thinned_and_placed_among_all_frames(monkeypatch) -> None:
    phase_a, phase_b = np.linspace(0, 1, 401), np.linspace(0, 1, 301) ** 1.3
    monkeypatch.setattr(sampling, "MAX_FRAMES", 101)
    path = pairwise_path(feature(phase_a), feature(phase_b), DTW)
    assert np.abs(path.forward - truth(phase_a, phase_b)).max() < 3
    assert np.abs(path.backward - truth(phase_b, phase_a)).max() < 4


def test_an_estimate_needs_both_paths() -> None:
    forward = PairwisePath(np.array([NAN, 0.0, 1.0, 2.5, 4.0]), np.zeros(5), 1.0)
    backward = PairwisePath(np.zeros(0), np.array([NAN, 10.0, 20.0, 30.0, NAN]), 1.0)
    (estimate,) = estimates_through([forward], [backward])
    np.testing.assert_array_equal(estimate, [NAN, NAN, 10, 25, NAN])


def test_a_reference_of_which_nearly_all_is_left_out_does_not_count() -> None:
    """A has 10 frames, B 80, and each of four references 40. Of two references, open ends have left
    out all but one pair of frames, the first of A and the last of B, which is near by chance."""
    whole = PairwisePath(4.0 * np.arange(10), np.arange(40) / 4, cost=2.0)
    onto_b = PairwisePath(np.arange(80) / 2, 2.0 * np.arange(40), cost=2.0)
    one_a, one_b = (
        PairwisePath(np.full(length, NAN), np.full(40, NAN), cost=0.1) for length in (10, 80)
    )
    one_a.forward[0], one_a.backward[39] = 39, 0
    one_b.forward[79], one_b.backward[39] = 39, 79
    assert one_a.shared == pytest.approx(0.1)
    estimates = estimates_through([one_a, whole, one_a, whole], [one_b, onto_b, one_b, onto_b])
    np.testing.assert_allclose(estimates, [8.0 * np.arange(10)])
    # Its one pair would move every frame of A to the end of B.
    direct = 8.0 * np.arange(10)
    position = consensus_position(direct, np.array([direct, *estimates]), 80)
    np.testing.assert_allclose(position, direct)
    # A part of a long reference is no such case.
    part = PairwisePath(np.arange(10.0), np.where(np.arange(100) < 10, np.arange(100), NAN), 1.0)
    assert part.shared == 1


def test_the_nearer_half_of_the_references_counts() -> None:
    paths = [PairwisePath(np.full(3, float(n)), np.arange(5) + 10.0 * n, 0.0) for n in range(5)]
    priced = [
        PairwisePath(path.forward, path.backward, price)
        for path, price in zip(paths, [5, 1, 4, 2, 3], strict=True)
    ]
    estimates = estimates_through(priced, priced)
    assert [estimate[0] for estimate in estimates] == [11.0, 33.0, 44.0]
    assert estimates_through([], []) == []


def test_the_middle_half_of_the_estimates_is_averaged() -> None:
    estimates = np.array(
        [[3.0, 3], [90, NAN], [4, 5], [5, NAN], [0, NAN], [6, NAN], [4, NAN], [5, NAN]]
    )
    # 0 3 [4 4 5 5] 6 90, and of the two estimates of the second frame both
    np.testing.assert_allclose(consensus_position(np.array([1.0, 2]), estimates, 100), [4.5, 4.5])
    estimates = np.array([50, 0, 10, 20, 90, 0, 40, 10, 20, 0, 90, 90.0])[:, None]
    # 0 0 0 [10 10 20 20 40 50] 90 90 90
    assert consensus_position(np.zeros(1), estimates, 100) == pytest.approx(150 / 6)


def test_agreement_stays_in_the_clip_and_in_order_and_leaves_out_what_the_path_leaves_out() -> None:
    estimates = np.array([[-3.0, 5, 4, 12, 20]])
    found = consensus_position(np.array([0.0, 1, 2, 3, NAN]), estimates, 10)
    np.testing.assert_array_equal(found, [0, 5, 5, 9, NAN])


@pytest.mark.parametrize("seed", range(5))
def test_a_path_goes_through_the_positions_and_skips_no_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    position = np.sort(rng.uniform(0, 60, 30))
    position[:4] = NAN
    path = path_through(position)
    steps = np.diff(path, axis=0)
    assert (steps.min(), steps.max()) == (0, 1)
    assert (steps.sum(axis=1) > 0).all()
    assert path[0, 0] == 4
    at = np.rint(position[4:]).astype(int)
    assert {(i + 4, j) for i, j in enumerate(at)} <= set(map(tuple, path.tolist()))


def test_a_path_through_straight_positions_is_that_path() -> None:
    straight = np.column_stack([np.arange(8), np.arange(8)])
    np.testing.assert_array_equal(path_through(smooth_match(straight, 8)), straight)
    np.testing.assert_array_equal(
        path_through(np.array([0.0, 3])), [[0, 0], [0, 1], [1, 2], [1, 3]]
    )


def test_items_are_spread_out_evenly() -> None:
    assert evenly_spaced(list("abcdefg"), 3) == ["a", "d", "g"]
    assert evenly_spaced(list("ab"), 5) == ["a", "b"]
    assert evenly_spaced(list("ab"), 0) == evenly_spaced([], 4) == []
