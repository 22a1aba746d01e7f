from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.tracks import make_track, pose_oks, same_person, side_by_side
from tests.poses.simulated_people import moving, walker, with_joints


def test_the_similarity_of_poses_follows_its_definition() -> None:
    """Of three joints the second is off by d with d^2 = 2 area (2 sigma)^2, so exp(-1); the third
    is seen in only one pose."""
    a = moving(320, 300, 2, 0.0)
    area = 0.53 * 100 * 300
    xy, score = a.xy.copy(), a.joint_score.copy()
    xy[0, 1, 0] += np.sqrt(2 * area) * 2 * 0.07
    score[0, 2], score[1] = 0.1, 0
    rows = np.arange(2)
    found = pose_oks(a, with_joints(a, xy, score), rows, rows)
    assert found[0] == pytest.approx((1 + np.exp(-1)) / 2)
    assert np.isnan(found[1])


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
