"""In which view a clip is compared, and what is unknown where several views are as near."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.confidence import DOUBTFUL, Certainty
from la2ds_cli.alignment.match import UNCLEAR, doubted, with_rivals
from la2ds_cli.alignment.result import Match
from la2ds_cli.alignment.viewpoint import (
    MARGIN,
    RIVAL,
    ViewChoice,
    choose_view,
    unclear_view,
)
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements, possible_views
from tests.compare.performers import body, performance
from tests.movement import warped_phase

NAN = np.nan
A = np.cumsum(np.random.default_rng(0).normal(size=(30, 3)), axis=0)


def at(squared: float) -> FloatArray:
    """A clip at this squared distance from A, frame by frame."""
    return A + np.array([np.sqrt(squared), 0, 0])


def chosen(a: PoseSequence, b: PoseSequence) -> ViewChoice:
    return choose_view(paced_movement(a), movements(b, possible_views(b, a), a))


# --- the nearest view -----------------------------------------------------------------------------


def test_the_view_as_filmed_has_the_advantage() -> None:
    for view in VIEWS[1:]:
        for share, expected in ((MARGIN[view] + 0.02, "filmed"), (MARGIN[view] - 0.02, view)):
            views: dict[View, FloatArray] = {"filmed": at(1e-4), view: at(share * 1e-4)}
            assert choose_view(A, views).view == expected, view


def test_equally_near_views_are_as_filmed() -> None:
    found = choose_view(A, dict.fromkeys(VIEWS, at(1e-4)))
    assert found == ViewChoice("filmed", ("other", "turned", "mirrored"))  # by their margins
    assert choose_view(A, {"filmed": at(1.0)}) == ViewChoice()


def test_rivals_are_about_as_near_the_nearest_first() -> None:
    unit = 1e-4
    views: dict[View, FloatArray] = {
        "filmed": at(unit),
        "mirrored": at((RIVAL - 0.1) * MARGIN["mirrored"] * unit),
        "other": at((RIVAL + 0.1) * MARGIN["other"] * unit),
        "turned": at((RIVAL - 0.2) * MARGIN["turned"] * unit),
    }
    assert choose_view(A, views) == ViewChoice("filmed", ("turned", "mirrored"))


def test_the_nearer_view_is_that_of_the_lower_mean_whatever_the_length_of_its_path() -> None:
    a = 10.0 * np.arange(10)[:, None]
    short, long = a + 1, np.repeat(a + 0.8, 2, axis=0)  # sums 10 and 12.8
    assert choose_view(a, {"filmed": short, "other": long}).view == "other"


def test_open_ends_do_not_favour_the_view_that_leaves_out_more() -> None:
    moment = np.arange(3.0)
    a = np.concatenate([moment, np.linspace(1000, 1016, 17)])[:, None]
    # Ends with what A begins with: with open ends these frames alone match, at no distance.
    far = np.concatenate([np.linspace(-1016, -1000, 17), moment])[:, None]
    assert choose_view(a, {"filmed": a + 0.2, "other": far}) == ViewChoice()


SIDE = 1.3  # radians from the front


@pytest.mark.parametrize(
    ("azimuth", "mirrored", "deep", "view"),
    [
        (SIDE, False, False, "filmed"),
        (SIDE - 0.35, False, False, "filmed"),
        (-SIDE, False, False, "other"),
        (-SIDE, True, False, "mirrored"),
        (-SIDE, False, True, "turned"),
    ],
)
def test_which_view_of_a_performer_is_compared(
    azimuth: float, mirrored: bool, deep: bool, view: View
) -> None:
    """mirrored: the mirror image of the same side."""
    a_how: dict[str, Any] = {"azimuth": SIDE, "noise": 1, "deep": deep}
    a = performance(warped_phase(70, 1), **a_how)
    b_how: dict[str, Any] = {"style": 8, "build": body(4), "noise": 1, "seed": 2, "deep": deep}
    b = performance(warped_phase(90, 2), azimuth=SIDE if mirrored else azimuth, **b_how)
    assert chosen(a, mirror(b) if mirrored else b).view == view


# --- what is said ---------------------------------------------------------------------------------


def test_an_unclear_view_is_said_with_the_options() -> None:
    assert unclear_view("ben", "filmed", ()) == ""
    assert unclear_view("ben", "other", ("filmed", "mirrored")) == (
        "no match is sure, since ben may have to be compared as seen from the other side, as "
        "filmed or as the mirrored person (left and right exchanged): --view other or --view "
        "filmed or --view mirrored says which"
    )


# --- rivals that find other moments ---------------------------------------------------------------


def match(position: list[float], *, view: View = "filmed", around: float = 1.0) -> Match:
    place = np.array(position)
    sure = Certainty(np.where(np.isnan(place), 0, 0.95), place - around, place + around)
    empty = np.zeros((len(place), 1))
    return Match(empty, empty, np.zeros((0, 2), int), place, sure, view=view)


def test_where_another_match_finds_another_moment_the_interval_holds_both() -> None:
    found = doubted(match([0, 10, 20, 30, NAN]), np.array([2, 16, 11, NAN, 40]), 5).certainty
    np.testing.assert_array_equal(found.low, [-1, 9, 11, 29, NAN])
    np.testing.assert_array_equal(found.high, [1, 16, 21, 31, NAN])
    np.testing.assert_allclose(found.confidence, [0.95, DOUBTFUL, DOUBTFUL, 0.95, 0])


def test_a_doubt_does_not_raise_a_confidence() -> None:
    unsure = match([10.0])
    unsure.certainty.confidence[:] = 0.2
    assert doubted(unsure, np.array([30.0]), 5).certainty.confidence[0] == pytest.approx(0.2)


def test_a_rival_that_finds_other_moments_in_a_good_part_leaves_nothing_sure() -> None:
    count = 20
    place = np.arange(count) * 10.0
    for apart in range(count + 1):
        other = place + 9.0 * (np.arange(count) < apart)
        found = with_rivals(match(list(place)), {"other": other}, 5)
        unclear = apart >= max(UNCLEAR * count, 1)
        assert found.unclear == (("other",) if unclear else ())
        sure = count - apart if not unclear else 0
        assert (found.certainty.confidence > DOUBTFUL).sum() == sure
        assert (found.certainty.high - found.certainty.low > 2.5).sum() == apart


def test_rivals_that_find_the_same_moments_change_nothing() -> None:
    own = match([0, 10, 20, NAN])
    same: dict[View, np.ndarray] = dict.fromkeys(("other", "mirrored"), np.array([1.0, 12, 18, 40]))
    found = with_rivals(own, same, 5)
    assert found.unclear == ()
    np.testing.assert_allclose(found.certainty.confidence, own.certainty.confidence)
    assert with_rivals(own, {}, 5) is own
