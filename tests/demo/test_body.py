import numpy as np
import pytest

from la2ds_cli.demo.body import (
    COCO17,
    DEGREES_OF_FREEDOM,
    DOF,
    POINT,
    forward_kinematics,
    mirror_pose,
    pose_vector,
    random_body,
)
from la2ds_cli.demo.movement import random_pose

JOINTS = len(COCO17.joints)


def _length(world, first, second):
    return np.linalg.norm(world[..., POINT[first], :] - world[..., POINT[second], :], axis=-1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_bone_lengths_do_not_depend_on_the_pose(side):
    rng = np.random.default_rng(0)
    body = random_body(rng)
    world = forward_kinematics(body, np.stack([random_pose(rng) for _ in range(50)]))
    bones = {
        ("shoulder", "elbow"): body.upper_arm,
        ("elbow", "wrist"): body.forearm,
        ("hip", "knee"): body.thigh,
        ("knee", "ankle"): body.shin,
    }
    for (first, second), length in bones.items():
        np.testing.assert_allclose(_length(world, f"{side}_{first}", f"{side}_{second}"), length)
    np.testing.assert_allclose(_length(world, "left_hip", "right_hip"), 2 * body.hip_half)
    np.testing.assert_allclose(
        _length(world, "left_shoulder", "right_shoulder"), 2 * body.shoulder_half
    )


def test_standing_body_faces_forward_with_its_right_side_at_positive_x():
    body = random_body(np.random.default_rng(1))
    world = forward_kinematics(body, pose_vector())
    assert world.shape == (len(POINT), 3)
    knee, ankle, hip = (world[POINT[f"left_{name}"]] for name in ("knee", "ankle", "hip"))
    np.testing.assert_allclose(hip - ankle, [0, 0, body.thigh + body.shin], atol=1e-12)
    np.testing.assert_allclose(knee - ankle, [0, 0, body.shin], atol=1e-12)
    assert world[POINT["right_shoulder"], 0] > 0 > world[POINT["left_shoulder"], 0]
    assert world[POINT["nose"], 1] > world[POINT["left_ear"], 1]
    assert world[POINT["left_wrist"], 2] < world[POINT["left_hip"], 2]


def test_a_right_angle_at_the_elbow_points_the_forearm_forward():
    body = random_body(np.random.default_rng(2))
    world = forward_kinematics(body, pose_vector(right_elbow=np.pi / 2))
    forearm = world[POINT["right_wrist"]] - world[POINT["right_elbow"]]
    np.testing.assert_allclose(forearm, [0, body.forearm, 0], atol=1e-12)


def test_abduction_is_outward_for_hanging_and_raised_arms():
    body = random_body(np.random.default_rng(3))
    for flex in (0.0, np.pi):
        for side, sign in (("left", -1), ("right", 1)):
            angle = {f"{side}_arm_flex": flex, f"{side}_arm_abduct": 0.5}
            world = forward_kinematics(body, pose_vector(**angle))
            arm = world[POINT[f"{side}_elbow"]] - world[POINT[f"{side}_shoulder"]]
            np.testing.assert_allclose(arm[0], sign * np.sin(0.5) * body.upper_arm)


def test_the_lowest_point_rests_on_the_floor_and_lift_raises_it():
    rng = np.random.default_rng(4)
    body, pose = random_body(rng), np.stack([random_pose(rng) for _ in range(20)])
    low = forward_kinematics(body, pose)[..., 2].min(axis=-1)
    np.testing.assert_allclose(low, 0.02)
    pose[:, DOF["lift"]] = 0.5
    np.testing.assert_allclose(forward_kinematics(body, pose)[..., 2].min(axis=-1), 0.52)


def test_a_mirrored_pose_gives_mirrored_joints_with_sides_exchanged():
    rng = np.random.default_rng(5)
    body = random_body(rng)
    pose = rng.normal(0, 0.4, (10, len(DEGREES_OF_FREEDOM)))
    joint = forward_kinematics(body, pose)[:, :JOINTS]
    mirrored = forward_kinematics(body, mirror_pose(pose))[:, :JOINTS]
    np.testing.assert_allclose(mirrored, joint[:, list(COCO17.flip)] * (-1, 1, 1), atol=1e-12)
