"""Features of the joints alone: the raw-pose baselines, the fallback without a model, and joint
angles in the image or in 3D, with their differences between two aligned clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.resample import at_positions

RANGE = (1, 99)  # percentiles, so that single wrong joints do not count
EXTENDED = 90  # percentile over the clip of the length of a limb segment
LEAST_MOVEMENT = 0.1  # torso lengths, root of the summed squares of all joints
_FORESHORTENED = 0.5  # of the usual length in the image; an angle is then off by 30 degrees or more
# Angle -> the joint before it, the joint itself, the joint after it; {side} is left or right.
_BODY = {
    "{side}_elbow": ("{side}_shoulder", "{side}_elbow", "{side}_wrist"),
    "{side}_shoulder": ("{side}_elbow", "{side}_shoulder", "{side}_hip"),
    "{side}_hip": ("{side}_shoulder", "{side}_hip", "{side}_knee"),
    "{side}_knee": ("{side}_hip", "{side}_knee", "{side}_ankle"),
}


def fill_gaps(xy: FloatArray, time: FloatArray | None = None) -> FloatArray:
    """Fill NaN joints by linear interpolation in time, holding the ends.

    A joint that is never seen gets the mean of the other joints, after filling, in each frame (0 if
    none is seen).

    Parameters
    ----------
    xy: (T, K, C) positions, or scores as (T, K, 1).
    time: (T,) seconds, increasing; None = the frames are evenly spaced.
    """
    filled = np.array(xy, dtype=np.float64)
    clock = np.arange(len(xy)) if time is None else time
    seen = np.asarray(~np.isnan(filled).any(axis=-1))
    for k in range(filled.shape[1]):
        if seen[:, k].any() and not seen[:, k].all():
            for axis in range(filled.shape[2]):
                observed = filled[seen[:, k], k, axis]
                filled[:, k, axis] = np.interp(clock, clock[seen[:, k]], observed)
    never = ~seen.any(axis=0)
    if never.any():
        centre = filled[:, ~never].mean(axis=1) if (~never).any() else np.zeros(filled.shape[::2])
        filled[:, never] = centre[:, None]
    return filled


def centre_and_scale(xy: FloatArray, skeleton: Skeleton) -> tuple[FloatArray, float]:
    """Return root-centred joints in torso lengths, and the torso length in the units of xy.

    The root (mean of the skeleton's root joints) is subtracted per frame. The scale is one number
    per clip, the median torso length, so that crouching does not change it; 1 if no torso has any
    length.

    Parameters
    ----------
    xy: (T, K, 2), or (T, K, 3), without gaps.
    """
    centred = xy - xy[:, list(skeleton.root)].mean(axis=1, keepdims=True)
    ends = np.array(skeleton.torso)
    length = np.linalg.norm(xy[:, ends[:, 0]] - xy[:, ends[:, 1]], axis=-1).mean(axis=1)
    positive = length[length > 1e-6]
    scale = float(np.median(positive)) if len(positive) else 1.0
    return centred / scale, scale


def body_frame(pose: PoseSequence) -> tuple[FloatArray, float]:
    """Return `centre_and_scale` of a sequence with its gaps filled; the torso length is in
    pixels."""
    return centre_and_scale(fill_gaps(pose.xy, pose.time), get_skeleton(pose.skeleton))


def value_range(value: FloatArray) -> FloatArray:
    """Return the range (D,) of each column of value (T, D) between the percentiles RANGE."""
    low, high = np.percentile(value, RANGE, axis=0)
    return high - low


def amplitude(span: FloatArray) -> float:
    """Return the root mean square of sine waves with the ranges `span` (D,), all columns
    together."""
    return float(np.sqrt((span**2).sum() / 8))


def movement_of(joints: FloatArray) -> FloatArray:
    """Return the deviation (T, 2K) of joints (T, K, 2), in torso lengths, from the middle of each
    coordinate's range over the clip, in units of the movement of all joints together.

    Subtracting the middle removes body shape, clothes and most of the camera's effect; the unit
    removes how far a performer moves. Unlike means, ranges do not depend on how long a pose is
    held. Movement below LEAST_MOVEMENT is not amplified.
    """
    flat = joints.reshape(len(joints), -1)
    low, high = np.percentile(flat, RANGE, axis=0)
    return (flat - (low + high) / 2) / max(amplitude(high - low), LEAST_MOVEMENT)


def joints_for_features(
    pose: PoseSequence, smooth: Callable[[FloatArray], FloatArray] = np.asarray
) -> tuple[FloatArray, FloatArray, float]:
    """Return joints (T, K, 2) in the image, joints (T, K, 2) relative to the root in torso lengths,
    and the torso length in pixels; gaps are filled, then `smooth` is applied.

    For a `spatial` pose: only the height of the joints in the image, (T, K, 1), which looks alike
    from every side, and joints (T, K, 3) relative to the root, facing the camera.
    """
    skeleton = get_skeleton(pose.skeleton)
    joints = smooth(fill_gaps(pose.xy, pose.time))
    about_root, torso = centre_and_scale(joints, skeleton)
    if not pose.spatial:
        return joints, about_root, torso
    about_root, _ = centre_and_scale(smooth(fill_gaps(facing_joints(pose), pose.time)), skeleton)
    return joints[..., 1:], about_root, torso


def raw_pose(pose: PoseSequence) -> FloatArray:
    """Return (T, 2K) float64: root-centred, torso-scaled joints; (T, 3K) for a `spatial` pose."""
    return joints_for_features(pose)[1].reshape(len(pose), -1)


def raw_pose_velocity(pose: PoseSequence, weight: float = 1.5, reach: int = 2) -> FloatArray:
    """Return raw_pose and `weight` times its central difference over +-reach frames, (T, 4K)
    float64, or (T, 6K) for a `spatial` pose."""
    return with_velocity(raw_pose(pose), weight, reach)


def movement(pose: PoseSequence, weight: float = 1.0, reach: int = 2) -> FloatArray:
    """Return (T, 8K) float64: `movement_of` the joints in the image and relative to the root, and
    `weight` times its central difference over +-reach frames.

    These are the best features without a model. The joints in the image show the body rising or
    sinking, which is most of a squat or a pull-up; the joints relative to the root do not depend on
    a moving camera.
    """
    return with_velocity(movement_without_velocity(pose), weight, reach)


def movement_without_velocity(pose: PoseSequence) -> FloatArray:
    """Return (T, 4K) float64: `both_movements` of a sequence with its gaps filled."""
    return both_movements(*joints_for_features(pose))


def both_movements(joints: FloatArray, about_root: FloatArray, torso: float) -> FloatArray:
    """Return `movement_of` joints in the image, and of the same joints relative to the root.

    Parameters
    ----------
    joints: (T, K, 2) in the image; also (T, K, 1).
    about_root: (T, K, 2) relative to the root, in torso lengths; also (T, K, 3).
    torso: torso length in the unit of `joints`.
    """
    return np.concatenate([movement_of(joints / torso), movement_of(about_root)], axis=1)


def with_velocity(position: FloatArray, weight: float, reach: int) -> FloatArray:
    """Return (T, 2D): position (T, D), and `weight` times its difference between `reach` frames
    before and after; the ends are padded with their own values."""
    padded = np.pad(position, ((reach, reach), (0, 0)), mode="edge")
    velocity = padded[2 * reach :] - padded[: len(position)]
    return np.concatenate([position, weight * velocity], axis=1)


def time_only(pose: PoseSequence) -> FloatArray:
    """Return normalised time (T, 1) float64 in [0, 1], the baseline that every method must beat."""
    span = pose.time[-1] - pose.time[0]
    return ((pose.time - pose.time[0]) / (span if span > 0 else 1.0))[:, None]


def limb_extension(pose: PoseSequence) -> list[FloatArray]:
    """Return how far limbs are extended, (T, n) for each kind of limb (arms, legs, fingers of one
    name).

    It is the distance between a limb's ends as a share of its length, about 1 if the limb is
    straight and in the image plane, and hardly depends on where the camera stands. The length is
    the sum of the segments at their longest (percentile EXTENDED), since projection only shortens
    them. Gaps are filled; a limb without any length gives 0.
    """
    joints = fill_gaps(pose.xy, pose.time)
    kinds: dict[str, list[FloatArray]] = {}
    for name, chain in get_skeleton(pose.skeleton).chains.items():
        segments = np.linalg.norm(np.diff(joints[:, list(chain)], axis=1), axis=-1)
        length = float(np.percentile(segments, EXTENDED, axis=0).sum())
        reach = np.linalg.norm(joints[:, chain[-1]] - joints[:, chain[0]], axis=-1)
        kind = name.removeprefix("left_").removeprefix("right_")
        kinds.setdefault(kind, []).append(reach / length if length > 0 else 0 * reach)
    return [np.stack(limbs, axis=1) for limbs in kinds.values()]


def mirror(pose: PoseSequence) -> PoseSequence:
    """Return the sequence of the mirrored person: `flipped`, with left and right joints
    exchanged."""
    return flipped(pose, np.array(get_skeleton(pose.skeleton).flip))


def flipped(pose: PoseSequence, joints: IntArray) -> PoseSequence:
    """Return the sequence with x mirrored.

    Parameters
    ----------
    pose: the sequence. x is mirrored about the frame's vertical centre line, or about 0 if the size
        is unknown; in 3D about 0.
    joints: (K,) the joint that each becomes; 0..K-1 if left and right keep their names.
    """
    width = float(pose.size[0] - 1) if pose.size[0] else 0.0
    xy = pose.xy[:, joints].copy()
    xy[..., 0] = width - xy[..., 0]
    box = pose.box.copy()
    box[:, [0, 2]] = width - pose.box[:, [2, 0]]
    world = None if pose.world is None else pose.world[:, joints] * np.array([-1, 1, 1])
    trust = None if pose.trust is None else pose.trust[:, joints]
    return replace(
        pose, xy=xy, score=pose.score[:, joints], box=box, clip="", world=world, trust=trust
    )


# --- joints in metres, turned to face the camera, whichever side was filmed -----------------------

# Two cameras that film a movement from two sides see different joints in the image, but the same
# joints in 3D except for a turn about the vertical. The person's left and right determine the turn.
# The vertical is that of the camera, so if the camera looks down, the person appears to lean.

# Pairs of joints across the body, left or thumb side first; the first group that exists is used.
_ACROSS = (
    (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    (("left_wrist", "right_wrist"),),
    (("index1", "little1"),),
)


def turned(joints: FloatArray, angle: FloatArray | float) -> FloatArray:
    """Return joints (T, K, 3) turned about the vertical (y) by an angle in radians, a number or
    (T,), positive from x towards z."""
    cos, sin = (np.asarray(part(angle)).reshape(-1, 1) for part in (np.cos, np.sin))
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)


def heading(world: FloatArray, skeleton: Skeleton) -> float:
    """Return the angle in radians by which the body is `turned` away from the camera.

    It is the direction from the right to the left of the body in the horizontal plane, averaged
    over the clip, so that turns within the clip are kept; 0 if none of the joints that define it is
    known.

    Parameters
    ----------
    world: (T, K, 3) metres, NaN = unknown.
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
    """Return world (T, K, 3) turned about the vertical so that on average the body faces the
    camera."""
    return turned(world, -heading(world, skeleton))


def known_in_3d(pose: PoseSequence) -> bool:
    """Return whether any joint of the clip is known in metres."""
    return pose.world is not None and bool(np.isfinite(pose.world).any())


def in_3d(poses: Sequence[PoseSequence]) -> list[PoseSequence]:
    """Return the clips marked as `spatial` (features then use 3D) if all of them have 3D joints,
    otherwise unchanged."""
    spatial = all(known_in_3d(pose) for pose in poses)
    return [replace(pose, spatial=True) for pose in poses] if spatial else list(poses)


def need_3d(poses: Iterable[tuple[str, PoseSequence]]) -> None:
    """Raise UserError (exit 5) for the first of (name, clip) without joints in metres."""
    for name, pose in poses:
        if not known_in_3d(pose):
            raise Mismatch(
                f"{name} has no joints in 3D, which model.input=joints3d needs",
                hint="extract or import the clips with a source of 3D joints "
                "(docs/how-to/poses.md), or train with --input joints",
            )


def facing_joints(pose: PoseSequence) -> FloatArray:
    """Return joints (T, K, 3) in metres of a clip that has them, `facing` the camera."""
    return facing(known_world(pose), get_skeleton(pose.skeleton))


def known_world(pose: PoseSequence) -> FloatArray:
    """Return joints (T, K, 3) in metres; raises ValueError for a clip that has none."""
    if pose.world is None:
        raise ValueError("the clip has no joints in metres")
    return pose.world


def angle_triples(skeleton: Skeleton) -> dict[str, tuple[int, int, int]]:
    """Return, for each angle, the indices of the joint before, at and after it.

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
    """Return names (J,) and angles (T, J) float64 in degrees, 0 = folded to 180 = stretched.

    Angles are measured in the image plane, where a limb that points at the camera makes them look
    smaller or larger; those of a `spatial` pose are measured in 3D. NaN where a joint is missing or
    two of the joints coincide.
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


def foreshortened(pose: PoseSequence) -> BoolArray:
    """Return which angles (T, J) of `joint_angles` the image cannot show, because a limb points at
    the camera: it is shorter than half of its usual length there.

    The usual length is the median over the clip on the side where it is larger, since the other
    limb may point at the camera all along. No angle in 3D is foreshortened.
    """
    skeleton = get_skeleton(pose.skeleton)
    triples = angle_triples(skeleton)
    hidden = np.zeros((len(pose), len(triples)), bool)
    if pose.spatial:
        return hidden
    joints, mirror = compared_joints(pose), skeleton.flip
    for j, (before, at, after) in enumerate(triples.values()):
        for end in (before, after):
            length = np.linalg.norm(joints[:, end] - joints[:, at], axis=1)
            other = np.linalg.norm(joints[:, mirror[end]] - joints[:, mirror[at]], axis=1)
            lengths = [side[~np.isnan(side)] for side in (length, other)]
            usual = max((float(np.median(side)) for side in lengths if len(side)), default=0.0)
            hidden[:, j] |= length < _FORESHORTENED * usual
    return hidden


def seen_angles(pose: PoseSequence) -> tuple[tuple[str, ...], FloatArray, BoolArray]:
    """Return `joint_angles`, names (J,) and degrees (T, J), with NaN where the image cannot show
    them, and where that is (T, J), `foreshortened`."""
    (names, angle), hidden = joint_angles(pose), foreshortened(pose)
    return names, np.where(hidden, np.nan, angle), hidden


def compared_joints(pose: PoseSequence) -> FloatArray:
    """Return joints (T, K, 2) float64 in the image, or (T, K, 3) in metres for a `spatial` pose."""
    joints = pose.world if pose.spatial and pose.world is not None else pose.xy
    return np.asarray(joints, np.float64)


def in_plane(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two limbs (T, 2) unchanged, or two limbs (T, 3) in the plane (T, 2) that they span,
    with the first along x."""
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
    """Return names (J,) and angles of B minus those of A, (N, J) degrees, at the frames of A.

    Parameters
    ----------
    a: joints of A.
    b: joints of B in the view that is compared, so that left is compared with left.
    position: (N,) position of each frame of A among B's frames; angles of B are interpolated. NaN
        if there is no counterpart or a joint is missing.
    """
    names, angle_a = joint_angles(a)
    _, angle_b = joint_angles(b)
    matched = ~np.isnan(position)
    frame_b = np.where(matched, position, 0)
    between = at_positions(angle_b, frame_b)
    return names, np.where(matched[:, None], between - angle_a, np.nan)
