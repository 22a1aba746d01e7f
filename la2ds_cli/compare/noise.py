"""How far an angle in the picture can be trusted: what error of the joints, and what small turn of
the camera, would change it."""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.joint_angles import angle_triples
from la2ds_cli.poses.quality import assess

# Torso lengths, standard deviation per coordinate, of the best joints; 1 cm on an adult.
LEAST_ERROR = 0.02
# Errors of a pose network last for several frames, so that they are larger than their jitter: 1.8
# times on the rendered clips, whose true joints are known.
_PER_JITTER = 1.8
_MOST_DOUBT = 4.0  # a joint's error over that of the clip's usual joint


def angle_noise(pose: PoseSequence) -> FloatArray:
    """(T, J) standard deviation in degrees of the angles of `joint_angles`; NaN where those are.

    An error of the joints of s torso lengths, the same in every direction, turns a limb of length l
    by s / l: short limbs, as those that point at the camera, have uncertain angles. s comes from
    the jitter of the clip, at least LEAST_ERROR, and grows with the square of how much lower than
    usual in the clip the joint's score is; scores of two networks mean different things.
    """
    xy = _in_torsos(pose)
    jitter = assess(pose)["jitter"] or 0.0
    score = np.asarray(pose.score, np.float64)
    usual = float(np.median(score[score > 0])) if (score > 0).any() else 1.0
    doubt = np.clip((usual / np.maximum(score, 1e-3)) ** 2, 1, _MOST_DOUBT)
    error = max(LEAST_ERROR, _PER_JITTER * jitter) * doubt  # (T, K)
    columns = []
    for before, at, after in _triples(pose):
        first, second = xy[:, before] - xy[:, at], xy[:, after] - xy[:, at]
        # The angle is the direction of one limb less that of the other.
        by_first, by_second = _turned_by(first), _turned_by(second)
        variance = (
            error[:, before] ** 2 * (by_first**2).sum(axis=1)
            + error[:, after] ** 2 * (by_second**2).sum(axis=1)
            + error[:, at] ** 2 * ((by_first - by_second) ** 2).sum(axis=1)
        )
        columns.append(np.degrees(np.sqrt(variance)))
    return _columns(columns, len(pose))


def turn_sensitivity(pose: PoseSequence) -> FloatArray:
    """(T, J) degrees by which each angle would change per degree that the camera goes round the
    body; NaN where the angle is.

    A limb as short in the picture as a share of the longest it ever is there must point towards
    the camera or away, by as much as is missing; turning the camera moves its end sideways by that
    depth. The two limbs of an angle count as independent.
    """
    xy = _in_torsos(pose)
    columns = []
    for before, at, after in _triples(pose):
        changes = [_per_turn(xy[:, end] - xy[:, at]) for end in (before, after)]
        columns.append(np.hypot(*changes))
    return _columns(columns, len(pose))


def _triples(pose: PoseSequence) -> list[tuple[int, int, int]]:
    return list(angle_triples(get_skeleton(pose.skeleton)).values())


def _columns(columns: list[FloatArray], length: int) -> FloatArray:
    return np.stack(columns, axis=1) if columns else np.empty((length, 0))


def _in_torsos(pose: PoseSequence) -> FloatArray:
    """Joints (T, K, 2) in lengths of the torso at its longest, gaps kept; where no torso is ever
    seen, in lengths of the longest limb, which is little less."""
    xy = np.asarray(pose.xy, np.float64)
    skeleton = get_skeleton(pose.skeleton)
    for ends in (np.array(skeleton.torso), np.array(skeleton.limbs)):
        # Of either side: from the side, labels may leave out the far one.
        length = np.linalg.norm(xy[:, ends[:, 0]] - xy[:, ends[:, 1]], axis=-1)
        known = length[~np.isnan(length)]
        unit = float(np.percentile(known, 90)) if len(known) else 0.0
        if unit > 0:
            return xy / unit
    return xy


def _turned_by(limb: FloatArray) -> FloatArray:
    """(T, 2) radians that a limb (T, 2) turns per unit that its end moves along x and y."""
    squared = (limb**2).sum(axis=1)
    across = np.column_stack([-limb[:, 1], limb[:, 0]])
    return across / np.where(squared > 0, squared, np.nan)[:, None]


def _per_turn(limb: FloatArray) -> FloatArray:
    """(T,) degrees that a limb (T, 2) turns in the picture per degree of the camera."""
    length = np.linalg.norm(limb, axis=1)
    known = length[~np.isnan(length)]
    full = float(np.percentile(known, 95)) if len(known) else 0.0
    depth = np.sqrt(np.maximum(full**2 - length**2, 0))
    return depth * np.abs(limb[:, 1]) / np.where(length > 0, length, np.nan) ** 2
