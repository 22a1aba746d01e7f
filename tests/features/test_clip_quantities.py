"""The angles and the posture of one clip, by bodies whose answers are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.timeline import measure_at_grid
from la2ds_cli.alignment.timeline_result import GRID
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.body_quantities import unit_of
from la2ds_cli.features.clip_quantities import measure_clip
from tests.movement import figure, pose_of, sequence

PENN = get_skeleton("penn13").joints


def bent_arm(degrees: np.ndarray) -> np.ndarray:
    """Joints (T, 13, 2) of somebody who stands still and bends the left elbow to these angles."""
    xy = figure(np.zeros(len(degrees)))
    shoulder, elbow, wrist = (PENN.index(f"left_{name}") for name in ("shoulder", "elbow", "wrist"))
    xy[:, elbow] = xy[:, shoulder] + [0, 30]
    turn = np.radians(np.asarray(degrees, float))
    xy[:, wrist] = xy[:, elbow] + 30 * np.stack([np.sin(turn), -np.cos(turn)], axis=1)
    return xy


@pytest.mark.parametrize("fps", [20, 50])
def test_an_elbow_that_is_bent_to_an_angle_has_it(fps: int) -> None:
    degrees = np.linspace(180, 40, 3 * fps)
    measured = measure_clip(pose_of(bent_arm(degrees), fps=fps))
    assert measured.values["left_elbow"] == pytest.approx(degrees, abs=1e-3)
    assert measured.values["right_elbow"] == pytest.approx(np.full(3 * fps, 180.0), abs=1e-3)
    assert measured.time[-1] == pytest.approx((3 * fps - 1) / fps)


def test_what_is_unseen_or_points_at_the_camera_is_not_known() -> None:
    xy = bent_arm(np.full(30, 90.0))
    xy[4, PENN.index("left_wrist")] = np.nan
    elbow = xy[:, PENN.index("left_elbow")]
    xy[7, PENN.index("left_wrist")] = elbow[7] + [9, 0]  # of 30 pixels
    values = measure_clip(pose_of(xy)).values
    assert np.flatnonzero(np.isnan(values["left_elbow"])).tolist() == [4, 7]
    assert np.flatnonzero(np.isnan(values["left_hand_height"])).tolist() == [4]
    assert not np.isnan(values["right_elbow"]).any()


@pytest.mark.parametrize("in_metres", [False, True])
def test_quantities_and_units_are_those_of_a_timeline(in_metres: bool) -> None:
    """At the frames that the timeline shows, the same numbers, also of limbs that point at the
    camera, and of clips that have joints in metres beside those in the image."""
    pose = sequence(np.linspace(0, 1, len(GRID)))
    pose.xy[20:24, PENN.index("left_wrist")] = pose.xy[20:24, PENN.index("left_elbow")] + [1, 1]
    if in_metres:
        depth = np.random.default_rng(1).normal(0, 0.2, (*pose.xy.shape[:2], 1))
        pose = replace(pose, world=np.concatenate([pose.xy / 100, depth], axis=2))
    measured = measure_clip(pose)
    assert np.isnan(measured.values["left_elbow"][20:24]).all()
    angles, _, quantities = measure_at_grid(pose, np.arange(len(GRID), dtype=float))
    assert list(measured.values) == [
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ANGLES),
        *quantities,
    ]
    for column, name in enumerate(measured.values):
        expected = angles[:, column] if column < 8 else quantities[name]
        np.testing.assert_allclose(measured.values[name], expected, rtol=1e-6)
    assert unit_of("left_knee") == "degrees"
    assert unit_of("stance_width") == "torso lengths"


ANGLES = ("elbow", "shoulder", "hip", "knee")


def test_joints_in_metres_are_measured_in_space() -> None:
    """Whichever side was filmed: the arm points at the camera in the image."""
    xy = bent_arm(np.full(12, 90.0))
    world = np.concatenate([xy / 60, np.zeros((12, 13, 1))], axis=2)
    side = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], float)  # turned by 90 degrees
    turned = world @ side.T
    pose = replace(pose_of(turned[..., :2] * 60), world=turned)
    measured = measure_clip(pose, in_space=True)
    assert measured.spatial
    assert measured.values["left_elbow"] == pytest.approx(np.full(12, 90.0), abs=1e-3)
    assert np.isnan(measure_clip(pose).values["left_elbow"]).all()
    assert not measure_clip(pose_of(xy), in_space=True).spatial


def test_a_hand_has_angles_and_no_posture() -> None:
    hand = get_skeleton("hand21")
    xy = np.random.default_rng(1).uniform(0, 100, (5, len(hand.joints), 2))
    measured = measure_clip(pose_of(xy, skeleton="hand21"))
    assert measured.values
    assert "trunk_lean" not in measured.values


def test_the_frame_has_a_row_for_each_frame_of_the_clip() -> None:
    measured = measure_clip(
        replace(sequence(np.linspace(0, 1, 25), fps=50), frame=np.arange(5, 30))
    )
    frame = measured.to_frame()
    assert list(frame.columns) == ["frame", "time", *measured.values]
    assert frame.frame.tolist() == list(range(5, 30))
    np.testing.assert_array_equal(frame.left_knee, measured.values["left_knee"])
    units = frame.attrs["units"]
    assert units["time"] == "s"
    assert units["left_knee"] == "degrees"
    assert units["head_height"] == "torso lengths"
    assert set(units) == {"time", *measured.values}
