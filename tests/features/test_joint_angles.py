"""Angles at joints and their differences along an alignment, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import angle_difference, foreshortened, joint_angles
from tests.movement import pose_of

SKELETON = get_skeleton("coco17")


def pose(degrees: list[float], skeleton: str = "coco17") -> PoseSequence:
    """The left elbow bent to each of `degrees`, all other joints at random."""
    joints = get_skeleton(skeleton).joints
    xy = np.random.default_rng(0).uniform(10, 90, (1, len(joints), 2)).repeat(len(degrees), axis=0)
    index = {joint: k for k, joint in enumerate(joints)}
    xy[:, index["left_shoulder"]] = (50, 20)
    xy[:, index["left_elbow"]] = (50, 40)
    turn = np.radians(degrees)
    xy[:, index["left_wrist"]] = 50 + 15 * np.sin(turn)[:, None] * [1, 0]
    xy[:, index["left_wrist"], 1] = 40 - 15 * np.cos(turn)
    return pose_of(xy, fps=30, size=(100, 100), skeleton=skeleton)


def test_an_angle_is_what_was_built() -> None:
    names, angle = joint_angles(pose([0, 30, 90, 150, 180]))
    assert names[0] == "left_elbow"
    np.testing.assert_allclose(angle[:, 0], [0, 30, 90, 150, 180], atol=1e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_every_angle_of_the_body_is_between_its_own_limbs(side: str) -> None:
    """The upper arm hangs down and the forearm points away; the trunk is upright, the thigh leans
    forward by 30 degrees and the shank back by 45."""
    one = pose([0])
    places = {"shoulder": (50, 20), "elbow": (50, 40), "wrist": (65, 40), "hip": (50, 60)}
    places["knee"] = (50 + 20 * np.sin(np.pi / 6), 60 + 20 * np.cos(np.pi / 6))
    places["ankle"] = (places["knee"][0] - 10, places["knee"][1] + 10)
    for joint, place in places.items():
        one.xy[0, SKELETON.index(f"{side}_{joint}")] = place
    names, angle = joint_angles(one)
    found = {name: angle[0, names.index(f"{side}_{name}")] for name in ("shoulder", "hip")}
    found |= {name: angle[0, names.index(f"{side}_{name}")] for name in ("elbow", "knee")}
    expected = {"shoulder": 0, "hip": 180 - 30, "elbow": 90, "knee": 180 - 75}
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_angle_of_a_limb_that_points_at_the_camera_is_foreshortened(side: str) -> None:
    """The forearm is 15 pixels long, and 7 or 8 of them in two frames; the other arm is missing."""
    one = pose([90] * 9)
    left, right = (
        [SKELETON.index(f"{of}_{joint}") for joint in ("shoulder", "elbow", "wrist")]
        for of in ("left", "right")
    )
    arm, other = (left, right) if side == "left" else (right, left)
    one.xy[:, arm] = one.xy[:, left]
    one.xy[:, other] = np.nan
    at = [SKELETON.index(f"{side}_{joint}") for joint in ("elbow", "wrist")]
    for row, length in ((3, 7.0), (5, 8.0)):
        one.xy[row, at[1]] = one.xy[row, at[0]] + [length, 0]
    names, _ = joint_angles(one)
    found = foreshortened(one)
    assert found.shape == (9, len(names))
    assert np.flatnonzero(found[:, names.index(f"{side}_elbow")]).tolist() == [3]
    assert not foreshortened(replace(one, spatial=True)).any()


def test_a_limb_that_points_at_the_camera_all_along_is_measured_by_the_other_side() -> None:
    one = pose([90] * 9)
    left, right = (
        [SKELETON.index(f"{of}_{joint}") for joint in ("shoulder", "elbow", "wrist")]
        for of in ("left", "right")
    )
    one.xy[:, right] = one.xy[:, left]
    one.xy[:, left[2]] = one.xy[:, left[1]] + [4.0, 0]
    names, _ = joint_angles(one)
    found = foreshortened(one)
    assert found[:, names.index("left_elbow")].all()
    assert not found[:, names.index("right_elbow")].any()


def test_a_missing_joint_and_coinciding_joints_have_no_angle() -> None:
    one = pose([90, 90])
    one.xy[0, SKELETON.index("left_wrist")] = np.nan
    one.xy[1, SKELETON.index("left_wrist")] = one.xy[1, SKELETON.index("left_elbow")]
    names, angle = joint_angles(one)
    assert np.isnan(angle[:, 0]).all()
    assert not np.isnan(angle[:, names.index("right_knee")]).any()


def test_differences_are_read_between_the_frames_of_b() -> None:
    names, found = angle_difference(
        pose([10, 10, 10, 10]), pose([20, 40, 60]), np.array([0, 0.5, 2, np.nan])
    )
    np.testing.assert_allclose(found[:3, names.index("left_elbow")], [10, 20, 50], atol=1e-3)
    assert np.isnan(found[3]).all()


def test_an_angle_in_space_is_the_same_from_any_side() -> None:
    """The elbow of 0 to 180 degrees in a plane that the camera sees from aside."""
    degrees = [0.0, 30, 90, 150, 180]
    flat = pose(degrees)
    world = np.concatenate([flat.xy, np.zeros_like(flat.xy[..., :1])], axis=2)
    index = {joint: k for k, joint in enumerate(SKELETON.joints)}
    turn = np.array([[0.5, 0, np.sqrt(0.75)], [0, 1, 0], [-np.sqrt(0.75), 0, 0.5]])
    world = world @ turn.T
    aside = replace(flat, xy=world[..., :2], world=world, spatial=True)
    names, angle = joint_angles(aside)
    elbow = names.index("left_elbow")
    np.testing.assert_allclose(angle[:, elbow], degrees, atol=0.05)
    np.testing.assert_allclose(angle, joint_angles(flat)[1], atol=0.05)
    seen = joint_angles(replace(aside, spatial=False))[1]
    assert np.abs(seen - angle).max() > 5
    world[2, index["left_wrist"]] = world[2, index["left_elbow"]]
    world[3, index["left_wrist"]] = np.nan
    broken = joint_angles(replace(aside, world=world))[1][:, elbow]
    assert np.isnan(broken).tolist() == [False, False, True, True, False]
