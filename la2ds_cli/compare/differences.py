"""Angles of two aligned clips over the time of the reference, and the part of their difference that
noise of the joints, the camera, an uncertain alignment or unreliable joints cannot explain."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import tolerance_of
from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.compare.judged_moments import JUDGED, find_doubts, interval
from la2ds_cli.compare.measured_quantities import (
    quantity_noise,
    quantity_trust,
    quantity_values,
)
from la2ds_cli.compare.viewpoint import ViewDifference
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints, is_body
from la2ds_cli.features.body_quantities import QUANTITIES, Quantity
from la2ds_cli.features.pose_features import (
    angle_triples,
    compared_joints,
    in_plane,
    joint_angles,
    seen_angles,
)
from la2ds_cli.features.resample import at_positions
from la2ds_cli.poses.trust import LEAST_TRUST, trust_of

SMOOTHING = 1 / 6  # seconds over which medians of joints are taken, at least 3 frames
LEAST = 16.0  # degrees: smaller differences are no faults, however well they are measured
# Of the least difference (10 degrees of an angle); exceeded for as long as a difference lasts.
SLIGHT = 5 / 8
DEVIATIONS = 2.0  # standard deviations of both clips' noise and of the moment
LEAST_TURN = 5.0  # degrees; two cameras set up by hand agree no better than this
# Share of the 90 % interval, on both sides, in which most true moments lie: about a standard
# deviation.
LIKELY = 0.5
SAME_VIEW = 15.0  # degrees; estimates of the same view scatter that far
OTHER_VIEW = 30.0  # degrees; beyond, angles say nothing about the movement
MORE_ALIKE = 0.6  # of the difference in all angles: a moment that is much more alike
# Standard deviation per coordinate of the best joints after smoothing, torso lengths; 5 mm on an
# adult.
LEAST_ERROR = 0.01
# Of the deviation from the smoothed joint, which the smoothed joint itself has: white noise has
# 1 / sqrt(5) over five frames, errors of a pose network last longer.
_REMAINS = 0.5
_AROUND = 0.25  # seconds before and after over which this deviation is taken


@dataclass(frozen=True)
class Differences:
    """Angles and quantities over the reference's N frames, J in all; NaN = not known.

    names: (J,) of joint_angles, in degrees, then of `quantities`, in their units. reference, other:
    (N, J) values of the two, the other's at the matched moment, of joints that are medians over
    SMOOTHING; NaN where a limb points at the camera. floor: (N, J) the difference that noise,
    camera and the match can explain, at least `least`. doubt: (N,) index of DOUBTS, 0 = the moment
    can be judged. trust_reference, trust_other: (N, J) in [0, 1], trust of the least trusted joint
    of the angle.
    """

    names: tuple[str, ...]
    axis: TimeAxis
    reference: FloatArray
    other: FloatArray
    floor: FloatArray
    doubt: IntArray
    trust_reference: FloatArray
    trust_other: FloatArray
    quantities: tuple[Quantity, ...] = ()

    def quantity(self, name: str) -> Quantity | None:
        """Return the quantity of a name, None for an angle."""
        return next((one for one in self.quantities if one.name == name), None)

    @property
    def angle_count(self) -> int:
        """How many of the J are angles; they come first."""
        return len(self.names) - len(self.quantities)

    @property
    def least(self) -> FloatArray:
        """(J,) smaller differences are no faults, however well they are measured."""
        return _least(self.angle_count, self.quantities)

    @property
    def time(self) -> FloatArray:
        """(N,) seconds of the reference."""
        return self.axis.seconds

    @property
    def difference(self) -> FloatArray:
        """(N, J) degrees, other minus reference."""
        return self.other - self.reference

    @property
    def beyond(self) -> FloatArray:
        """(N, J) degrees, signed, by which the difference exceeds the floor; 0 if it does not."""
        excess = np.maximum(np.abs(self.difference) - self.floor, 0.0)
        return np.sign(self.difference) * excess

    @property
    def direction(self) -> IntArray:
        """(N, J) 1 or -1 where the other value is larger or smaller by more than SLIGHT of the
        least difference; 0 where it is not, or cannot be judged."""
        clear = self.judged & (np.abs(self.difference) > SLIGHT * self.least)
        return np.where(clear, np.sign(self.difference), 0).astype(np.int64)

    @property
    def evidence(self) -> FloatArray:
        """(N, J) the difference in units of its floor, signed; NaN where it cannot be judged."""
        return np.where(self.judged, self.difference / self.floor, np.nan)

    @property
    def sure(self) -> BoolArray:
        """(N,) whether a moment can be judged at all: the alignment is sure enough, the other clip
        shows it, and both bodies are seen from about the same side."""
        return np.asarray(self.doubt == JUDGED)

    @property
    def trust(self) -> FloatArray:
        """(N, J) in [0, 1], the lower of the angle's trust in the two clips."""
        return np.minimum(self.trust_reference, self.trust_other)

    @property
    def judged(self) -> BoolArray:
        """(N, J) whether a joint can be judged at a moment: the moment can, the angle is known in
        both clips, and all of its joints can be trusted there."""
        known = ~np.isnan(self.difference) & ~np.isnan(self.floor)
        return np.asarray(self.sure[:, None] & known & (self.trust >= LEAST_TRUST))


def differences(
    a: PoseSequence,
    b: PoseSequence,
    alignment: Alignment,
    view: ViewDifference,
    quantities: Sequence[Quantity] = QUANTITIES,
) -> Differences:
    """Return differences of B, as it is shown, from the reference A along their alignment.

    What a difference loses where the match may lie instead counts as one more error of it: a
    moment in doubt then weighs as much as noise of the same size.

    Parameters
    ----------
    a: the reference.
    b: the other clip, in the view in which it is compared.
    alignment: of B with A.
    view: how far the two cameras stand apart.
    quantities: that are measured beside the angles; none of a skeleton that is no body.

    Raises
    ------
    ValueError: for clips of different skeletons.
    """
    position, even = alignment.position, (smoothed(a), smoothed(b))
    quantities = tuple(quantities) if is_body(a.skeleton) else ()
    (names, seen_a, _), (_, seen_b, _) = (seen_angles(pose) for pose in even)
    more_a, more_b = (quantity_values(pose, quantities) for pose in even)
    value_a, value_b = np.hstack([seen_a, more_a]), np.hstack([seen_b, more_b])
    matched, row = nearest_rows(position, len(b))
    other = at_positions(value_b, np.where(matched, position, 0))
    other[~matched] = np.nan
    difference, smallest = other - value_a, _least(len(names), quantities)
    (noise_a, turned_a), (noise_b, turned_b) = (
        _uncertainty(raw, pose, quantities) for raw, pose in zip((a, b), even, strict=True)
    )
    around = np.fmax(view.by_frame, view.turn)
    turn = np.where(around > SAME_VIEW, around, LEAST_TURN)[:, None]  # NaN: as if the same
    whole_a, whole_b = (
        np.hstack([joint_angles(pose)[1], more])
        for pose, more in zip(even, (more_a, more_b), strict=True)
    )
    elsewhere = _difference_elsewhere(whole_a, whole_b, alignment, len(names))
    ends = [end - value_a for end in angle_range(value_b, *_likely(alignment))]
    # A limb may be foreshortened in one clip only, which makes its angle uncertain.
    floor = np.sqrt(
        smallest**2
        + DEVIATIONS**2
        * (noise_a**2 + noise_b[row] ** 2 + _lost(difference, [*ends, elsewhere]) ** 2)
        + (np.fmax(turned_a, turned_b[row]) * turn) ** 2
    )
    return Differences(
        (*names, *(quantity.name for quantity in quantities)),
        a.axis,
        value_a,
        other,
        np.where(matched[:, None], floor, np.nan),
        find_doubts(a, len(b), alignment, view),
        _trust(a, quantities),
        _trust(b, quantities)[row],
        quantities,
    )


def _uncertainty(
    raw: PoseSequence, even: PoseSequence, quantities: Sequence[Quantity]
) -> tuple[FloatArray, FloatArray]:
    """Return (T, J) standard deviations by noise of the joints, and (T, J) changes for each degree
    that the camera turns."""
    noise, turned = angle_noise(even, joint_error(raw, even)), turn_sensitivity(even)
    if not quantities:
        return noise, turned
    error = joint_error(body_joints(raw), body_joints(even))
    more = quantity_noise(even, error, quantities)
    return np.hstack([noise, more[0]]), np.hstack([turned, more[1]])


def _trust(pose: PoseSequence, quantities: Sequence[Quantity]) -> FloatArray:
    trust = angle_trust(pose)
    return np.hstack([trust, quantity_trust(pose, quantities)]) if quantities else trust


def _least(angles: int, quantities: Sequence[Quantity]) -> FloatArray:
    return np.array([LEAST] * angles + [quantity.least for quantity in quantities])


def _likely(alignment: Alignment) -> tuple[FloatArray, FloatArray]:
    """Return (N,) and (N,) the ends of the LIKELY part of each interval."""
    position = alignment.position
    low, high = interval(alignment)
    return position - LIKELY * (position - low), position + LIKELY * (high - position)


def _lost(difference: FloatArray, elsewhere: Sequence[FloatArray]) -> FloatArray:
    """Return (N, J) by how much a difference is smaller, or of the other direction, at the worst
    of other moments that may be the true one, at which it is `elsewhere`; NaN there = not known."""
    smaller = np.sign(difference) * (difference - np.stack(elsewhere))
    return np.fmax(np.fmax.reduce(smaller), 0)


def _difference_elsewhere(
    value_a: FloatArray, value_b: FloatArray, alignment: Alignment, angles: int
) -> FloatArray:
    """Return (N, J) by how much B differs from A at the nearby moment of B that is most like A
    in all angles, which are the first columns; NaN where none is much more alike than the match.

    Where there is such a moment, the match may be wrong by as much, or B does the same earlier or
    later. Nearby: within the alignment's interval, and within what counts as right.
    """
    axis = alignment.pose_b.axis
    found, reach = np.full(value_a.shape, np.nan), tolerance_of(axis)
    low, high = interval(alignment)
    moment = axis.seconds_at(alignment.position)
    low = np.fmin(low, axis.rows_at(moment - reach))
    high = np.fmax(high, axis.rows_at(moment + reach))
    for n in np.flatnonzero(~np.isnan(alignment.position)):
        first = max(int(np.floor(low[n])), 0)
        off = value_b[first : int(np.ceil(high[n])) + 1] - value_a[n]
        here = int(np.clip(np.rint(alignment.position[n]) - first, 0, len(off) - 1))
        known = np.flatnonzero(~np.isnan(off[:, :angles]).any(axis=0))
        if not len(known):
            continue
        total = np.sqrt(np.square(off[:, known]).mean(axis=1))
        best = int(total.argmin())
        if total[best] < MORE_ALIKE * total[here]:
            found[n] = off[best]
    return found


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


def smoothed(pose: PoseSequence) -> PoseSequence:
    """Return a clip whose joints are medians over SMOOTHING, which errors of single frames do not
    move; gaps stay."""
    half = pose.axis.rows_within(SMOOTHING / 2)
    world = None if pose.world is None else running_median(pose.world, half)
    return replace(pose, xy=running_median(pose.xy, half), world=world, trust=trust_of(pose))


def running_median(value: FloatArray, half: IntArray) -> FloatArray:
    """Return the median of the known values of value (N, ...) over `half` (N,) rows before and
    after each row; NaN where the row itself is NaN."""
    middle = np.full(value.shape, np.nan)
    for reach in np.unique(half):
        around = [(reach, reach)] + [(0, 0)] * (value.ndim - 1)
        padded = np.pad(value.astype(np.float64), around, constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
        rows = half == reach
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows without any value
            middle[rows] = np.nanmedian(windows[rows], axis=-1)
    return np.where(np.isnan(value), np.nan, middle)


def _running_mean(value: FloatArray, half: IntArray) -> FloatArray:
    """Return the mean of the known values of value (N, ...) over `half` (N,) rows before and after
    each row; NaN where the row itself is NaN."""
    known = ~np.isnan(value)
    rows = np.arange(len(value))
    first, stop = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(value))
    total, count = (
        np.concatenate([np.zeros((1, *value.shape[1:])), np.cumsum(each, axis=0, dtype=np.float64)])
        for each in (np.where(known, value, 0), known)
    )
    mean = (total[stop] - total[first]) / np.maximum(count[stop] - count[first], 1)
    return np.where(known, mean, np.nan)


# --- how far an angle in the picture can be trusted ------------------------------------------


def angle_trust(pose: PoseSequence) -> FloatArray:
    """Return (T, J) in [0, 1], the trust of the least trusted joint of each angle of
    `joint_angles`."""
    return np.asarray(trust_of(pose), np.float64)[:, _triples(pose)].min(axis=2)


def angle_noise(pose: PoseSequence, error: FloatArray | float) -> FloatArray:
    """Return (T, J) standard deviation in degrees of the angles of `joint_angles`; NaN where those
    are.

    An error of s torso lengths in every direction turns a limb of length l by s / l: short limbs,
    such as those that point at the camera, have uncertain angles.

    Parameters
    ----------
    error: (T, K) s of each joint at each moment.
    """
    joints = _in_torsos(pose)
    squared = np.broadcast_to(np.square(error), joints.shape[:2])
    variance = np.empty((len(pose), len(_triples(pose))))
    for j, (before, at, after) in enumerate(_triples(pose)):
        limbs = joints[:, before] - joints[:, at], joints[:, after] - joints[:, at]
        # The angle is the difference between the directions of the two limbs.
        first, second = (_turned_by(limb) for limb in in_plane(*limbs))
        parts = (first, before), (second, after), (first - second, at)
        variance[:, j] = sum((turn**2).sum(axis=1) * squared[:, joint] for turn, joint in parts)
    return np.degrees(np.sqrt(variance))


def joint_error(pose: PoseSequence, even: PoseSequence) -> FloatArray:
    """Return (T, K) standard deviation per coordinate of smoothed joints, torso lengths, at least
    LEAST_ERROR: by how far the joints lie from the smoothed ones around each moment, and by their
    trust.

    Parameters
    ----------
    even: the clip, `smoothed`.
    """
    off = compared_joints(pose) - compared_joints(even)
    half = pose.axis.rows_within(_AROUND)
    deviation = np.sqrt(_running_mean((off**2).mean(axis=-1), half)) / _torso(even)
    trust = np.maximum(trust_of(pose), LEAST_TRUST)
    return np.fmax(_REMAINS * deviation, LEAST_ERROR) / trust


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


def _triples(pose: PoseSequence) -> IntArray:
    """Return (J, 3) joints before, at and after each angle."""
    triples = list(angle_triples(get_skeleton(pose.skeleton)).values())
    return np.array(triples, np.int64).reshape(-1, 3)


def _in_torsos(pose: PoseSequence) -> FloatArray:
    """Return joints (T, K, 2), or (T, K, 3) of a `spatial` pose, in units of `_torso`. Gaps stay
    NaN."""
    return compared_joints(pose) / _torso(pose)


def _torso(pose: PoseSequence) -> float:
    """Return the torso's largest length; if no torso is ever seen, that of the longest limb, which
    is little less; 1 without any."""
    joints = compared_joints(pose)
    skeleton = get_skeleton(pose.skeleton)
    for ends in (np.array(skeleton.torso), np.array(skeleton.limbs)):
        # Both sides together: labels of a side view may leave out the far one.
        length = np.linalg.norm(joints[:, ends[:, 0]] - joints[:, ends[:, 1]], axis=-1)
        known = length[~np.isnan(length)]
        unit = float(np.percentile(known, 90)) if len(known) else 0.0
        if unit > 0:
            return unit
    return 1.0


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
