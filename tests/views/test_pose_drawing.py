from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.types import PoseSequence
from la2ds_cli.views.film_strip import draw_pose, label, nobody, other_people, write_text
from tests.movement import pose_of

W, H = 240, 160


def sequence(**changes) -> PoseSequence:
    """One frame: left joints on the right of the picture, as of a person who faces it."""
    xy = np.zeros((1, 17, 2))
    xy[0, :, 0] = np.where(np.arange(17) % 2 == 1, 150, 50)
    xy[0, :, 1] = 20 + 8 * np.arange(17)
    box, at = np.array([[40, 10, 160, 155]]), {"frame": np.array([7]), "time": np.array([0.28])}
    return replace(pose_of(xy, fps=25, size=(W, H), skeleton="coco17", box=box, **at), **changes)


def blank() -> np.ndarray:
    return np.zeros((H, W, 3), np.uint8)


def ankle(image: np.ndarray, pose: PoseSequence) -> np.ndarray:
    return image[int(pose.xy[0, 15, 1]), int(pose.xy[0, 15, 0])]


def test_sides_have_their_colours() -> None:
    image = draw_pose(blank(), sequence(), 0)
    left, right = image[80:150, 145:156].reshape(-1, 3), image[80:150, 45:56].reshape(-1, 3)
    assert left[:, 0].max() > 200 > left[:, 2].max()  # orange
    assert right[:, 2].max() > 200 > right[:, 0].max()  # blue


def test_nothing_is_drawn_for_nobody() -> None:
    missing = sequence(xy=np.full((1, 17, 2), np.nan), box=np.full((1, 4), np.nan))
    assert nobody(missing, 0)
    assert not draw_pose(blank(), missing, 0).any()
    assert not nobody(sequence(), 0)


def test_joints_darken_with_doubt() -> None:
    trust = np.ones((1, 17))
    sure, doubt = sequence(), sequence(score=np.full((1, 17), 0.2), trust=trust)
    bright = ankle(draw_pose(blank(), sure, 0), sure)
    dark = ankle(draw_pose(blank(), doubt, 0), doubt)
    assert int(dark.max()) == pytest.approx(0.2 * int(bright.max()), abs=2)


@pytest.mark.parametrize(("doubted", "value"), [("score", 0), ("trust", 0.6)])
def test_joints_that_are_interpolated_or_not_trusted_are_hollow(doubted: str, value: float) -> None:
    """A ring in the colour of the side, empty in the middle; the joint beside it stays full."""
    xy, known = np.full((1, 17, 2), np.nan), np.ones((1, 17))
    xy[0, 9], xy[0, 10] = [150, 80], [50, 80]  # the wrists, without limbs
    known[0, 9] = value
    pose = sequence(xy=xy, box=np.full((1, 4), np.nan), **{doubted: known})
    image = draw_pose(blank(), pose, 0, thick=3)
    assert not image[80, 150].any()
    ring = image[74:87, 144:157].reshape(-1, 3)
    assert ring[:, 0].max() > 200
    assert image[80, 50, 2] == 255


def test_scale_and_corner_place_the_drawing() -> None:
    """A part of the picture, twice as large: joint (50, 148) at ((50 - 30 + 0.5) 2 - 0.5, ...)."""
    xy = np.full((1, 17, 2), np.nan)
    xy[0, 16] = [50, 148]
    pose = sequence(xy=xy, box=np.full((1, 4), np.nan))
    image = draw_pose(np.zeros((80, 80, 3), np.uint8), pose, 0, 2.0, (30.0, 130.0), thick=1)
    y, x = np.nonzero(image.any(axis=2))
    assert (round(x.mean()), round(y.mean())) == (40, 36)


def test_joints_far_outside_the_picture_do_no_harm() -> None:
    xy = sequence().xy.copy()
    xy[0, 15] = [1e7, -1e7]
    assert draw_pose(blank(), sequence(xy=xy), 0).any()


def test_other_people_are_grey_where_they_are() -> None:
    """The second of three is shown; the third has left."""
    people = [
        {"box": [10, 10, 30, 100], "first": 0, "last": 9},
        {"box": [40, 10, 160, 155], "first": 0, "last": 9},
        {"box": [200, 10, 230, 100], "first": 5, "last": 9},
    ]
    pose = sequence(
        info={"candidates": people, "person": 2},
        xy=np.full((1, 17, 2), np.nan),
        box=np.full((1, 4), np.nan),
    )
    assert [box.tolist() for box in other_people(pose, 0)] == [[10, 10, 30, 100]]
    assert len(other_people(pose, 5)) == 2
    image = draw_pose(blank(), pose, 0)
    assert len(set(image[50, 10].tolist())) == 1  # grey
    assert image[50, 10, 0] > 100
    assert not image[:, 35:].any()


def test_the_label_says_when_and_whether() -> None:
    """Red for a frame without the subject."""
    some, none = label(blank(), sequence(), 0), blank()
    missing = sequence(xy=np.full((1, 17, 2), np.nan))
    label(none, missing, 0)
    assert some[140:].any()
    assert (some[..., 0] == some[..., 2]).all()
    assert none[..., 0].max() > 150 > none[..., 2].max()


def written(text: str, anchor: str = "lm", at: float = 150, high: int = 40) -> np.ndarray:
    image = np.zeros((high, 300, 3), np.uint8)
    write_text(image, text, (at, high / 2), 20, (200, 100, 10), anchor)
    return image


@pytest.mark.parametrize("text", ["ä", "ß", "я", "λ", "…", "×"])
def test_letters_of_other_scripts_are_drawn_and_not_replaced(text: str) -> None:
    assert written(text).any()
    assert not any(np.array_equal(written(text), written(other)) for other in "?□ae\ufffd")


@pytest.mark.parametrize(("anchor", "low", "high"), [("lm", 150, 300), ("rm", 0, 150)])
def test_a_text_begins_or_ends_at_its_place_in_its_colour(anchor: str, low: int, high: int) -> None:
    image = written("words", anchor)
    columns = np.flatnonzero(image.any(axis=(0, 2)))
    assert low <= columns[0]
    assert columns[-1] <= high
    assert tuple(image.max(axis=(0, 1))) == (200, 100, 10)
    assert written("mmmmmm", at=-8, high=10).any()  # what does not fit is cut off
    assert not written("mm", at=400).any()
