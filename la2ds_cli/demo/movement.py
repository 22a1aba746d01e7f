"""The demo movement as a smooth function of phase, and random poses to train the pose network."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.body import DEGREES_OF_FREEDOM, DOF, SIDES, mirror_pose, pose_vector

PHASES: tuple[tuple[str, float], ...] = (
    ("stand", 0.0),
    ("squat", 0.12),
    ("rise", 0.36),
    ("wind-up", 0.58),
    ("throw", 0.74),
    ("recover", 0.86),
)
"""Named parts of the movement, each with the phase at which it starts."""


def _both(**angle: float) -> dict[str, float]:
    return {f"{side}_{name}": value for name, value in angle.items() for side in SIDES}


# fmt: off
_KEY_POSES: tuple[tuple[float, FloatArray], ...] = (
    (0.0, pose_vector(**_both(arm_abduct=0.15, elbow=0.15, hip_abduct=0.08))),
    (
        0.12,
        pose_vector(
            spine_flex=0.12, **_both(arm_abduct=0.2, arm_flex=0.35, elbow=0.35, hip_abduct=0.1)
        ),
    ),
    (
        0.36,  # deepest point of the squat, arms forward
        pose_vector(
            pitch=0.45,
            spine_flex=0.35,
            neck_nod=-0.5,
            **_both(arm_flex=2.1, arm_abduct=0.1, elbow=0.15, hip_flex=2.05, hip_abduct=0.4),
            **_both(knee=2.0, ankle=0.4),
        ),
    ),
    (
        0.58,  # upright, arms overhead
        pose_vector(
            spine_flex=-0.12,
            neck_nod=-0.2,
            **_both(arm_flex=2.95, arm_abduct=0.25, elbow=0.1, hip_abduct=0.12),
        ),
    ),
    (
        0.74,  # weight back, left knee up, right hand behind the head
        pose_vector(
            y=-0.05,
            pitch=-0.12,
            spine_twist=-0.55,
            neck_turn=0.5,
            left_arm_flex=1.5, left_arm_abduct=0.3, left_elbow=0.3,
            right_arm_flex=1.9, right_arm_abduct=1.3, right_elbow=1.6,
            left_hip_flex=1.45, left_knee=1.6, right_hip_flex=0.15, right_knee=0.25,
        ),
    ),
    (
        0.86,  # release: long step with the left leg, right arm forward
        pose_vector(
            y=0.35,
            pitch=0.25,
            spine_flex=0.15,
            spine_twist=0.35,
            neck_nod=-0.3,
            left_arm_flex=-0.4, left_arm_abduct=0.5, left_elbow=0.9,
            right_arm_flex=1.9, right_arm_abduct=0.2, right_elbow=0.15,
            left_hip_flex=1.15, left_knee=0.75, left_ankle=0.05,
            right_hip_flex=-0.55, right_knee=0.45, right_ankle=-0.5,
        ),
    ),
    (
        1.0,  # follow-through, right arm across the body
        pose_vector(
            y=0.55,
            pitch=0.1,
            spine_flex=0.2,
            spine_twist=0.3,
            left_arm_flex=0.1, left_arm_abduct=0.35, left_elbow=0.4,
            right_arm_flex=0.7, right_arm_abduct=-0.35, right_elbow=0.6,
            left_hip_flex=0.25, left_knee=0.3, right_hip_flex=0.1, right_knee=0.25,
        ),
    ),
)
# fmt: on
_KEY_PHASE = np.array([phase for phase, _ in _KEY_POSES])
_KEY_POSE = np.stack([pose for _, pose in _KEY_POSES])
_KEPT = ("yaw", "lift")  # style and jitter leave these to the caller


@dataclass(frozen=True)
class Style:
    """How one performer deviates: ``gain`` (D,) multiplies and ``offset`` (D,) shifts angles."""

    gain: FloatArray
    offset: FloatArray


def random_style(rng: np.random.Generator) -> Style:
    """A performer with 10 % gain spread and about 4 degrees of habitual offset."""
    count = len(DEGREES_OF_FREEDOM)
    offset = rng.normal(0.0, 0.07, count)
    offset[[DOF["x"], DOF["y"], *(DOF[name] for name in _KEPT)]] = 0
    return Style(np.clip(rng.normal(1.0, 0.1, count), 0.75, 1.25), offset)


def movement(phase: FloatArray, style: Style) -> FloatArray:
    """Poses (T, D) at ``phase`` (T,) in [0, 1]; continuous with continuous first derivative."""
    pose = PchipInterpolator(_KEY_PHASE, _KEY_POSE, axis=0)(np.asarray(phase, float))
    return np.asarray(pose) * style.gain + style.offset


def phase_name(phase: float) -> str:
    """The name of the part of the movement that ``phase`` in [0, 1] falls into."""
    starts = [start for _, start in PHASES]
    return PHASES[max(int(np.searchsorted(starts, phase, side="right")) - 1, 0)][0]


def random_pose(rng: np.random.Generator) -> FloatArray:
    """One plausible pose (D,): standing, striding, squatting, bending, lying or tilted."""
    kind = rng.choice(
        ["movement", "stand", "stride", "squat", "bend", "sit", "lie"],
        p=[0.4, 0.19, 0.13, 0.11, 0.08, 0.05, 0.04],
    )
    if kind == "movement":
        pose = movement(rng.uniform(0, 1, 1), random_style(rng))[0]
    else:
        pose = _torso_and_legs(kind, rng)
        _set_arms(pose, rng)
    jitter = rng.normal(0.0, 0.12, pose.shape)
    jitter[[DOF[name] for name in _KEPT]] = 0
    jitter[[DOF["pitch"], DOF["roll"]]] *= 0.6
    pose = pose + jitter
    pose[DOF["neck_turn"]] += rng.normal(0, 0.3)
    pose[DOF["neck_nod"]] += rng.normal(0, 0.15)
    for side in SIDES:
        for name in ("knee", "elbow"):
            pose[DOF[f"{side}_{name}"]] = np.clip(pose[DOF[f"{side}_{name}"]], 0.02, 2.5)
    return mirror_pose(pose) if rng.random() < 0.5 else pose


def _torso_and_legs(kind: str, rng: np.random.Generator) -> FloatArray:
    pose = pose_vector()

    def put(name: str, value: float) -> None:
        pose[DOF[name]] = value

    put("spine_twist", rng.normal(0, 0.25))
    put("spine_side", rng.normal(0, 0.12))
    for side in SIDES:
        put(f"{side}_hip_abduct", abs(rng.normal(0.08, 0.15)))
        put(f"{side}_hip_twist", rng.normal(0.1, 0.2))
    if kind == "stride":
        reach = rng.uniform(0.2, 1.5)
        put("left_hip_flex", reach)
        put("left_knee", rng.uniform(0.1, 1.0) * reach + 0.05)
        put("right_hip_flex", -rng.uniform(0.0, 0.5))
        put("right_knee", rng.uniform(0.05, 1.0))
        put("pitch", rng.normal(0.15, 0.2))
    elif kind == "squat":
        depth = rng.uniform(0.3, 1.0)
        put("pitch", rng.uniform(0.2, 0.8) * depth)
        put("spine_flex", rng.uniform(0.0, 0.6) * depth)
        for side in SIDES:
            put(f"{side}_hip_flex", (1.9 + rng.normal(0, 0.2)) * depth)
            put(f"{side}_knee", (2.1 + rng.normal(0, 0.15)) * depth)
            put(f"{side}_hip_abduct", rng.uniform(0.05, 0.6) * depth)
            put(f"{side}_ankle", 0.45 * depth)
    elif kind == "bend":
        put("pitch", rng.uniform(0.2, 1.0))
        put("spine_flex", rng.uniform(0.1, 1.1))
        for side in SIDES:
            put(f"{side}_hip_flex", pose[DOF["pitch"]] + rng.normal(0, 0.15))
            put(f"{side}_knee", rng.uniform(0.0, 0.4))
    elif kind == "sit":
        put("pitch", rng.normal(0, 0.15))
        for side in SIDES:
            put(f"{side}_hip_flex", rng.normal(1.5, 0.2))
            put(f"{side}_knee", rng.normal(1.4, 0.4))
    elif kind == "lie":
        put("pitch", rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.6))
        put("roll", rng.normal(0, 0.4))
        for side in SIDES:
            put(f"{side}_hip_flex", rng.normal(0.2, 0.35))
            put(f"{side}_knee", abs(rng.normal(0.2, 0.4)))
    if kind in ("stand", "stride") and rng.random() < 0.3:
        put("spine_flex", rng.normal(0.1, 0.25))
    return pose


def _set_arms(pose: FloatArray, rng: np.random.Generator) -> None:
    """Arms anywhere in their range, mirrored on both sides in half of the poses."""

    def arm() -> dict[str, float]:
        hanging = rng.random() < 0.25
        return {
            "arm_flex": rng.normal(0.1, 0.25) if hanging else rng.uniform(-0.6, 3.0),
            "arm_abduct": abs(rng.normal(0.15, 0.12)) if hanging else rng.uniform(-0.2, 1.6),
            "arm_twist": rng.uniform(-0.7, 0.9),
            "elbow": abs(rng.normal(0.0, 0.5)) if rng.random() < 0.5 else rng.uniform(0.0, 2.4),
        }

    left = arm()
    right = left if rng.random() < 0.5 else arm()
    for side, angle in zip(SIDES, (left, right), strict=True):
        for name, value in angle.items():
            pose[DOF[f"{side}_{name}"]] = value
