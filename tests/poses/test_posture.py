from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.clips import camera_at, clip_of_joints, joints_seen, performed
from la2ds_cli.demo.performer import SIDES, forward_kinematics, pose_vector, random_body
from la2ds_cli.poses.quality import assess
from la2ds_cli.poses.verdict import verdict


def both(**angle: float) -> dict[str, float]:
    return {f"{side}_{name}": value for name, value in angle.items() for side in SIDES}


LYING = np.pi / 2  # pitch: on the front, and on the back with the other sign
EXERCISES: dict[str, tuple[FloatArray, FloatArray]] = {
    "push-up": (
        pose_vector(pitch=1.3, **both(arm_flex=1.45, elbow=0.1, ankle=0.3)),
        pose_vector(pitch=1.5, **both(arm_flex=0.5, arm_abduct=0.6, elbow=1.9, ankle=0.3)),
    ),
    "sit-up": (
        pose_vector(pitch=-LYING, **both(arm_flex=2.9)),
        pose_vector(pitch=-0.25, spine_flex=0.5, **both(hip_flex=1.4, arm_flex=1.4)),
    ),
    "cobra": (
        pose_vector(pitch=LYING, **both(arm_flex=0.6, elbow=2.0, ankle=-1.2)),
        pose_vector(pitch=1.47, spine_flex=-1.0, **both(arm_flex=0.9, elbow=0.4, ankle=-1.2)),
    ),
    "leg raise": (
        pose_vector(pitch=-LYING, **both(arm_abduct=0.2)),
        pose_vector(pitch=-LYING, **both(arm_abduct=0.2, hip_flex=1.4)),
    ),
}


def exercise(name: str, seed: int, length: int = 80) -> PoseSequence:
    """Two repetitions on the ground, filmed from about the side."""
    rng = np.random.default_rng(seed)
    share = 0.5 - 0.5 * np.cos(np.linspace(0, 4 * np.pi, length))[:, None]
    first, second = EXERCISES[name]
    world = forward_kinematics(random_body(rng), first + (second - first) * share)
    side = rng.choice([-1, 1]) * np.pi / 2
    return clip_of_joints(*joints_seen(camera_at(rng, world, side + rng.normal(0, 0.3)), world))


def turned(pose: PoseSequence, quarter: int) -> PoseSequence:
    """The clip as a camera shows it that is turned by so many times 90 degrees clockwise."""
    xy = pose.xy
    for _ in range(quarter):
        xy = np.stack([-xy[..., 1], xy[..., 0]], axis=-1)
    return replace(pose, xy=xy, size=(0, 0))


@pytest.mark.parametrize("name", EXERCISES)
def test_people_on_the_ground_are_not_called_turned(name: str) -> None:
    for seed in range(6):
        facts = assess(exercise(name, seed))
        codes = [weakness.code for weakness in verdict(facts)]
        assert "V031" not in codes, (seed, facts["tilt"], facts["turned"])


@pytest.mark.parametrize(("quarter", "option"), [(1, 270), (2, 180), (3, 90)])
def test_turned_pictures_of_upright_people_are(quarter: int, option: int) -> None:
    for index in range(6):
        pose, _ = performed(index, 6, 77, noise=1.0)
        found, *_ = verdict(assess(turned(pose, quarter)))
        assert found.code == "V031"
        assert found.message.startswith("looks rotated")
        assert f"--rotate {option} " in found.message
    assert verdict(assess(performed(0, 6, 77)[0])) == ()


def test_a_handstand_may_be_either() -> None:
    pose, _ = performed(0, 6, 77)
    xy = pose.xy.copy()
    torso = np.linalg.norm(xy[:, 5:7].mean(axis=1) - xy[:, 11:13].mean(axis=1), axis=1)
    xy[:, 9:11] = xy[:, 5:7] - np.stack([0 * torso, torso], axis=-1)[:, None]  # hands up
    facts = assess(turned(replace(pose, xy=xy), 2))
    assert facts["turned"] == 0.5


def test_unseen_joints_leave_it_open() -> None:
    pose, _ = performed(0, 6, 77)
    xy = pose.xy.copy()
    xy[:, 9] = np.nan
    assert assess(turned(replace(pose, xy=xy), 1))["turned"] is None
