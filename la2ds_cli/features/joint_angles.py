"""Angles at the joints of a skeleton, as the camera sees them or in 3D, and their differences
between two aligned clips."""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.resample import at_positions

# Angle -> the joint before it, the joint itself, the joint after it; {side} is left or right.
_BODY = {
    "{side}_elbow": ("{side}_shoulder", "{side}_elbow", "{side}_wrist"),
    "{side}_shoulder": ("{side}_elbow", "{side}_shoulder", "{side}_hip"),
    "{side}_hip": ("{side}_shoulder", "{side}_hip", "{side}_knee"),
    "{side}_knee": ("{side}_hip", "{side}_knee", "{side}_ankle"),
}


def angle_triples(skeleton: Skeleton) -> dict[str, tuple[int, int, int]]:
    """Angle -> indices of the joint before, at and after it.

    For bodies: elbow, shoulder, hip and knee on both sides. For other skeletons (hands): every
    joint in which exactly two limbs meet, under the joint's name.
    """
    index = {joint: k for k, joint in enumerate(skeleton.joints)}
    triples = {
        name.format(side=side): tuple(index[joint.format(side=side)] for joint in triple)
        for side in ("left", "right")
        for name, triple in _BODY.items()
        if all(joint.format(side=side) in index for joint in triple)
    }
    if not triples:
        for k, joint in enumerate(skeleton.joints):
            ends = [i + j - k for i, j in skeleton.limbs if k in (i, j)]
            if len(ends) == 2:
                triples[joint] = (ends[0], k, ends[1])
    return {name: (triple[0], triple[1], triple[2]) for name, triple in triples.items()}


def joint_angles(pose: PoseSequence) -> tuple[tuple[str, ...], FloatArray]:
    """Names (J,) and angles (T, J) float64 in degrees, 0 = folded to 180 = stretched.

    Angles are measured in the image plane, where a limb that points at the camera makes them look
    smaller or larger than they are. Those of a `spatial` pose are measured in 3D. NaN where a joint
    is missing or two of the joints coincide.
    """
    triples = angle_triples(get_skeleton(pose.skeleton))
    joints = compared_joints(pose)
    columns = []
    for before, at, after in triples.values():
        first, second = in_plane(
            joints[:, before] - joints[:, at], joints[:, after] - joints[:, at]
        )
        cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
        angle = np.degrees(np.arctan2(np.abs(cross), (first * second).sum(axis=1)))
        long = (np.abs(first).max(axis=1) > 0) & (np.abs(second).max(axis=1) > 0)
        columns.append(np.where(long, angle, np.nan))
    return tuple(triples), np.stack(columns, axis=1) if columns else np.empty((len(joints), 0))


def compared_joints(pose: PoseSequence) -> FloatArray:
    """Joints (T, K, 2) in the image, or (T, K, 3) in metres for a `spatial` pose, float64."""
    joints = pose.world if pose.spatial and pose.world is not None else pose.xy
    return np.asarray(joints, np.float64)


def in_plane(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two limbs (T, 2) unchanged, or (T, 3) mapped to the plane (T, 2) that they span, with the
    first along x and the angle between them preserved."""
    if first.shape[1] == 2:
        return first, second
    length = np.linalg.norm(first, axis=1)
    unit = first / np.where(length > 0, length, np.nan)[:, None]
    along = (second * unit).sum(axis=1)
    across = np.linalg.norm(second - along[:, None] * unit, axis=1)
    return np.column_stack([length, np.zeros(len(length))]), np.column_stack([along, across])


def angle_difference(
    a: PoseSequence, b: PoseSequence, position: FloatArray
) -> tuple[tuple[str, ...], FloatArray]:
    """Names (J,) and angles of B minus those of A, (N, J) degrees, at the frames of A.

    position: (N,) position of each frame of A among B's frames; angles of B are interpolated. NaN
    if there is no counterpart or a joint is missing. b: in the view that is compared, so that left
    is compared with left.
    """
    names, angle_a = joint_angles(a)
    _, angle_b = joint_angles(b)
    matched = ~np.isnan(position)
    frame_b = np.where(matched, position, 0)
    between = at_positions(angle_b, frame_b)
    return names, np.where(matched[:, None], between - angle_a, np.nan)
