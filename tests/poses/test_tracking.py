from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.tracking import (
    Track,
    choose_subject,
    contenders,
    fill_boxes,
    follow_cuts,
    link,
    make_track,
    with_joints,
)

SIZE = (640, 480)
SETTINGS = {"threshold": 0.3, "max_gap": 10, "size": SIZE}


def person(x: float, height: float = 200, score: float = 0.9, y: float = 240) -> list[float]:
    """A detection of width height / 3 centred on (x, y)."""
    return [x - height / 6, y - height / 2, x + height / 6, y + height / 2, score]


def frames(*rows: list[list[float]]) -> list[np.ndarray]:
    return [np.array(row, np.float32).reshape(-1, 5) for row in rows]


def moving(x: float, height: float, count: int, sway: float, start: int = 0) -> Track:
    """A track whose joints sway by `sway` heights."""
    at = np.arange(start, start + count)
    box = np.array([person(x, height)[:4]] * count)
    xy = np.tile([x, 240.0], (count, 3, 1))
    xy[:, :, 0] += sway * height * np.sin(at / 3)[:, None]
    return with_joints(make_track(at, box, np.full(count, 0.9)), xy, np.full((count, 3), 0.8))


def test_two_people_give_two_tracks() -> None:
    found = link(frames(*[[person(100 + t), person(500 - t)] for t in range(20)]), **SETTINGS)
    assert sorted(len(track) for track in found) == [20, 20]
    centre = [track.box[:, [0, 2]].mean(axis=1) for track in found]
    assert all(np.abs(np.diff(c)).max() < 2 for c in centre)


def test_a_gap_is_bridged() -> None:
    rows = [[person(300)] if t not in (5, 6, 7) else [] for t in range(20)]
    (track,) = link(frames(*rows), **SETTINGS)
    assert track.frame.tolist() == [t for t in range(20) if t not in (5, 6, 7)]


def test_a_weak_detection_continues_a_track_and_starts_none() -> None:
    rows = [[person(300), person(100, score=0.2)] for _ in range(5)]
    rows += [[person(300, score=0.2)] for _ in range(5)]
    (track,) = link(frames(*rows), **SETTINGS)
    assert len(track) == 10


def test_a_whole_body_wins_over_a_part_of_it() -> None:
    part = [270, 240, 330, 340, 0.5]
    rows = [[person(300)]] + [[part, person(300)] for _ in range(5)]
    found = max(link(frames(*rows), **SETTINGS), key=len)
    assert len(found) == 6
    assert np.ptp(found.box[:, 3] - found.box[:, 1]) == 0


def test_leave_and_return_is_one_person() -> None:
    """Out over the right border, back half a clip later: one track with a hole."""
    rows = [[person(500 + 8 * t)] for t in range(15)]
    rows += [[] for _ in range(40)]
    rows += [[person(612 - 8 * t)] for t in range(15)]
    (track,) = link(frames(*rows), **SETTINGS)
    assert track.frame.tolist() == [*range(15), *range(55, 70)]


def test_someone_else_elsewhere_is_another_person() -> None:
    rows = [[person(150)] for _ in range(10)] + [[] for _ in range(20)]
    rows += [[person(450)] for _ in range(10)]
    assert len(link(frames(*rows), **SETTINGS)) == 2


def test_nobody_gives_no_tracks() -> None:
    assert link(frames([], [], [person(100, score=0.1)]), **SETTINGS) == []


def test_a_larger_bystander_for_a_fifth_of_the_clip_is_not_the_subject() -> None:
    subject, bystander = moving(320, 200, 100, 0.1), moving(480, 300, 20, 0.0, start=40)
    choice = choose_subject([bystander, subject], SIZE, 100)
    assert choice.index == 1
    assert choice.margin > 0.5
    assert not choice.ambiguous


def test_the_score_is_the_product_of_its_factors() -> None:
    """In the middle, half of the frames, the only mover: every factor is known."""
    track = moving(320, 240, 50, 0.1)
    expected = np.sqrt(80 * 240 / (640 * 480)) * 0.5 * 1.0 * 1.0 * 0.8
    assert choose_subject([track], SIZE, 100).score[0] == pytest.approx(expected)


def test_two_equal_people_are_ambiguous() -> None:
    choice = choose_subject([moving(220, 200, 50, 0.1), moving(420, 200, 50, 0.1)], SIZE, 50)
    assert choice.margin == pytest.approx(0, abs=1e-6)
    assert choice.ambiguous


def test_of_two_alike_the_one_who_moves_is_the_subject() -> None:
    choice = choose_subject([moving(220, 200, 50, 0.0), moving(420, 200, 50, 0.2)], SIZE, 50)
    assert choice.index == 1
    assert choice.margin == pytest.approx(0.5, abs=0.02)


def test_of_two_alike_the_one_in_the_middle_is_the_subject() -> None:
    choice = choose_subject([moving(60, 200, 50, 0.1), moving(320, 200, 50, 0.1)], SIZE, 50)
    assert choice.index == 1


def test_a_part_of_the_subject_is_no_rival() -> None:
    whole = moving(320, 300, 50, 0.1)
    upper = make_track(whole.frame, whole.box * [1, 1, 1, 0] + [5, 0, -5, 250], whole.score)
    larger = make_track(whole.frame, whole.box + np.array([-150, -20, 20, 20]), whole.score / 2)
    choice = choose_subject([whole, upper, larger], SIZE, 50)
    assert choice.index == 0
    assert choice.margin == 1
    assert contenders(choice, [whole, upper, larger], share=0.1, most=3) == [0]


def test_one_person_alone_is_certain() -> None:
    assert choose_subject([moving(320, 200, 50, 0.1)], SIZE, 50).margin == 1
    with pytest.raises(ValueError, match="no tracks"):
        choose_subject([], SIZE, 50)


def test_contenders_are_sorted_and_few() -> None:
    tracks = [moving(60 + 120 * i, 100 + 20 * i, 50, 0.1) for i in range(5)]
    choice = choose_subject(tracks, SIZE, 50)
    picked = contenders(choice, tracks, share=0.35, most=3)
    assert len(picked) == 3
    assert picked[0] == choice.index
    assert np.all(np.diff(choice.score[picked]) <= 0)


def test_a_cut_to_another_view_goes_on_with_the_same_person() -> None:
    front, side = moving(320, 200, 40, 0.1), moving(200, 320, 30, 0.1, start=40)
    joined, pieces = follow_cuts(0, [front, side], least=9)
    assert pieces == 1
    assert joined.frame.tolist() == list(range(70))


def test_after_a_cut_to_two_people_neither_is_taken() -> None:
    subject = moving(320, 200, 40, 0.1)
    others = [moving(150, 200, 30, 0.1, start=40), moving(500, 200, 30, 0.1, start=40)]
    joined, pieces = follow_cuts(0, [subject, *others], least=9)
    assert pieces == 0
    assert len(joined) == 40


def test_a_bystander_beside_the_subject_is_not_joined() -> None:
    joined, pieces = follow_cuts(
        0, [moving(320, 200, 40, 0.1), moving(500, 200, 38, 0.1, start=4)], least=9
    )
    assert (pieces, len(joined)) == (0, 40)


def test_gaps_are_filled_in_a_straight_line_and_ends_are_held() -> None:
    box = np.array([person(300)[:4], person(340)[:4]])
    track = make_track(np.array([10, 14]), box, np.ones(2))
    frame, filled = fill_boxes(track, 40, max_gap=10, hold=3, window=1)
    assert frame.tolist() == list(range(7, 18))
    middle = (filled[:, 0] + filled[:, 2]) / 2
    np.testing.assert_allclose(middle, [300] * 4 + [310, 320, 330] + [340] * 4)


def test_long_absences_stay_open() -> None:
    frame = np.array([*range(10), *range(60, 70)])
    track = make_track(frame, np.array([person(300)[:4]] * 20), np.ones(20))
    seen, _ = fill_boxes(track, 70, max_gap=10, hold=2, window=3)
    assert seen.tolist() == [*range(12), *range(58, 70)]


def test_a_jump_of_the_box_is_not_bridged() -> None:
    box = np.array([person(100)[:4]] * 5 + [person(500)[:4]] * 5)
    seen, filled = fill_boxes(
        make_track(np.arange(10), box, np.ones(10)), 10, max_gap=10, hold=2, window=5
    )
    assert seen.tolist() == list(range(10))
    np.testing.assert_allclose(filled, box)
