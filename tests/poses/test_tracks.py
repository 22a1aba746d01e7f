from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses.tracks import (
    DEFAULT_SIGMA,
    joint_sigmas,
    make_track,
    oks,
    same_person,
    side_by_side,
)
from tests.poses.simulated_people import moving, walker


def test_equal_poses_are_1_and_the_distance_follows_the_definition() -> None:
    """Two joints; the second is off by d with d^2 = 2 area (2 sigma)^2, so exp(-1)."""
    sigma, area = np.array([0.05, 0.1]), 400.0
    a = np.array([[10.0, 10.0], [50.0, 20.0]])
    b = a + np.array([[0, 0], [np.sqrt(2 * area) * 0.2, 0]])
    seen = np.ones(2)
    assert oks(a, a, seen, seen, area, sigma) == pytest.approx(1)
    assert oks(a, b, seen, seen, area, sigma) == pytest.approx((1 + np.exp(-1)) / 2)


def test_only_joints_seen_in_both_count() -> None:
    a = np.array([[[0.0, 0.0], [np.nan, 5.0], [7.0, 7.0]]] * 2)
    b = np.array([[[0.0, 0.0], [5.0, 5.0], [900.0, 7.0]]] * 2)
    score_a, score_b = np.ones((2, 3)), np.array([[1, 1, 0], [0, 1, 0]])
    found = oks(a, b, score_a, score_b, np.array([100.0, 100.0]), 0.1)
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1])


def test_sigmas_are_those_of_coco_and_a_mean_elsewhere() -> None:
    coco = joint_sigmas(get_skeleton("coco17"))
    assert coco[[0, 1, 3, 5, 7, 9, 11, 13, 15]].tolist() == [
        *(0.026, 0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089)
    ]
    np.testing.assert_array_equal(coco[1::2], coco[2::2])
    assert coco.mean() == pytest.approx(DEFAULT_SIGMA, abs=0.004)
    penn = joint_sigmas(get_skeleton("penn13"))
    assert penn[:2].tolist() == [DEFAULT_SIGMA, 0.079]


def test_a_part_of_a_person_is_that_person() -> None:
    whole = moving(320, 300, 50, 0.1)
    upper = make_track(whole.frame, whole.box * [1, 1, 1, 0] + [5, 0, -5, 250], whole.score)
    assert same_person(whole, upper)
    assert same_person(upper, whole)


def test_somebody_small_behind_a_large_person_is_somebody_else() -> None:
    large, small = moving(320, 400, 50, 0.0), moving(330, 100, 50, 0.1)
    assert not same_person(large, small)
    assert not same_person(*(make_track(t.frame, t.box, t.score) for t in (large, small)))


def test_joints_tell_two_people_whose_boxes_lie_in_each_other() -> None:
    front, behind = walker(np.full(30, 320), 300), walker(np.full(30, 335), 200)
    assert not same_person(front, behind)
    unposed = [make_track(t.frame, t.box, t.score) for t in (front, behind)]
    assert same_person(*unposed)


def test_people_of_different_times_are_not_compared() -> None:
    assert not same_person(moving(320, 300, 50, 0.1), moving(320, 300, 50, 0.1, start=40))


def test_who_stands_beside_is_somebody_else() -> None:
    subject = moving(200, 200, 50, 0.1)
    assert side_by_side(subject, moving(400, 200, 50, 0.1))
    assert not side_by_side(subject, moving(400, 200, 50, 0.1, start=42))
    assert not side_by_side(subject, moving(200, 120, 50, 0.1))
