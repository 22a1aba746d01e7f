"""Raw-pose features on skeletons whose answers are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import (
    body_frame,
    fill_gaps,
    mirror,
    movement,
    movement_of,
    raw_pose,
    raw_pose_velocity,
    time_only,
)
from tests.movement import pose_of

PENN = get_skeleton("penn13")


def clip(xy: np.ndarray, **changed) -> PoseSequence:
    length, joints = xy.shape[:2]
    score = np.linspace(0.1, 1, length * joints).reshape(length, joints)
    box = np.tile([10.0, 20, 110, 220], (length, 1))
    return pose_of(xy, fps=10.0, **({"score": score, "box": box, "size": (640, 480)} | changed))


def upright(length=4) -> np.ndarray:
    """Penn joints: hips at (90, 200) and (110, 200), shoulders 100 above, the rest at the root."""
    xy = np.full((length, 13, 2), (100.0, 200.0))
    for name, point in (
        ("left_hip", (110, 200)),
        ("right_hip", (90, 200)),
        ("left_shoulder", (110, 100)),
        ("right_shoulder", (90, 100)),
        ("head", (100, 50)),
    ):
        xy[:, PENN.index(name)] = point
    return xy


@pytest.mark.parametrize("feature", [raw_pose, movement, lambda pose: body_frame(pose)[0]])
def test_gaps_of_unevenly_spaced_frames_are_filled_by_their_seconds(feature):
    """A wrist rises at constant speed; the camera drops frames while it is not seen."""
    time = np.array([0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.3, 1.4])
    xy = upright(len(time))
    xy[:, PENN.index("left_wrist"), 1] -= 100 * time
    whole = clip(xy, time=time)
    hidden = replace(whole, xy=whole.xy.copy())
    hidden.xy[3:7, PENN.index("left_wrist")] = np.nan
    np.testing.assert_allclose(feature(hidden), feature(whole), atol=1e-4)


def test_joint_never_seen_sits_at_the_centre_of_the_others():
    xy = np.zeros((2, 3, 2))
    xy[:, 0], xy[:, 1], xy[:, 2] = [[0, 0], [2, 0]], [[4, 2], [6, 2]], np.nan
    np.testing.assert_allclose(fill_gaps(xy)[:, 2], [[2, 1], [4, 1]])
    assert not fill_gaps(np.full((2, 3, 2), np.nan)).any()


def test_body_frame_by_hand():
    centred, scale = body_frame(clip(upright()))
    assert scale == pytest.approx(100)
    np.testing.assert_allclose(centred[0, PENN.index("head")], [0, -1.5])
    np.testing.assert_allclose(centred[0, PENN.index("left_shoulder")], [0.1, -1])


def test_raw_pose_does_not_see_place_and_size():
    moved = upright() * 3 + [50, -20] + np.arange(4)[:, None, None] * [10.0, 5.0]
    np.testing.assert_allclose(raw_pose(clip(moved)), raw_pose(clip(upright())), atol=1e-5)
    assert raw_pose(clip(upright())).shape == (4, 26)


def test_scale_is_the_median_of_the_clip():
    """Bending over for one frame halves that torso and must not blow up the other joints."""
    xy = upright(5)
    xy[2, [PENN.index("left_shoulder"), PENN.index("right_shoulder")], 1] = 150
    centred, scale = body_frame(clip(xy))
    assert scale == pytest.approx(100)
    np.testing.assert_allclose(centred[2, PENN.index("head")], [0, -1.5])


def test_velocity_by_hand():
    xy = upright(6)
    xy[:, PENN.index("head"), 0] += 10 * np.arange(6)  # 0.1 torso lengths per frame
    feature = raw_pose_velocity(clip(xy), weight=1.5, reach=2)
    assert feature.shape == (6, 52)
    np.testing.assert_allclose(feature[:, :26], raw_pose(clip(xy)))
    velocity = feature[:, 26:].reshape(6, 13, 2)
    head = velocity[:, PENN.index("head")]
    # Frames t - 2 and t + 2 are 4 frames apart; at the ends the first and last frame stand in.
    np.testing.assert_allclose(head[:, 0], 1.5 * 0.1 * np.array([2, 3, 4, 4, 3, 2]), atol=1e-6)
    np.testing.assert_allclose(np.delete(velocity, PENN.index("head"), axis=1), 0, atol=1e-6)


def test_clock_runs_from_zero_to_one_in_seconds():
    uneven = clip(upright(), time=np.array([2.0, 3, 3.5, 6]))
    np.testing.assert_allclose(time_only(uneven)[:, 0], [0, 0.25, 0.375, 1])
    assert time_only(clip(upright(1))).tolist() == [[0]]


def test_mirror_by_hand():
    pose = clip(upright())
    turned = mirror(pose)
    # Pixel columns 0..639: x -> 639 - x, and the left hip takes the place of the right one.
    np.testing.assert_allclose(turned.xy[0, PENN.index("left_hip")], [639 - 90, 200])
    np.testing.assert_allclose(turned.box[0], [639 - 110, 20, 639 - 10, 220])
    assert turned.score[0, PENN.index("left_hip")] == pose.score[0, PENN.index("right_hip")]


def swaying(length: int, extent: float) -> np.ndarray:
    """One joint of three moves up and down by `extent`, 0.5 cycles in `length` frames."""
    xy = np.zeros((length, 3, 2))
    xy[:, 1, 1] = extent * np.sin(np.linspace(-np.pi / 2, np.pi / 2, length))
    return xy


def test_movement_forgets_build_place_and_extent():
    """Another body that stands elsewhere and moves half as far: the same features."""
    offset = np.random.default_rng(0).normal(size=(1, 3, 2))
    far, near = movement_of(swaying(300, 2.0)), movement_of(swaying(300, 1.0) + offset)
    np.testing.assert_allclose(far, near, atol=1e-12)
    assert (far**2).sum(axis=1).mean() == pytest.approx(1, abs=0.02)  # root mean square 1


def test_jitter_of_a_still_clip_is_not_blown_up():
    still = np.random.default_rng(0).normal(0, 0.001, (50, 3, 2))
    assert np.abs(movement_of(still)).max() < 0.1
    assert np.isfinite(movement_of(np.zeros((5, 3, 2)))).all()
