"""Sampling by time: grids, gaps, and independence of the camera's frame rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.resample import (
    interpolate,
    resample_pose,
    smoothed,
)
from tests.movement import pose_of


def swing(fps: float, seconds: float = 2.0) -> PoseSequence:
    """A sine movement of 100 pixels at 1 Hz; every joint has its own phase."""
    time = np.arange(round(seconds * fps) + 1) / fps
    angle = 2 * np.pi * time[:, None] + np.arange(13)
    xy = 200 + 100 * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return pose_of(xy, fps=fps, box=np.stack([time] * 4, axis=1), size=(640, 480))


def test_interpolation_by_hand():
    value = np.array([[0.0, 10], [4, 20]])
    time = np.array([1.0, 3.0])
    at = np.array([0.0, 1, 1.5, 3, 9])
    expected = [[0, 10], [0, 10], [1, 12.5], [4, 20], [4, 20]]
    np.testing.assert_allclose(interpolate(value, time, at), expected)
    assert interpolate(value[:1], time[:1], at).tolist() == [[0, 10]] * 5
    assert interpolate(value.astype(np.float32), time, at).dtype == np.float32


def test_gap_spreads_only_to_points_it_touches():
    time = np.array([0.0, 1, 2, 3])
    value = np.array([0.0, np.nan, 2, 3])
    at = np.array([0.0, 0.5, 1, 1.5, 2, 2.5, 3])
    mixed = interpolate(value, time, at)
    assert np.isnan(mixed).tolist() == [False, True, True, True, False, False, False]
    np.testing.assert_allclose(mixed[[0, 4, 5, 6]], [0, 2, 2.5, 3])


def test_frame_is_the_nearest_source_frame():
    pose = swing(10.0)
    sampled = resample_pose(pose, np.array([0.0, 0.12, 0.18, 2.0]))
    assert sampled.frame.tolist() == [0, 1, 2, 20]
    np.testing.assert_allclose(sampled.box[:, 0], [0, 0.12, 0.18, 2], atol=1e-6)


def test_joints_in_metres_are_sampled_at_the_same_moments():
    pose = swing(30)
    height = np.repeat(pose.time[:, None, None], 13, axis=1) * [1.0, 2.0, -1.0]
    height[7, 3] = np.nan
    at = np.linspace(0, 2, 23)
    world = resample_pose(replace(pose, world=height), at).world
    assert world is not None
    np.testing.assert_allclose(world[:, 0], at[:, None] * [1.0, 2.0, -1.0], atol=1e-5)
    beside = np.abs(at - pose.time[7]) < 1 / 30
    np.testing.assert_array_equal(np.isnan(world[:, 3, 2]), beside)
    assert resample_pose(pose, at).world is None


@pytest.mark.parametrize("length", [1, 2, 7, 60])
@pytest.mark.parametrize("deviation", [0.3, 1.0, 1.5])
def test_smoothed_is_the_gaussian_filter_of_scipy(length: int, deviation: float) -> None:
    from scipy.ndimage import gaussian_filter1d

    value = np.random.default_rng(length).normal(size=(length, 4, 2))
    expected = gaussian_filter1d(value, deviation, axis=0, mode="nearest")
    np.testing.assert_allclose(smoothed(value, deviation), expected, atol=1e-12)
