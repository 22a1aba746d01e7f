"""Joints in metres as features read them: turned to face the camera, whichever side was filmed.

Two cameras that film a movement from two sides see different joints in the image, but the same
joints in 3D except for a turn about the vertical. The person's left and right determine the turn.
The vertical is that of the camera, so if the camera looks down, the person appears to lean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence

# Pairs of joints across the body, left or thumb side first; the first group that exists is used.
_ACROSS = (
    (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    (("left_wrist", "right_wrist"),),
    (("index1", "little1"),),
)


def turned(joints: FloatArray, angle: FloatArray | float) -> FloatArray:
    """joints (T, K, 3) turned by angle, radians, a number or (T,), about the vertical (y): from x
    towards z for a positive angle."""
    cos, sin = (np.asarray(part(angle)).reshape(-1, 1) for part in (np.cos, np.sin))
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)


def heading(world: FloatArray, skeleton: Skeleton) -> float:
    """The angle in radians by which the body is `turned` away from the camera.

    world (T, K, 3), NaN = not known. The angle is the direction from the right to the left of the
    body in the horizontal plane, averaged over the clip, so that turns within the clip are kept; 0
    if none of the joints that define it is known.
    """
    for pairs in _ACROSS:
        across = [
            world[:, skeleton.joints.index(left)] - world[:, skeleton.joints.index(right)]
            for left, right in pairs
            if left in skeleton.joints and right in skeleton.joints
        ]
        if across:
            x, _, z = np.nansum(np.concatenate(across), axis=0)
            return float(np.arctan2(z, x))
    return 0.0


def facing(world: FloatArray, skeleton: Skeleton) -> FloatArray:
    """world (T, K, 3) turned about the vertical so that the body faces the camera on average."""
    return turned(world, -heading(world, skeleton))


def known_in_3d(pose: PoseSequence) -> bool:
    """Whether any joint of the clip is known in metres."""
    return pose.world is not None and bool(np.isfinite(pose.world).any())


def in_3d(poses: Sequence[PoseSequence]) -> list[PoseSequence]:
    """The clips marked as `spatial`, so that features use 3D, if all of them have 3D joints;
    otherwise unchanged."""
    spatial = all(known_in_3d(pose) for pose in poses)
    return [replace(pose, spatial=True) for pose in poses] if spatial else list(poses)


def need_3d(poses: Iterable[tuple[str, PoseSequence]]) -> None:
    """Raises UserError (exit 5) if a clip, given with its name, has no joints in metres."""
    flat = [name for name, pose in poses if not known_in_3d(pose)]
    if not flat:
        return
    others = f" and {len(flat) - 1} other clips have" if len(flat) > 1 else " has"
    raise UserError(
        f"{flat[0]}{others} no joints in 3D, which model.input=joints3d reads",
        hint="extract or import the clips with a source of 3D joints (docs/how-to/poses.md), or "
        "train with --input joints",
        exit_code=ExitCode.MISMATCH,
    )


def facing_joints(pose: PoseSequence) -> FloatArray:
    """Joints (T, K, 3) in metres of a clip that has them, `facing` the camera."""
    if pose.world is None:
        raise ValueError("the clip has no joints in metres")
    return facing(pose.world, get_skeleton(pose.skeleton))
