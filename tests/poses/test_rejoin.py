from __future__ import annotations

import numpy as np

from la2ds_cli.poses.tracking import link_detections, link_tracks
from la2ds_cli.poses.tracks import Track, make_track
from tests.poses.simulated_people import SIZE, frames, person

SETTINGS = {"threshold": 0.3, "max_gap": 10, "size": SIZE}


def standing(x: float, first: int, last: int, height: float = 200) -> Track:
    at = np.arange(first, last)
    return make_track(at, np.array([person(x, height)[:4]] * len(at)), np.ones(len(at)))


def join(*tracks: Track, cuts: list[int] | None = None) -> list[list[int]]:
    """First and last frames of the joined tracks."""
    found = link_tracks(list(tracks), SIZE, max_gap=10, cuts=cuts or [])
    return sorted([int(track.frame[0]), int(track.frame[-1])] for track in found)


def test_leave_and_return_is_one_person() -> None:
    """Out over the right border, back half a clip later: one track with a hole."""
    rows = [[person(500 + 8 * t)] for t in range(15)]
    rows += [[] for _ in range(40)]
    rows += [[person(612 - 8 * t)] for t in range(15)]
    (track,) = link_detections(frames(*rows), **SETTINGS)
    assert track.frame.tolist() == [*range(15), *range(55, 70)]


def test_someone_else_elsewhere_is_another_person() -> None:
    assert join(standing(150, 0, 10), standing(450, 30, 40)) == [[0, 9], [30, 39]]


def test_of_two_who_left_the_one_of_the_same_height_returns() -> None:
    tall, small = standing(607, 0, 10), standing(620, 5, 20, height=150)
    assert join(tall, small, standing(607, 30, 40, height=195)) == [[0, 39], [5, 19]]


def test_who_left_on_the_same_side_comes_before_who_left_on_the_other() -> None:
    left, right = standing(33, 0, 10), standing(607, 5, 20)
    assert join(left, right, standing(35, 30, 40)) == [[0, 39], [5, 19]]


def test_two_alike_who_left_together_leave_it_open_who_returns() -> None:
    way = np.linspace(400, 609, 12)
    walks = make_track(np.arange(12), np.array([person(x)[:4] for x in way]), np.ones(12))
    assert join(standing(607, 0, 10), walks, standing(608, 30, 40)) == [[0, 9], [0, 11], [30, 39]]


def test_over_a_cut_the_same_place_says_nothing() -> None:
    before, after = standing(300, 0, 10), standing(325, 12, 20)
    assert join(before, after) == [[0, 19]]
    assert join(before, after, cuts=[11]) == [[0, 9], [12, 19]]


def test_a_flash_that_looks_like_a_cut_parts_nobody() -> None:
    pair = standing(200, 0, 10), standing(400, 0, 10)
    again = standing(201, 11, 20), standing(401, 11, 20)
    assert join(*pair, *again, cuts=[10]) == [[0, 19], [0, 19]]
