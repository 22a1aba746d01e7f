"""The demo movement as a smooth function of phase, and how performers differ in it."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.performer import DEGREES_OF_FREEDOM, DOF, SIDES, pose_vector

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
_UNSTYLED = ("x", "y", "yaw", "lift")  # a performer's position is not part of the style


@dataclass(frozen=True)
class Style:
    """How one performer deviates: ``gain`` (D,) multiplies and ``offset`` (D,) shifts angles."""

    gain: FloatArray
    offset: FloatArray


def random_style(rng: np.random.Generator) -> Style:
    """A random style: gains with a spread of 10 %, offsets of about 4 degrees."""
    count = len(DEGREES_OF_FREEDOM)
    offset = rng.normal(0.0, 0.07, count)
    offset[[DOF[name] for name in _UNSTYLED]] = 0
    return Style(np.clip(rng.normal(1.0, 0.1, count), 0.75, 1.25), offset)


def movement(phase: FloatArray, style: Style) -> FloatArray:
    """Poses (T, D) at ``phase`` (T,) in [0, 1]; continuous, with a continuous first derivative."""
    pose = PchipInterpolator(_KEY_PHASE, _KEY_POSE, axis=0)(np.asarray(phase, float))
    return np.asarray(pose) * style.gain + style.offset


def phase_name(phase: float) -> str:
    """The name of the part of the movement that contains ``phase`` in [0, 1]."""
    starts = [start for _, start in PHASES]
    return PHASES[max(int(np.searchsorted(starts, phase, side="right")) - 1, 0)][0]
