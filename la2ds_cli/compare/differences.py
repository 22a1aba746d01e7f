"""Angles of two aligned clips over the time of the reference, and the part of their difference that
noise of the joints, the camera, an uncertain alignment or unreliable joints cannot explain."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.compare.viewpoint import ViewDifference
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.pose_features import (
    angle_difference,
    angle_triples,
    compared_joints,
    in_plane,
    joint_angles,
)
from la2ds_cli.poses.quality import assess
from la2ds_cli.poses.trust import LEAST_TRUST, trust_of

SMOOTHING = 0.1  # seconds over which the median of a difference is taken, at least 3 frames
LEAST = 8.0  # degrees: smaller differences are no faults, however well they are measured
DEVIATIONS = 2.0  # standard deviations of both clips' noise
LEAST_TURN = 5.0  # degrees; two cameras set up by hand agree no better than this
SURE = 0.5  # least confidence of the alignment
SAME_VIEW = 15.0  # degrees; estimates of the same view scatter that far
OTHER_VIEW = 30.0  # degrees; beyond, angles say nothing about the movement
_OTHER_NOW = 40.0  # the same limit at a single moment, where the estimate is less certain
_REACH = 1.0  # frames of B: no moment is known more exactly
# Standard deviation per coordinate of the best joints, torso lengths; 1 cm on an adult.
LEAST_ERROR = 0.02
# Errors of a pose network last for several frames, so they are larger than the jitter: 1.8 times as
# large on the rendered clips, whose true joints are known.
_PER_JITTER = 1.8

# Why nothing is said about a moment; Differences.doubt holds indices of these.
DOUBTS = (
    "",
    "no counterpart in the other clip",
    "the other clip has not begun or is over",
    "the alignment is not sure",
    "the two bodies are seen from different sides",
)
_MATCHED, _UNMATCHED, _HELD, _UNSURE, _TURNED = range(5)


@dataclass(frozen=True)
class Differences:
    """Angles over the reference's N frames and J joints; degrees, NaN = not known.

    names: (J,) of joint_angles. reference, other: (N, J) angles of the two, the other's at the
    matched moment; each the median over SMOOTHING. floor: (N, J) the difference that noise and
    camera can explain. beyond: (N, J) signed, how far the difference exceeds the floor at every
    moment of the other clip within the alignment's interval; 0 if it does not. doubt: (N,) index of
    DOUBTS, 0 = the moment can be judged. trust_reference, trust_other: (N, J) in [0, 1], trust of
    the least trusted joint of the angle.
    """

    names: tuple[str, ...]
    axis: TimeAxis
    reference: FloatArray
    other: FloatArray
    floor: FloatArray
    beyond: FloatArray
    doubt: IntArray
    trust_reference: FloatArray
    trust_other: FloatArray

    @property
    def time(self) -> FloatArray:
        """(N,) seconds of the reference."""
        return self.axis.seconds

    @property
    def difference(self) -> FloatArray:
        """(N, J) degrees, other minus reference."""
        return self.other - self.reference

    @property
    def sure(self) -> BoolArray:
        """(N,) whether a moment can be judged at all: the alignment is sure enough, the other clip
        shows it, and both bodies are seen from about the same side."""
        return np.asarray(self.doubt == _MATCHED)

    @property
    def trust(self) -> FloatArray:
        """(N, J) in [0, 1], the lower of the angle's trust in the two clips."""
        return np.minimum(self.trust_reference, self.trust_other)

    @property
    def judged(self) -> BoolArray:
        """(N, J) whether a joint can be judged at a moment: the moment can, the angle is known in
        both clips, and all of its joints can be trusted there."""
        known = ~np.isnan(self.difference) & ~np.isnan(self.beyond)
        return np.asarray(self.sure[:, None] & known & (self.trust >= LEAST_TRUST))


def differences(
    a: PoseSequence, b: PoseSequence, alignment: Alignment, view: ViewDifference
) -> Differences:
    """Return differences of B, as it is shown, from the reference A along their alignment. Raises
    ValueError for clips of different skeletons."""
    position = alignment.position
    names, raw = angle_difference(a, b, position)
    _, angle_a = joint_angles(a)
    _, angle_b = joint_angles(b)
    half = a.axis.rows_within(SMOOTHING / 2)
    reference, other = (running_median(value, half) for value in (angle_a, raw + angle_a))
    low, high = angle_range(angle_b, *interval(alignment))
    least, most = (running_median(end - angle_a, half) for end in (low, high))
    difference = other - reference
    # Where angles are missing, these medians and the difference come from different rows.
    least, most = np.fmin(least, difference), np.fmax(most, difference)
    floor = _floor(a, b, position, view)
    beyond = np.where(least > floor, least - floor, np.where(most < -floor, most + floor, 0.0))
    beyond = np.where(np.isnan(difference) | np.isnan(floor), np.nan, beyond)
    _, row = nearest_rows(position, len(b))
    return Differences(
        names,
        a.axis,
        reference,
        other,
        floor,
        beyond,
        _doubt(a, len(b), alignment, view),
        running_median(angle_trust(a), half),
        running_median(angle_trust(b)[row], half),
    )


def _doubt(a: PoseSequence, length_b: int, alignment: Alignment, view: ViewDifference) -> IntArray:
    position = alignment.position
    with np.errstate(invalid="ignore"):
        turned = np.asarray(view.by_frame > _OTHER_NOW) & (not a.spatial)
    reasons = {
        _UNMATCHED: np.isnan(position),
        _HELD: held_ends(position, length_b, a.time),
        _UNSURE: alignment.confidence < SURE,
        _TURNED: turned,
    }
    return np.select(list(reasons.values()), list(reasons), _MATCHED)


def interval(alignment: Alignment) -> tuple[FloatArray, FloatArray]:
    """Return (N,) and (N,) first and last position among B's frames where each frame of A may lie:
    the alignment's bounds, at least one frame on either side; NaN = no counterpart."""
    position = alignment.position
    return (np.fmin(alignment.low, position - _REACH), np.fmax(alignment.high, position + _REACH))


def held_ends(position: FloatArray, length: int, time: FloatArray) -> BoolArray:
    """Return (N,) frames of A that match the first or the last frame of B for longer than
    SMOOTHING.

    With closed ends, B begins later or ends earlier than A there: it does not show those moments.

    Parameters
    ----------
    position: (N,) in B, which has `length` frames.
    time: (N,) seconds of A.
    """
    held = np.zeros(len(position), bool)
    with np.errstate(invalid="ignore"):
        at_ends = position < 0.5, position > length - 1.5
    for at_end in at_ends:
        rows = np.flatnonzero(at_end)
        if len(rows) and time[rows[-1]] - time[rows[0]] > SMOOTHING:
            held[rows] = True
    return held


def angle_range(
    angle: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return (N, J) least and greatest of angle (M, J) over the rows between low and high (N,),
    including the row before and the row after; NaN where those are NaN, or no angle is known."""
    least = np.full((len(low), angle.shape[1]), np.nan)
    most = least.copy()
    last = len(angle) - 1
    for n in np.flatnonzero(~np.isnan(low) & ~np.isnan(high)):
        first = int(np.clip(np.floor(low[n]), 0, last))
        rows = angle[first : int(np.clip(np.ceil(high[n]), first, last)) + 1]
        least[n], most[n] = np.fmin.reduce(rows), np.fmax.reduce(rows)
    return least, most


def running_median(value: FloatArray, half: IntArray) -> FloatArray:
    """Return the median of the known values of value (N, J) over `half` (N,) rows before and after
    each row; NaN where the row itself is NaN."""
    middle = np.full(value.shape, np.nan)
    for reach in np.unique(half):
        padded = np.pad(value, ((reach, reach), (0, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
        rows = half == reach
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows without any value
            middle[rows] = np.nanmedian(windows[rows], axis=-1)
    return np.where(np.isnan(value), np.nan, middle)


def _floor(
    a: PoseSequence, b: PoseSequence, position: FloatArray, view: ViewDifference
) -> FloatArray:
    """Return (N, J) degrees: the effect of both clips' noise and of the turn between the cameras,
    at least LEAST. Angles in 3D do not change with the camera."""
    around = np.fmax(view.by_frame, view.turn)
    turn = np.where(around > SAME_VIEW, around, LEAST_TURN)[:, None]  # NaN: as if the same
    matched, row = nearest_rows(position, len(b))
    noise = np.hypot(angle_noise(a), angle_noise(b)[row])
    # A limb may be foreshortened in one clip only, which makes its angle uncertain.
    turned = np.fmax(turn_sensitivity(a), turn_sensitivity(b)[row]) * turn
    floor = np.maximum(np.hypot(DEVIATIONS * noise, turned), LEAST)
    return np.where(matched[:, None], floor, np.nan)


# --- how far an angle in the picture can be trusted ------------------------------------------


def angle_trust(pose: PoseSequence) -> FloatArray:
    """Return (T, J) in [0, 1], the trust of the least trusted joint of each angle of
    `joint_angles`."""
    return np.asarray(trust_of(pose), np.float64)[:, _triples(pose)].min(axis=2)


def angle_noise(pose: PoseSequence) -> FloatArray:
    """Return (T, J) standard deviation in degrees of the angles of `joint_angles`; NaN where those
    are.

    An error of s torso lengths in every direction turns a limb of length l by s / l: short limbs,
    such as those that point at the camera, have uncertain angles. s is estimated from the jitter of
    the clip, and is at least LEAST_ERROR.
    """
    joints = _in_torsos(pose)
    variance = np.empty((len(pose), len(_triples(pose))))
    for j, (before, at, after) in enumerate(_triples(pose)):
        limbs = joints[:, before] - joints[:, at], joints[:, after] - joints[:, at]
        # The angle is the difference between the directions of the two limbs.
        first, second = (_turned_by(limb) for limb in in_plane(*limbs))
        variance[:, j] = (first**2 + second**2 + (first - second) ** 2).sum(axis=1)
    return np.degrees(max(LEAST_ERROR, _PER_JITTER * _jitter(pose)) * np.sqrt(variance))


def turn_sensitivity(pose: PoseSequence) -> FloatArray:
    """Return (T, J) degrees by which each angle would change per degree that the camera turns
    around the body; NaN where the angle is, 0 for a `spatial` pose.

    A limb that is shorter in the picture than its longest there must point towards the camera or
    away from it; the missing length gives its depth, by which turning the camera moves its end
    sideways. The two limbs of an angle count as independent.
    """
    xy, sensitivity = _in_torsos(pose), np.zeros((len(pose), len(_triples(pose))))
    if not pose.spatial:
        for j, (before, at, after) in enumerate(_triples(pose)):
            changes = [_per_turn(xy[:, end] - xy[:, at]) for end in (before, after)]
            sensitivity[:, j] = np.hypot(*changes)
    return sensitivity


def _jitter(pose: PoseSequence) -> float:
    """Jitter of the joints that are compared, torso lengths; in 3D that of the plane along the
    view, which is known less well than the picture's."""
    if pose.spatial and pose.world is not None:
        pose = replace(pose, xy=pose.world[..., [2, 1]], world=None, spatial=False)
    return assess(pose)["jitter"] or 0.0


def _triples(pose: PoseSequence) -> IntArray:
    """Return (J, 3) joints before, at and after each angle."""
    triples = list(angle_triples(get_skeleton(pose.skeleton)).values())
    return np.array(triples, np.int64).reshape(-1, 3)


def _in_torsos(pose: PoseSequence) -> FloatArray:
    """Return joints (T, K, 2), or (T, K, 3) of a `spatial` pose, in units of the torso's largest
    length; if no torso is ever seen, in units of the longest limb, which is little less. Gaps stay
    NaN."""
    xy = compared_joints(pose)
    skeleton = get_skeleton(pose.skeleton)
    for ends in (np.array(skeleton.torso), np.array(skeleton.limbs)):
        # Both sides together: labels of a side view may leave out the far one.
        length = np.linalg.norm(xy[:, ends[:, 0]] - xy[:, ends[:, 1]], axis=-1)
        known = length[~np.isnan(length)]
        unit = float(np.percentile(known, 90)) if len(known) else 0.0
        if unit > 0:
            return xy / unit
    return xy


def _turned_by(limb: FloatArray) -> FloatArray:
    """Return (T, 2) radians that a limb (T, 2) turns per unit that its end moves along x and y."""
    squared = (limb**2).sum(axis=1)
    across = np.column_stack([-limb[:, 1], limb[:, 0]])
    return across / np.where(squared > 0, squared, np.nan)[:, None]


def _per_turn(limb: FloatArray) -> FloatArray:
    """Return (T,) degrees that a limb (T, 2) turns in the picture per degree of the camera."""
    length = np.linalg.norm(limb, axis=1)
    known = length[~np.isnan(length)]
    full = float(np.percentile(known, 95)) if len(known) else 0.0
    depth = np.sqrt(np.maximum(full**2 - length**2, 0))
    return depth * np.abs(limb[:, 1]) / np.where(length > 0, length, np.nan) ** 2
