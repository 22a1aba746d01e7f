"""Features of joints in metres do not depend on the side from which a camera looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.pose_features import (
    facing,
    facing_joints,
    heading,
    in_3d,
    mirror,
    movement,
    raw_pose,
)
from la2ds_cli.features.tempo import paced_movement, sampling_rate
from tests.movement import in_space, sequence, warped_phase

PENN = get_skeleton("penn13")
PHASE = warped_phase(40, 0)


@pytest.mark.parametrize("turn", [-3.0, -1.0, 0.0, 0.4, 2.0])
def test_heading_is_the_turn_of_a_body_that_faces_the_camera(turn: float) -> None:
    pose = in_space(PHASE, turn=turn)
    world = np.asarray(pose.world)
    assert heading(world, PENN) == pytest.approx(turn, abs=1e-6)
    front = in_space(PHASE)
    assert front.world is not None
    np.testing.assert_allclose(facing(world, PENN), front.world, atol=1e-6)


def test_gaps_and_hands() -> None:
    pose = in_space(PHASE, turn=0.7)
    assert pose.world is not None
    world = pose.world.copy()
    world[:, PENN.index("left_shoulder")] = np.nan
    world[3:9] = np.nan
    assert heading(world, PENN) == pytest.approx(0.7, abs=1e-6)
    assert heading(np.full((5, 13, 3), np.nan), PENN) == 0.0
    hands = get_skeleton("hands42")
    joints = np.zeros((5, 42, 3))
    joints[:, hands.index("left_wrist")] = [0.0, 0.0, 0.3]
    assert heading(joints, hands) == pytest.approx(np.pi / 2)


@pytest.mark.parametrize("feature", [raw_pose, movement, paced_movement])
def test_features_in_space_are_those_of_any_side(feature) -> None:
    front, side = in_3d([in_space(PHASE), in_space(PHASE, turn=1.0)])
    assert front.spatial
    np.testing.assert_allclose(feature(side), feature(front), atol=1e-5)
    flat = replace(front, spatial=False), replace(side, spatial=False)
    assert np.abs(feature(flat[0]) - feature(flat[1])).max() > 0.1
    blocks = {raw_pose: (2, 3), movement: (8, 8), paced_movement: (8, 8)}[feature]
    assert (feature(flat[0]).shape[1], feature(front).shape[1]) == (13 * blocks[0], 13 * blocks[1])


def test_mirrored_in_space_as_in_the_image() -> None:
    """Mirror images of one person from two sides face the camera as one mirrored person."""
    one, other = mirror(in_space(PHASE, turn=0.8)), mirror(in_space(PHASE, turn=-0.2))
    np.testing.assert_allclose(facing_joints(one), facing_joints(other), atol=1e-6)
    assert not np.allclose(facing_joints(one), facing_joints(in_space(PHASE)), atol=0.05)


def test_clips_are_read_in_3d_only_where_all_have_it() -> None:
    front, flat = in_space(PHASE), sequence(warped_phase(30, 1))
    assert [pose.spatial for pose in in_3d([front, front])] == [True, True]
    assert [pose.spatial for pose in in_3d([front, flat])] == [False, False]
    unknown = replace(flat, world=np.full((30, 13, 3), np.nan))
    assert not in_3d([front, unknown])[0].spatial


def test_a_network_sees_a_clip_at_one_rate_however_it_is_compared() -> None:
    pose, train = in_space(PHASE), TrainConfig(tempo=0.4)
    assert sampling_rate(replace(pose, spatial=True), train) == sampling_rate(pose, train)
