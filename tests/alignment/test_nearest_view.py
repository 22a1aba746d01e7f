"""In which view a clip is compared, and which others are about as near."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.clip_features import PosedClip, movement_features
from la2ds_cli.alignment.nearest_view import (
    MARGIN,
    RIVAL,
    ViewChoice,
    choose_view,
    nearest_views,
    unclear_view_sentence,
)
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.camera_views import movements, possible_views
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.tempo import paced_movement
from tests.compare.performers import body, performance
from tests.movement import warped_phase

A = np.cumsum(np.random.default_rng(0).normal(size=(30, 3)), axis=0)


def at(squared: float) -> FloatArray:
    """A clip at this squared distance from A, frame by frame."""
    return A + np.array([np.sqrt(squared), 0, 0])


def chosen(a: PoseSequence, b: PoseSequence) -> ViewChoice:
    """By their poses; the movements of all views, computed one by one, say the same."""
    found = choose_view(PosedClip(a), b, movement_features())
    assert found == nearest(paced_movement(a), movements(b, possible_views(b, a), a))
    return found


def nearest(a: FloatArray, views: Mapping[View, FloatArray]) -> ViewChoice:
    """Of one clip; beside others its view is the same."""
    (found,) = nearest_views(a, [views])
    other: Mapping[View, FloatArray] = {"filmed": a[::-1], "mirrored": a}
    assert nearest_views(a, [other, views, other])[1] == found
    return found


# --- the nearest view -----------------------------------------------------------------------------


def test_the_view_as_filmed_has_the_advantage() -> None:
    for view in VIEWS[1:]:
        for share, expected in ((MARGIN[view] + 0.02, "filmed"), (MARGIN[view] - 0.02, view)):
            views: dict[View, FloatArray] = {"filmed": at(1e-4), view: at(share * 1e-4)}
            assert nearest(A, views).view == expected, view


def test_equally_near_views_are_as_filmed() -> None:
    found = nearest(A, dict.fromkeys(VIEWS, at(1e-4)))
    assert found == ViewChoice("filmed", ("other", "turned", "mirrored"))  # by their margins
    assert nearest(A, {"filmed": at(1.0)}) == ViewChoice()


def test_rivals_are_about_as_near_the_nearest_first() -> None:
    unit = 1e-4
    views: dict[View, FloatArray] = {
        "filmed": at(unit),
        "mirrored": at((RIVAL - 0.1) * MARGIN["mirrored"] * unit),
        "other": at((RIVAL + 0.1) * MARGIN["other"] * unit),
        "turned": at((RIVAL - 0.2) * MARGIN["turned"] * unit),
    }
    assert nearest(A, views) == ViewChoice("filmed", ("turned", "mirrored"))


def test_the_nearer_view_is_that_of_the_lower_mean_whatever_the_length_of_its_path() -> None:
    a = 10.0 * np.arange(10)[:, None]
    short, long = a + 1, np.repeat(a + 0.8, 2, axis=0)  # sums 10 and 12.8
    assert nearest(a, {"filmed": short, "other": long}).view == "other"


def test_open_ends_do_not_favour_the_view_that_leaves_out_more() -> None:
    moment = np.arange(3.0)
    a = np.concatenate([moment, np.linspace(1000, 1016, 17)])[:, None]
    # Ends with what A begins with: with open ends these frames alone match, at no distance.
    far = np.concatenate([np.linspace(-1016, -1000, 17), moment])[:, None]
    assert nearest(a, {"filmed": a + 0.2, "other": far}) == ViewChoice()


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
    assert unclear_view_sentence("ben", "filmed", ()) == ""
    assert unclear_view_sentence("ben", "other", ("filmed", "mirrored")) == (
        "no match is sure, since ben may have to be compared as seen from the other side, as "
        "filmed or as the mirrored person (left and right exchanged): --view other or --view "
        "filmed or --view mirrored says which"
    )
