"""Detections linked to tracks, tracks of one person linked, and boxes between detections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from la2ds_cli.poses import boxes
from la2ds_cli.poses.tracking import (
    Track,
    fill_boxes,
    link_detections,
    link_tracks,
    make_track,
    pose_oks,
    same_person,
)
from tests.poses.simulated_people import SIZE, frames, moving, person, walker, with_joints

SETTINGS = {"threshold": 0.3, "max_gap": 10, "size": SIZE}


def seen(x: float, frames: int, **more: float) -> list[list[list[float]]]:
    return [[person(x, **more)]] * frames


BOTH = [person(300), person(330)], [person(322, score=0.95), person(290, score=0.6)]
FAR = {"max_gap": 30}
# Detections of each frame, the settings, and the frames of the tracks.
LINKED: dict[str, tuple[list, dict[str, Any], list]] = {
    "a weak detection continues a track and starts none": (
        [[person(300), person(100, score=0.2)]] * 5 + seen(300, 5, score=0.2), {}, [range(10)]),
    # Seen again weakly, which starts no track: 10 frames later it goes on, 11 frames later not.
    "a track waits for 10 frames": (
        seen(300, 5) + [[]] * 9 + seen(300, 1, score=0.2), {}, [[*range(5), 14]]),
    "and no longer": (seen(300, 5) + [[]] * 10 + seen(300, 1, score=0.2), {}, [range(5)]),
    # 12 pixels a frame, 72 between looks, with boxes 67 wide: no two boxes overlap.
    "a sprinter who is looked at in every third frame": (
        [[person(60 + 12 * t)] if t % 3 == 0 else [] for t in range(46)], FAR, [range(0, 46, 3)]),
    "a sprinter who is looked at in every sixth frame": (
        [[person(60 + 12 * t)] if t % 6 == 0 else [] for t in range(46)], FAR, [range(0, 46, 6)]),
    "the box of somebody who comes nearer is predicted to grow": (
        [[person(300, 80 * 1.03**t)] if t % 6 == 0 else [] for t in range(49)], FAR,
        [range(0, 49, 6)]),
    "nobody jumps to somebody else far away": (
        seen(100, 10) + seen(400, 10), FAR, [range(10), range(10, 20)]),
    # Both step to the right; the left one's best box is the right one's only one.
    "where one box fits two people both keep one": (
        [BOTH[0]] * 5 + [BOTH[1]] * 5, {}, [range(10), range(10)]),
    # After the cut somebody else stands beside the place; without it, it would be one track.
    "no cut": (seen(300, 10) + seen(325, 10), {}, [range(20)]),
    "a track ends at a cut": (
        seen(300, 10) + seen(325, 10), {"cuts": [10]}, [range(10), range(10, 20)]),
    # Out over the right border, back half a clip later: one track with a hole.
    "leave and return is one person": (
        [[person(500 + 8 * t)] for t in range(15)] + [[]] * 40
        + [[person(612 - 8 * t)] for t in range(15)], {}, [[*range(15), *range(55, 70)]]),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
def test_detections_become_tracks(name: str) -> None:
    rows, settings, tracks = LINKED[name]
    found = link_detections(frames(*rows), **SETTINGS | settings)
    assert sorted(track.frame.tolist() for track in found) == [list(track) for track in tracks]


def test_a_whole_body_wins_over_a_part_of_it() -> None:
    part = [270, 240, 330, 340, 0.5]
    rows = [[person(300)]] + [[part, person(300)] for _ in range(5)]
    found = max(link_detections(frames(*rows), **SETTINGS), key=len)
    assert len(found) == 6
    assert np.ptp(found.box[:, 3] - found.box[:, 1]) == 0


def test_gaps_are_filled_in_a_straight_line_and_ends_are_held() -> None:
    box = np.array([person(300)[:4], person(340)[:4]])
    track = make_track(np.array([10, 14]), box, np.ones(2))
    frame, filled = fill_boxes(track, 40, max_gap=10, hold=3, window=1)
    assert frame.tolist() == list(range(7, 18))
    middle = (filled[:, 0] + filled[:, 2]) / 2
    np.testing.assert_allclose(middle, [300] * 4 + [310, 320, 330] + [340] * 4)


def test_a_jump_of_the_box_is_not_interpolated() -> None:
    box = np.array([person(100)[:4]] * 5 + [person(500)[:4]] * 5)
    seen, filled = fill_boxes(
        make_track(np.arange(10), box, np.ones(10)), 10, max_gap=10, hold=2, window=5
    )
    assert seen.tolist() == list(range(10))
    np.testing.assert_allclose(filled, box)


def test_nothing_is_interpolated_or_held_over_a_cut() -> None:
    frame = np.array([5, 6, 7, 12, 13, 14])
    box = np.array([person(300)[:4]] * 3 + [person(340)[:4]] * 3)
    track = make_track(frame, box, np.ones(6))
    seen, filled = fill_boxes(track, 20, max_gap=10, hold=4, window=1, cuts=[9])
    assert seen.tolist() == list(range(1, 19))
    middle = (filled[:, 0] + filled[:, 2]) / 2
    np.testing.assert_allclose(middle, [300] * 8 + [340] * 10)


def standing(x: float, first: int, last: int, height: float = 200) -> Track:
    at = np.arange(first, last)
    return make_track(at, np.array([person(x, height)[:4]] * len(at)), np.ones(len(at)))


def join(*tracks: Track, cuts: list[int] | None = None) -> list[list[int]]:
    """First and last frames of the joined tracks."""
    found = link_tracks(list(tracks), SIZE, max_gap=10, cuts=cuts or [])
    return sorted([int(track.frame[0]), int(track.frame[-1])] for track in found)


def test_a_lifter_lost_at_the_bottom_and_found_upright_is_one_person() -> None:
    """And not one who is usually much taller, or who stands elsewhere."""

    def lifter(x: float, heights: list[float], first: int) -> Track:
        feet = 350.0
        box = np.array([[x - 40, feet - height, x + 40, feet] for height in heights])
        return make_track(np.arange(first, first + len(heights)), box, np.ones(len(heights)))

    down, upright = [200.0] * 20 + [150, 110, 100], [200.0] * 20
    assert join(lifter(300, down, 0), lifter(310, upright, 60)) == [[0, 79]]
    assert len(join(lifter(300, down, 0), lifter(310, [310.0] * 20, 60))) == 2
    assert len(join(lifter(300, down, 0), lifter(380, upright, 60))) == 2


@pytest.mark.parametrize(
    "tracks",
    [  # who left as tall, or on the same side, returns
        (standing(607, 0, 10), standing(620, 5, 20, 150), standing(607, 30, 40, 195)),
        (standing(33, 0, 10), standing(607, 5, 20), standing(35, 30, 40)),
    ],
)
def test_of_two_who_left_the_likelier_one_returns(tracks: tuple[Track, ...]) -> None:
    assert join(*tracks) == [[0, 39], [5, 19]]


def test_two_alike_who_left_together_leave_it_open_who_returns() -> None:
    way = np.linspace(400, 609, 12)
    walks = make_track(np.arange(12), np.array([person(x)[:4] for x in way]), np.ones(12))
    assert join(standing(607, 0, 10), walks, standing(608, 30, 40)) == [[0, 9], [0, 11], [30, 39]]


def test_a_flash_that_looks_like_a_cut_parts_nobody() -> None:
    pair = standing(200, 0, 10), standing(400, 0, 10)
    again = standing(201, 11, 20), standing(401, 11, 20)
    assert join(*pair, *again, cuts=[10]) == [[0, 19], [0, 19]]


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


def test_iou_known_answers() -> None:
    a = np.array([0, 0, 10, 10.0])
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [2, 2, 4, 4.0]])
    np.testing.assert_allclose(boxes.iou(a, b), [1, 50 / 150, 0, 4 / 100])
    np.testing.assert_allclose(boxes.pairwise_iou(a[None], b)[0], boxes.iou(a, b))


def test_around_joints_adds_the_margin_and_leaves_out_weak_joints() -> None:
    xy = np.array([[[10, 10], [30, 10], [20, 50], [400, 400]]], float)
    score = np.array([[0.9, 0.9, 0.9, 0.1]])
    np.testing.assert_allclose(boxes.around_joints(xy, score, 0.3, margin=0.1), [[6, 6, 34, 54]])
    assert np.isnan(boxes.around_joints(xy, score * 0.1, 0.3)).all()


def test_steady_follows_someone_who_runs_by() -> None:
    shift = 8.0 * np.arange(40)
    track = np.stack([shift, np.zeros(40), shift + 40, np.full(40, 100.0)], axis=1)
    np.testing.assert_allclose(boxes.steady(track, 9)[10:-10], track[10:-10])


def test_steady_keeps_room_for_a_raised_arm() -> None:
    track = np.tile([0, 50, 40, 150.0], (60, 1))
    track[20:40, 1] = 0  # the arm goes up, and down again
    height = boxes.steady(track, 9)[:, 3] - boxes.steady(track, 9)[:, 1]
    assert height[17] > 120  # before it is up
    assert np.abs(np.diff(height)).max() < 10
    assert height[0] == pytest.approx(100)
    assert height[30] == pytest.approx(150)
