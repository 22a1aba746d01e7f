"""Quantities of joints beside the angles: what they differ by, and how uncertain they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.compare.differences import Differences, differences
from la2ds_cli.compare.findings import Finding, find_differences
from la2ds_cli.compare.measured_quantities import quantity_noise, quantity_values
from la2ds_cli.compare.viewpoint import ViewDifference
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_quantities import QUANTITIES
from la2ds_cli.poses.trust import LEAST_TRUST
from tests.alignments import matched
from tests.features.test_body_quantities import body, standing

NAMES = [quantity.name for quantity in QUANTITIES]
JOINTS = list(get_skeleton("penn13").joints)
FPS_A, FPS_B = 25.0, 40.0
TIME_A, TIME_B = np.arange(50) / FPS_A, np.arange(80) / FPS_B  # two seconds of each


def film(time: FloatArray, fps: float, lean: float = 0.0, hand: float = 0.0) -> PoseSequence:
    """A body that, between 0.8 and 1.2 s, leans by degrees, or raises its right hand by torsos."""
    then = (time >= 0.8) & (time <= 1.2)
    xy = standing(*np.where(then, lean, 0.0))
    xy[then, JOINTS.index("right_wrist"), 1] -= 100 * hand
    return replace(body(xy), time=time, fps=fps)


def compared(
    a: PoseSequence, b: PoseSequence, turn: float = 0.0
) -> tuple[Differences, list[Finding]]:
    alignment = matched(a.time * FPS_B, a, b)
    view = ViewDifference(90.0, 90.0, turn, side_known=True, by_frame=np.full(len(a), turn))
    angles = differences(a, b, alignment, view)
    return angles, find_differences(angles, alignment, [])


def test_a_trunk_that_leans_and_a_hand_that_is_raised_are_said_in_words() -> None:
    for how, label, more, less, size in (
        ({"lean": 20}, "Trunk", "leans 20° further", "20° more upright", 20),
        (
            {"hand": 0.4},
            "Right hand",
            "0.4 torso lengths higher",
            "0.4 torso lengths lower",
            0.4,
        ),
    ):
        for a, b, words, sign in (({}, how, more, 1), (how, {}, less, -1)):
            _, found = compared(film(TIME_A, FPS_A, **a), film(TIME_B, FPS_B, **b))
            (one,) = (finding for finding in found if finding.label == label)
            assert (one.amount, one.difference) == (words, pytest.approx(sign * size, abs=0.02))
            assert 0.8 <= one.time <= 1.2


def test_small_differences_are_no_faults() -> None:
    _, found = compared(film(TIME_A, FPS_A), film(TIME_B, FPS_B, lean=8, hand=0.2))
    assert found == []


def test_joints_that_are_not_trusted_take_their_quantities_only() -> None:
    a, b = film(TIME_A, FPS_A), film(TIME_B, FPS_B, lean=20, hand=0.4)
    trust = np.ones(b.score.shape, np.float32)
    trust[:, JOINTS.index("right_wrist")] = LEAST_TRUST - 0.1
    _, found = compared(a, replace(b, trust=trust))
    said = {finding.joint for finding in found}
    assert "trunk_lean" in said
    assert "right_hand_height" not in said


def test_the_noise_of_a_hand_is_that_of_its_joints_by_hand() -> None:
    """Of the wrist and half of each hip: e * sqrt(1 + 1 / 4 + 1 / 4)."""
    pose = film(TIME_A, FPS_A)
    noise, turned = quantity_noise(pose, np.full((50, 13), 0.02), QUANTITIES)
    hand = NAMES.index("left_hand_height")
    np.testing.assert_allclose(noise[:, hand], 0.02 * np.sqrt(1.5), rtol=1e-3)
    np.testing.assert_allclose(turned[:, hand], 0, atol=1e-9)  # a turn changes no height


def test_the_noise_is_what_random_errors_make() -> None:
    rng = np.random.default_rng(0)
    pose = body(standing(*np.full(4000, 25.0)))
    shaken = replace(pose, xy=pose.xy + rng.normal(0, 1.5, pose.xy.shape).astype(np.float32))
    noise, _ = quantity_noise(pose, np.full((4000, 13), 0.015), QUANTITIES)
    measured = quantity_values(shaken, QUANTITIES).std(axis=0)
    assert noise[0] == pytest.approx(measured, rel=0.1)


def test_feet_that_another_camera_sees_closer_together_are_no_fault() -> None:
    a, b = film(TIME_A, FPS_A), film(TIME_B, FPS_B)
    ankle = JOINTS.index("left_ankle")
    b.xy[:, ankle, 0] += 45
    (same, found), (_, turned) = compared(a, b), compared(a, b, turn=28.0)
    assert same.names[-len(NAMES) :] == tuple(NAMES)
    assert "stance_width" in {finding.joint for finding in found}
    assert "stance_width" not in {finding.joint for finding in turned}
