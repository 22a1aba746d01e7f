"""Gaps interpolated."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig, ModelConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.crop import clip_box
from la2ds_cli.features.network_input import network_input
from la2ds_cli.features.pose_features import fill_gaps
from la2ds_cli.poses.clip import interpolate_gaps
from tests.movement import sequence

NOBODY = np.full(4, np.nan)


def filled(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """(T, K) which joints were interpolated."""
    return np.asarray(np.isfinite(new).all(axis=-1) & ~np.isfinite(old).all(axis=-1))


def line(time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two joints that move 100 and 200 pixels per second to the right, in a box that stays."""
    xy = np.stack([100 * time, 200 * time], axis=1)[..., None] * [1.0, 0.5]
    return xy, np.full(xy.shape[:2], 0.8), np.tile([0.0, 0, 400, 800], (len(time), 1))


def test_a_short_gap_is_interpolated_in_time() -> None:
    """Frames 3 and 4 are missing; the frames are not evenly spaced, the speed is constant."""
    time = np.array([0, 0.04, 0.08, 0.09, 0.15, 0.16, 0.2])
    whole, score, box = line(time)
    xy = whole.copy()
    xy[3:5, 0] = np.nan
    found, weight, _ = interpolate_gaps(xy, score, time, box, max_gap=0.1)
    np.testing.assert_allclose(found, whole)
    assert np.argwhere(weight == 0).tolist() == [[3, 0], [4, 0]]
    assert (weight[weight > 0] == 0.8).all()
    assert np.isnan(xy[3, 0]).all()  # the input is left alone


@pytest.mark.parametrize(("max_gap", "interpolated"), [(0.16, True), (0.15, False)])
def test_the_longest_gap_counts_from_sight_to_sight(max_gap: float, interpolated: bool) -> None:
    """Three frames are missing at 25 fps: the joint is seen at 0.08 s and again at 0.24 s."""
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[3:6] = np.nan
    found, weight, _ = interpolate_gaps(xy, score, time, box, max_gap)
    assert np.isfinite(found[3:6]).all() == interpolated
    assert not weight[3:6].any()  # a masked joint weighs nothing either


def test_the_ends_stay_open() -> None:
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[:2], xy[-1:] = np.nan, np.nan
    found, _, _ = interpolate_gaps(xy, score, time, box, max_gap=1)
    assert not filled(found, xy).any()


@pytest.mark.parametrize(("cut", "interpolated"), [(4, False), (6, False), (3, True), (7, True)])
def test_nothing_is_interpolated_over_a_cut(cut: int, interpolated: bool) -> None:
    """Frames 4 and 5 are missing; a new shot that begins at 4, 5 or 6 lies between the ends."""
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[4:6] = np.nan
    found, _, _ = interpolate_gaps(xy, score, time, box, 1, cuts=[cut])
    assert filled(found, xy).any() == interpolated


@pytest.mark.parametrize(("distance", "interpolated"), [(399, True), (401, False)])
def test_nothing_is_interpolated_to_a_person_elsewhere(distance: float, interpolated: bool) -> None:
    """Half of the longer side of the box are 400 pixels."""
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[4:6], box[4:6] = np.nan, np.nan
    box[6:] += [distance, 0, distance, 0]
    found, _, new_box = interpolate_gaps(xy, score, time, box, 1)
    assert filled(found, xy)[4:6].all() == filled(found, xy).any() == interpolated
    assert np.isnan(new_box[4:6]).all() != interpolated


def test_boxes_are_interpolated_with_the_joints() -> None:
    time = np.arange(5) / 25
    xy, score, box = line(time)
    box[4] += 40
    box[1:4] = NOBODY
    _, _, found = interpolate_gaps(xy, score, time, box, 1)
    np.testing.assert_allclose(found[:, 0], [0, 10, 20, 30, 40])


def test_types_are_kept() -> None:
    time = np.arange(5) / 25
    xy, score, box = (value.astype(np.float32) for value in line(time))
    xy[2] = np.nan
    found = interpolate_gaps(xy, score, time, box, 1)
    assert [value.dtype for value in found] == [np.float32] * 3
    empty = interpolate_gaps(xy[:0], score[:0], time[:0], box[:0], 1)
    assert [len(value) for value in empty] == [0, 0, 0]


def test_interpolation_does_no_harm_downstream() -> None:
    """An interpolated joint leaves no trace in the maps and never widens the crop, and the joint
    features take it as they would have filled the gap themselves."""
    pose = sequence(np.linspace(0, 1, 40))
    skeleton = get_skeleton(pose.skeleton)
    xy, score = pose.xy.copy(), pose.score.copy()
    wrist = skeleton.index("left_wrist")
    xy[10:14, wrist], score[10:14, wrist] = np.nan, 0
    interpolated, weight, _ = interpolate_gaps(xy, score, pose.time, pose.box, 0.3)
    assert filled(interpolated, xy).sum() == 4
    np.testing.assert_array_equal(clip_box(interpolated), clip_box(xy))
    np.testing.assert_allclose(fill_gaps(interpolated), fill_gaps(xy), atol=1e-4)
    settings = skeleton, HeatmapConfig(), ModelConfig(input="both")
    open_gap = network_input(xy, score, *settings)
    closed = network_input(interpolated, weight, *settings)
    assert open_gap.maps is not None
    assert open_gap.joints is not None
    assert closed.maps is not None
    assert closed.joints is not None
    np.testing.assert_array_equal(closed.maps, open_gap.maps)
    assert not closed.maps[10:14, wrist].any()
    np.testing.assert_allclose(closed.joints, open_gap.joints, atol=1e-4)
