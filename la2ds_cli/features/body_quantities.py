"""The posture of a body besides its joint angles: lean of the trunk, width of the stance, heights
of hips, hands and head.

Lengths are in torso lengths, the median distance over the clip from the middle of the hips to the
middle of the shoulders, so that people of any size at any distance can be compared. They are
measured in the image, where the camera has to be level and only lengths parallel to the picture
have their true size; those of a `spatial` pose are measured in 3D.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints, is_body
from la2ds_cli.features.pose_features import compared_joints

DEGREES, TORSO_LENGTHS = "degrees", "torso lengths"
_SHORT = 0.5  # of its usual length: a trunk that points at the camera has no lean in the image
_SHOULDERS, _HIPS = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
_ANKLES = ("left_ankle", "right_ankle")
Joints = Mapping[str, FloatArray]
"""Joint of penn13 -> its places (T, 2), or (T, 3) in 3D, in torso lengths; y points down."""


@dataclass(frozen=True)
class Quantity:
    """One number for each frame that is a function of joints.

    Attributes
    ----------
    name: such as `left_hand_height`.
    label: what is said to differ, such as `Left hand`.
    joints: joints of penn13 that `measure` reads.
    measure: from joints (`Joints`) to (T,) in `unit`; NaN where it is not known.
    unit: DEGREES or TORSO_LENGTHS.
    more, less: what a larger and a smaller value mean, `{}` stands for the size of the difference.
    least: smaller differences are no faults, however well they are measured.
    line: two groups of joints; between their middles the figures draw a line.
    depth: torso lengths by which these joints may lie before or behind the body, so that a turn of
        the camera moves them sideways.
    """

    name: str
    label: str
    joints: tuple[str, ...]
    measure: Callable[[Joints], FloatArray]
    unit: str
    more: str
    less: str
    least: float
    line: tuple[tuple[str, ...], tuple[str, ...]]
    depth: float = 0.3


def _lean(joints: Joints) -> FloatArray:
    """Return degrees between the trunk and the vertical, 0 = upright."""
    trunk = _middle(joints, _SHOULDERS) - _middle(joints, _HIPS)
    lean = np.degrees(np.arctan2(_along_ground(trunk), -trunk[:, 1]))
    seen = (trunk.shape[1] == 3) | (np.linalg.norm(trunk, axis=1) >= _SHORT)
    return np.where(seen, lean, np.nan)


def _stance(joints: Joints) -> FloatArray:
    return _along_ground(joints["left_ankle"] - joints["right_ankle"])


def _hip_height(joints: Joints) -> FloatArray:
    """Return the height of the middle of the hips over the lower ankle."""
    lower = np.maximum(joints["left_ankle"][:, 1], joints["right_ankle"][:, 1])
    return lower - _middle(joints, _HIPS)[:, 1]


def _over_hips(joint: str) -> Callable[[Joints], FloatArray]:
    return lambda joints: _middle(joints, _HIPS)[:, 1] - joints[joint][:, 1]


def _height(name: str, label: str, joint: str) -> Quantity:
    """Return the height of a joint over the middle of the hips."""
    read, line = (joint, *_HIPS), ((joint,), _HIPS)
    words = "{} higher", "{} lower"
    return Quantity(name, label, read, _over_hips(joint), TORSO_LENGTHS, *words, 0.25, line)


QUANTITIES = (
    Quantity(
        *("trunk_lean", "Trunk", (*_SHOULDERS, *_HIPS), _lean, DEGREES),
        *("leans {} further", "{} more upright", 10.0, (_SHOULDERS, _HIPS)),
    ),
    Quantity(
        *("stance_width", "Stance", _ANKLES, _stance, TORSO_LENGTHS),
        *("{} wider", "{} narrower", 0.25, (_ANKLES[:1], _ANKLES[1:]), 1.0),
    ),
    Quantity(
        *("hip_height", "Hips", (*_HIPS, *_ANKLES), _hip_height, TORSO_LENGTHS),
        *("{} higher", "{} lower", 0.25, (_HIPS, _ANKLES)),
    ),
    _height("left_hand_height", "Left hand", "left_wrist"),
    _height("right_hand_height", "Right hand", "right_wrist"),
    _height("head_height", "Head", "head"),
)
UNITS = {quantity.name: quantity.unit for quantity in QUANTITIES}


def unit_of(quantity: str) -> str:
    """Return the unit of a quantity; that of a joint's angle is degrees."""
    return UNITS.get(quantity, DEGREES)


def body_quantities(
    pose: PoseSequence, quantities: Sequence[Quantity] = QUANTITIES
) -> dict[str, FloatArray]:
    """Measure quantities in every frame of a clip.

    Returns
    -------
    dict: name to (T,) float64 in its unit, in the order of `quantities`; NaN where a joint is
        missing. Empty for a skeleton that is no body, such as a hand.
    """
    joints = joints_in_torsos(pose)
    return {one.name: np.asarray(one.measure(joints)) for one in quantities} if joints else {}


def joints_in_torsos(pose: PoseSequence) -> dict[str, FloatArray]:
    """Return the places of the joints of penn13 (`Joints`); empty for a skeleton that is no
    body."""
    if not is_body(pose.skeleton):
        return {}
    body = body_joints(pose)
    places = compared_joints(body)
    joints = dict(zip(get_skeleton(body.skeleton).joints, places.swapaxes(0, 1), strict=True))
    length = np.linalg.norm(_middle(joints, _SHOULDERS) - _middle(joints, _HIPS), axis=1)
    lengths = length[length > 0]
    torso = float(np.median(lengths)) if len(lengths) else np.nan
    return {name: place / torso for name, place in joints.items()}


def _middle(joints: Joints, names: tuple[str, ...]) -> FloatArray:
    return (joints[names[0]] + joints[names[1]]) / 2


def _along_ground(vector: FloatArray) -> FloatArray:
    """Return (T,) lengths of vectors (T, 2) or (T, 3) without their height."""
    return np.linalg.norm(np.delete(vector, 1, axis=1), axis=1)
