from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.poses import identity
from la2ds_cli.poses.identity import correct_identities
from la2ds_cli.poses.tracks import Track, make_track, select_rows
from tests.poses.simulated_people import COCO, exchanged, shown_as, walker

LENGTH = 90
RIGHT = 100 + 4.0 * np.arange(LENGTH)  # walks right, 0.6 heights a second
LEFT = 100 + 4.0 * np.arange(LENGTH)[::-1]


def centre(track: Track) -> np.ndarray:
    return track.box[:, [0, 2]].mean(axis=1)


def noisy(track: Track, seed: int) -> Track:
    rng = np.random.default_rng(seed)
    height = track.box[0, 3] - track.box[0, 1]
    box = track.box + rng.normal(0, 0.015 * height, track.box.shape)
    xy = track.xy + rng.normal(0, 0.015 * height, track.xy.shape)
    return Track(track.frame, box, track.score, xy, track.joint_score)


def assert_same(found: Track, true: Track) -> None:
    """Every row shows the pose of the true person, to a tenth of a height."""
    at = np.searchsorted(true.frame, found.frame)
    assert np.array_equal(true.frame[at], found.frame)
    assert np.abs(found.xy - true.xy[at]).max() < 20


@pytest.mark.parametrize("seed", range(5))
def test_two_people_who_cross_and_were_exchanged_are_put_right(seed: int) -> None:
    people = walker(RIGHT), walker(LEFT, phase=1.5)
    wrong = exchanged(noisy(people[0], seed), noisy(people[1], seed + 9), 45)
    assert np.abs(np.diff(centre(wrong[0]), n=2)).sum() > 0
    found, mended = correct_identities(wrong, COCO)
    assert mended == 1
    for track, true in zip(found, people, strict=True):
        assert_same(track, true)


@pytest.mark.parametrize("seed", range(5))
def test_two_people_who_cross_and_were_followed_are_left_alone(seed: int) -> None:
    people = [noisy(walker(RIGHT), seed), noisy(walker(LEFT, phase=1.5), seed + 9)]
    found, mended = correct_identities(people, COCO)
    assert mended == 0
    for track, true in zip(found, people, strict=True):
        assert_same(track, true)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_two_people_in_a_few_frames_are_left_alone(length: int) -> None:
    people = [walker(RIGHT[:length]), walker(RIGHT[:length] + 30)]
    found, mended = correct_identities(people, COCO)
    assert mended == 0
    for track, true in zip(found, people, strict=True):
        np.testing.assert_allclose(track.xy, true.xy)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("copied", [False, True])
def test_somebody_hidden_for_half_a_second_comes_out_as_themselves(
    swapped: bool, copied: bool
) -> None:
    """The one who walks left is behind the other for 15 frames: without a row there, or with the
    pose of the one in front."""
    front, behind = walker(RIGHT, 210), walker(LEFT, 200)
    hidden = np.arange(37, 53)
    seen = shown_as(behind, front, hidden) if copied else behind
    pair = exchanged(front, seen, 45) if swapped else (front, seen)
    if not copied:
        # Until they meet, and after, each has rows; between only the one in front.
        gone = np.isin(behind.frame, hidden)
        front_row = [t.frame < 45 for t in pair] if swapped else [np.ones(LENGTH, bool)] * 2
        keep = (~gone | front_row[0], ~gone | ~front_row[1]) if swapped else (~gone | True, ~gone)
        pair = tuple(select_rows(t, k) for t, k in zip(pair, keep, strict=True))
    found, mended = correct_identities(pair, COCO)
    assert mended == int(swapped)
    assert len(found) == 2
    for track, true in zip(found, (front, behind), strict=True):
        clear = select_rows(track, ~np.isin(track.frame, hidden))
        assert len(clear) == LENGTH - len(hidden)
        assert_same(clear, true)


def test_pieces_of_a_long_film_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [noisy(walker(RIGHT), 3), noisy(walker(LEFT, phase=1.5), 4)]
    wrong = exchanged(people[0], people[1], 45)
    whole, mended = correct_identities(wrong, COCO)
    monkeypatch.setattr(identity, "_PIECE", 7)
    pieces, also_mended = correct_identities(wrong, COCO)
    assert mended == also_mended == 1
    for track, same in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(track.xy, same.xy)


def test_two_people_exchanged_in_full_view_are_put_right() -> None:
    """They stand side by side, boxes overlapping a little; the identities jump twice."""
    people = walker(np.full(60, 300.0)), walker(np.full(60, 350.0), phase=2)
    wrong = exchanged(*exchanged(*people, 20), 40)
    found, mended = correct_identities(wrong, COCO)
    assert mended == 2
    for track, true in zip(found, people, strict=True):
        assert_same(track, true)


def test_who_only_passes_near_is_not_exchanged() -> None:
    passer, standing = walker(RIGHT, y=240), walker(np.full(LENGTH, 280.0), 150, y=330)
    found, mended = correct_identities([passer, standing], COCO)
    assert mended == 0
    for track, true in zip(found, (passer, standing), strict=True):
        assert_same(track, true)


def test_two_who_meet_and_turn_back_are_not_exchanged() -> None:
    """Fencers: they come to arm's length and go back, as alike as can be."""
    way = np.concatenate([np.arange(45), np.arange(45)[::-1]]) * 3.0
    people = walker(120 + way), walker(450 - way)
    assert correct_identities(people, COCO)[1] == 0


def test_who_walks_on_after_a_long_embrace_is_left_to_the_detector() -> None:
    """Three seconds in one place: where they were heading before says nothing any more."""
    stay = np.full(90, 300.0)
    people = (
        walker(np.concatenate([300 - 4.0 * np.arange(30)[::-1], stay, 300 - 4.0 * np.arange(30)])),
        walker(np.concatenate([300 + 4.0 * np.arange(30)[::-1], stay, 300 + 4.0 * np.arange(30)])),
    )
    assert correct_identities(people, COCO)[1] == 0


def test_three_people_exchanged_one_after_the_other() -> None:
    people = [
        walker(RIGHT),
        walker(np.full(LENGTH, 200.0), phase=1),
        walker(np.full(LENGTH, 350.0)),
    ]
    first, second = exchanged(people[0], people[1], 25)
    wrong = [first, *exchanged(second, people[2], 62)]  # the second slot has the walker by then
    found, mended = correct_identities(wrong, COCO)
    assert mended == 2
    for track, true in zip(found, people, strict=True):
        assert_same(track, true)


def test_two_tracks_on_one_person_become_one() -> None:
    """The worse one, with lower scores, still saw the person ten frames longer."""
    whole = walker(np.linspace(200, 300, 60))
    worse = Track(whole.frame, whole.box + 2, whole.score, whole.xy + 1.0, whole.joint_score / 2)
    better = select_rows(whole, whole.frame < 50)
    found, mended = correct_identities([worse, better], COCO)
    assert mended == 0
    (track,) = found
    assert track.frame.tolist() == list(range(60))
    np.testing.assert_allclose(track.joint_score[:50], whole.joint_score[:50], rtol=1e-6)


def test_the_pose_of_the_other_is_taken_from_a_hidden_person() -> None:
    """A walker passes in front of somebody smaller who stands: for a third of a second both
    tracks show the walker."""
    front, behind = walker(RIGHT, 240), walker(np.full(LENGTH, 280.0), 150)
    copied = np.arange(40, 51)
    found, mended = correct_identities([front, shown_as(behind, front, copied)], COCO)
    assert mended == 0
    assert found[0].frame.tolist() == list(range(LENGTH))
    assert found[1].frame.tolist() == [t for t in range(LENGTH) if t not in copied]


def test_one_person_or_nobody_is_left_as_it_is() -> None:
    alone = walker(RIGHT)
    assert correct_identities([], COCO) == ([], 0)
    assert correct_identities([alone], COCO) == ([alone], 0)
    with pytest.raises(ValueError, match="no joints"):
        correct_identities([make_track(alone.frame, alone.box, alone.score)], COCO)


def test_people_of_different_times_are_left_alone() -> None:
    people = [walker(RIGHT), walker(LEFT, start=200)]
    found, mended = correct_identities(people, COCO)
    assert mended == 0
    assert [len(track) for track in found] == [LENGTH, LENGTH]


def test_joints_in_metres_go_with_the_person() -> None:
    a, b = (
        replace(walker(x, phase=phase), world=np.full((LENGTH, 17, 3), depth))
        for x, phase, depth in ((RIGHT, 0.0, 1.0), (LEFT, 1.5, 2.0))
    )
    found, mended = correct_identities(exchanged(a, b, 45), COCO)
    assert mended == 1
    for track, depth in zip(found, (1.0, 2.0), strict=True):
        np.testing.assert_array_equal(track.world, np.full((LENGTH, 17, 3), depth))
