"""How far an angle can be trusted, by hand and by drawing noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.compare.differences import (
    LEAST_ERROR,
    angle_noise,
    joint_error,
    smoothed,
    turn_sensitivity,
)
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import joint_angles, seen_angles
from tests.compare.performers import performance, steady
from tests.movement import without

NAMES = joint_angles(performance(steady(3)))[0]
KNEE = NAMES.index("left_knee")


def still(**joints: tuple[float, float]) -> PoseSequence:
    """Twenty equal frames of a body whose torso is 100 pixels long."""
    clip = performance(steady(20))
    skeleton = get_skeleton("coco17")
    xy = np.zeros_like(clip.xy)
    upright = {"shoulder": (0, 0), "hip": (0, 100), "knee": (0, 180), "ankle": (0, 260)}
    upright |= {"elbow": (0, 55), "wrist": (0, 105)}
    for joint, place in upright.items():
        for side, x in (("left", 30), ("right", -30)):
            xy[:, skeleton.index(f"{side}_{joint}")] = (place[0] + x, place[1])
    for joint, place in joints.items():
        xy[:, skeleton.index(joint)] = place
    return replace(clip, xy=xy, score=np.ones(xy.shape[:2]))


def test_a_straight_knee_of_two_equal_bones_by_hand() -> None:
    """Ends and middle off by s across a line of two bones of 0.8 torsos: the ends turn it by
    s / 0.8 each, the knee by twice that: s / 0.8 * sqrt(1 + 1 + 4)."""
    expected = np.degrees(LEAST_ERROR / 0.8 * np.sqrt(6))
    np.testing.assert_allclose(angle_noise(still(), LEAST_ERROR)[:, KNEE], expected, rtol=1e-3)


def test_the_noise_is_what_random_errors_make() -> None:
    clip = still(left_knee=(70.0, 170.0), left_ankle=(20.0, 240.0))
    rng = np.random.default_rng(0)
    shaken = replace(
        clip,
        xy=clip.xy[:1].repeat(4000, axis=0) + rng.normal(0, 100 * LEAST_ERROR, (4000, 17, 2)),
        score=np.ones((4000, 17)),
        box=np.full((4000, 4), np.nan),
        frame=np.arange(4000),
        time=np.arange(4000) / 30,
    )
    measured = joint_angles(shaken)[1][:, KNEE].std()
    assert angle_noise(clip, LEAST_ERROR)[0, KNEE] == pytest.approx(measured, rel=0.06)


def test_a_clip_without_torso_is_measured_by_its_limbs() -> None:
    clip = still()
    skeleton = get_skeleton("coco17")
    shoulders = [skeleton.index("left_shoulder"), skeleton.index("right_shoulder")]
    noise = angle_noise(without(clip, joints=shoulders), LEAST_ERROR)
    assert np.isfinite(noise[:, KNEE]).all()
    assert np.isnan(noise[:, NAMES.index("left_elbow")]).all()


def test_a_bone_that_points_at_the_camera_by_hand() -> None:
    """Shown at half its length, a bone is 0.87 lengths deep: turned by one degree, its end moves by
    0.87 degrees of its length, which is 1.73 degrees at half the length."""
    clip = still()
    skeleton = get_skeleton("coco17")
    clip.xy[10:, skeleton.index("left_ankle")] = (30, 220)  # 40 pixels below the knee, not 80
    told = turn_sensitivity(clip)[:, KNEE]
    np.testing.assert_allclose(told[:10], 0, atol=1e-3)
    np.testing.assert_allclose(told[10:], np.sqrt(3), rtol=1e-3)


@pytest.mark.parametrize("azimuth", [-1.2, 0.0, 0.7])
def test_what_is_told_is_of_the_size_of_what_a_turn_of_the_camera_does(azimuth: float) -> None:
    clip, turned = (
        performance(steady(61), azimuth=azimuth + turn) for turn in (0.0, np.radians(4))
    )
    change = np.abs(joint_angles(turned)[1] - joint_angles(clip)[1]) / 4
    told = turn_sensitivity(clip)
    assert (change <= told + 0.1).mean() > 0.75
    assert 1 < told.mean() / change.mean() < 4
    assert np.corrcoef(told.ravel(), change.ravel())[0, 1] > 0.3


def test_the_error_is_that_of_the_joint_and_the_moment() -> None:
    """One ankle trembles by a twentieth of the torso in the second half; nothing else does."""
    clip, ankle = performance(steady(120), fps=60.0), get_skeleton("coco17").index("left_ankle")
    clip = replace(clip, xy=clip.xy[:1].repeat(120, axis=0))
    torso = 100 / 2  # at least as long as the one filmed
    clip.xy[60:, ankle] += np.random.default_rng(1).normal(0, torso, (60, 2))
    error = joint_error(clip, smoothed(clip))
    assert error[80:, ankle].min() > 5 * error[:40, ankle].max()
    others = np.delete(error, ankle, axis=1)
    assert others.max() < 1.2 * error[:40].max()


def test_a_limb_that_points_at_the_camera_has_no_angle() -> None:
    clip = still()
    clip.xy[10:, get_skeleton("coco17").index("left_ankle")] = (30, 190)  # 10 pixels, not 80
    _, angle, hidden = seen_angles(clip)
    assert np.isfinite(angle[:10, KNEE]).all()
    assert np.isnan(angle[10:, KNEE]).all()
    np.testing.assert_array_equal(np.isnan(angle), hidden)
    assert np.isfinite(angle[10:, NAMES.index("right_knee")]).all()
