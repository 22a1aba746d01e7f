"""Alignment by way of other clips, on clips whose true correspondence is known."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import distance
from la2ds_cli.alignment.path import is_monotone, smooth_match
from la2ds_cli.alignment.routes import (
    Leg,
    Routes,
    agree,
    disagreement,
    find_leg,
    path_through,
    route_votes,
    spread_out,
)
from la2ds_cli.config import AlignConfig
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


def match(routes: Routes, *pair: tuple[np.ndarray, ...]) -> np.ndarray:
    a, b = pair
    return routes.match(a, routes.legs(a), b, routes.legs(b))


def test_many_noisy_clips_place_a_frame_better_than_the_direct_path() -> None:
    phases = [warped_phase(40 + 3 * n, n) for n in range(14)]
    clips = [feature(phase, 0.25, seed=n) for n, phase in enumerate(phases)]
    routes = Routes([(clip,) for clip in clips[2:]], DTW)
    target = truth(phases[0], phases[1])
    direct = find_leg(clips[0], clips[1], DTW).there
    by_all = match(routes, (clips[0],), (clips[1],))
    assert np.abs(by_all - target).mean() < 0.8 * np.abs(direct - target).mean()


def test_clips_of_another_movement_have_no_say() -> None:
    """Two of five others run backwards: their routes are dearer, and outvoted."""
    phases = [warped_phase(40 + 3 * n, n) for n in range(7)]
    clips = [feature(phase, 0.02, seed=n) for n, phase in enumerate(phases)]
    backwards = [(clip[::-1] + 5,) for clip in clips[5:]]
    routes = Routes([(clip,) for clip in clips[2:5]] + backwards, DTW)
    found = match(routes, (clips[0],), (clips[1],))
    assert np.abs(found - truth(phases[0], phases[1])).max() < 1.5


def test_without_other_clips_the_direct_path_is_the_answer() -> None:
    a, b = feature(warped_phase(30, 1)), feature(warped_phase(41, 2))
    direct = find_leg(a, b, DTW)
    np.testing.assert_array_equal(match(Routes([], DTW), (a,), (b,)), direct.there)


def test_kinds_of_features_vote_together() -> None:
    """Of two kinds without other clips the answer lies half-way, where the first has one."""
    early = np.arange(10.0)[:, None]
    late = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7.0])[:, None]  # B shows each two frames later
    found = match(Routes([], DTW), (early, early), (early, late))
    by_late = find_leg(early, late, DTW).there
    np.testing.assert_allclose(found, (np.arange(10) + by_late) / 2)


def test_a_leg_leads_there_and_back() -> None:
    phase_a, phase_b = warped_phase(50, 3), warped_phase(35, 4)
    leg = find_leg(feature(phase_a), feature(phase_b), DTW)
    assert leg.there.shape == (50,)
    assert leg.back.shape == (35,)
    assert np.abs(leg.there - truth(phase_a, phase_b)).max() < 1
    assert np.abs(leg.back - truth(phase_b, phase_a)).max() < 1
    assert leg.cost < 0.05


def test_long_clips_are_thinned_and_placed_among_all_frames(monkeypatch) -> None:
    phase_a, phase_b = np.linspace(0, 1, 401), np.linspace(0, 1, 301) ** 1.3
    monkeypatch.setattr(distance, "MAX_FRAMES", 101)
    leg = find_leg(feature(phase_a), feature(phase_b), DTW)
    assert np.abs(leg.there - truth(phase_a, phase_b)).max() < 3
    assert np.abs(leg.back - truth(phase_b, phase_a)).max() < 4


def test_a_route_is_followed_to_its_end_only_where_both_legs_lead() -> None:
    there = Leg(np.array([NAN, 0.0, 1.0, 2.5, 4.0]), np.zeros(5), 1.0)
    back = Leg(np.zeros(0), np.array([NAN, 10.0, 20.0, 30.0, NAN]), 1.0)
    (vote,) = route_votes([there], [back])
    np.testing.assert_array_equal(vote, [NAN, NAN, 10, 25, NAN])


def test_the_nearer_half_of_the_routes_votes() -> None:
    legs = [Leg(np.full(3, float(n)), np.arange(5) + 10.0 * n, 0.0) for n in range(5)]
    priced = [
        Leg(leg.there, leg.back, price) for leg, price in zip(legs, [5, 1, 4, 2, 3], strict=True)
    ]
    votes = route_votes(priced, priced)
    assert [vote[0] for vote in votes] == [11.0, 33.0, 44.0]
    assert route_votes([], []) == []


def test_the_middle_half_of_the_votes_is_averaged() -> None:
    votes = np.array(
        [[3.0, 3], [90, NAN], [4, 5], [5, NAN], [0, NAN], [6, NAN], [4, NAN], [5, NAN]]
    )
    # 0 3 [4 4 5 5] 6 90, and of the two votes of the second frame both
    np.testing.assert_allclose(agree(np.array([1.0, 2]), votes, 100), [4.5, 4.5])


def test_of_twelve_votes_the_middle_six_are_averaged() -> None:
    votes = np.array([50, 0, 10, 20, 90, 0, 40, 10, 20, 0, 90, 90.0])[:, None]
    # 0 0 0 [10 10 20 20 40 50] 90 90 90
    assert agree(np.zeros(1), votes, 100) == pytest.approx(150 / 6)


def test_votes_disagree_by_half_the_range_of_their_middle_90_percent() -> None:
    """Of 0 to 20 the 5th and the 95th percentile are 1 and 19; of 0, 10 and 20 they are 1 and 19,
    too, between the votes."""
    votes = np.full((21, 4), NAN)
    votes[:, 0] = np.random.default_rng(0).permutation(21)
    votes[[2, 9, 15], 1] = 20, 0, 10
    votes[4, 2] = 7  # alone
    np.testing.assert_allclose(disagreement(votes), [9, 9, 0, 0])


def test_agreement_stays_in_the_clip_and_in_order_and_leaves_out_what_the_path_leaves_out() -> None:
    votes = np.array([[-3.0, 5, 4, 12, 20]])
    found = agree(np.array([0.0, 1, 2, 3, NAN]), votes, 10)
    np.testing.assert_array_equal(found, [0, 5, 5, 9, NAN])


@pytest.mark.parametrize("seed", range(5))
def test_a_path_goes_through_the_positions_and_skips_no_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    position = np.sort(rng.uniform(0, 60, 30))
    position[:4] = NAN
    path = path_through(position)
    assert is_monotone(path)
    steps = np.diff(path, axis=0)
    assert steps.max() == 1
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
    assert spread_out(list("abcdefg"), 3) == ["a", "d", "g"]
    assert spread_out(list("ab"), 5) == ["a", "b"]
    assert spread_out(list("ab"), 0) == spread_out([], 4) == []
