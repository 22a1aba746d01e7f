"""From which side a clip is filmed, against the cameras it was made with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.compare.viewpoint import view_difference
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.pose_features import mirror
from tests.compare.performers import body, performance, steady

PHASE = steady(61)
ROWS = np.arange(61.0)
FPS_B = 25.0
PHASE_B = steady(51)  # as long as PHASE
IN_B = ROWS * FPS_B / 30


@pytest.mark.parametrize("azimuth", [-1.4, -0.8, 0.0, 0.5, 1.2])
def test_the_side_of_a_camera_is_found(azimuth: float) -> None:
    clip = performance(PHASE, azimuth=azimuth, noise=1)
    found = view_difference(clip, clip, ROWS)
    # Straight from the front, left and right of it cannot be told and do not matter.
    expected = np.degrees(azimuth)
    assert found.reference == pytest.approx(expected, abs=12) or abs(expected) < 1
    assert abs(found.reference) == pytest.approx(abs(expected), abs=15)
    assert found.turn == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("turn", [0.0, 0.35, 0.7, 1.5])
def test_the_turn_between_two_cameras_is_found(turn: float) -> None:
    other = performance(
        PHASE_B, fps=FPS_B, azimuth=-1.2 + turn, style=8, build=body(4), noise=1, seed=2
    )
    found = view_difference(performance(PHASE, noise=1), other, IN_B)
    assert found.turn == pytest.approx(np.degrees(turn), abs=15)
    assert np.nanmedian(found.by_frame) == pytest.approx(np.degrees(turn), abs=15)


def test_a_mirrored_clip_is_seen_from_the_same_side_once_it_is_turned_round() -> None:
    clip, other = performance(PHASE), mirror(performance(PHASE_B, fps=FPS_B))
    assert view_difference(clip, seen(other, "mirrored"), IN_B).turn < 1
    assert view_difference(clip, other, IN_B).turn > 90


def test_a_camera_that_moves_is_seen_where_it_does() -> None:
    clip, turned = performance(PHASE), performance(PHASE, azimuth=0.0)
    xy = np.where((np.arange(61) < 30)[:, None, None], clip.xy, turned.xy)
    found = view_difference(clip, replace(clip, xy=xy), ROWS)
    assert found.by_frame[5:20] == pytest.approx(0, abs=1)
    assert (found.by_frame[42:] > 40).all()


@pytest.mark.parametrize("azimuth", [-0.8, 0.8])
def test_where_one_side_is_unknown_the_turn_is_the_least_possible(azimuth: float) -> None:
    clip = performance(PHASE, azimuth=azimuth)
    blind = clip.xy.copy()
    blind[:, [*range(5), 13, 14]] = np.nan  # head and knees
    for a, b in ((clip, replace(clip, xy=blind)), (replace(clip, xy=blind), clip)):
        found = view_difference(a, b, ROWS)
        assert (found.side_known, found.turn) == (False, pytest.approx(0, abs=1))


def test_without_both_shoulders_nothing_can_be_told() -> None:
    """Hips alone are too narrow to measure a view by."""
    clip, hidden = performance(PHASE), performance(PHASE_B, fps=FPS_B)
    hidden.xy[:, get_skeleton("coco17").index("left_shoulder")] = np.nan
    found = view_difference(clip, hidden, IN_B)
    assert np.isnan(found.turn)
    assert np.isnan(found.by_frame).all()
    assert not found.side_known
    assert np.isnan(view_difference(clip, clip, np.full(61, np.nan)).turn)
