"""The viewpoint of a clip, estimated from its joints, and the turn between two clips' cameras.

Angles in the picture depend on the view: if the camera turns by 10 degrees, the angles at
shoulders, hips and knees of the same rendered movement differ by up to 10 degrees in nine frames of
ten; at a turn of 30 degrees, by up to 28. So the turn between two clips must be known before a
difference of angles is called a fault.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence

# Distances between the joint centres of adults, relative to the length from hips to shoulders.
SHOULDERS, HIPS = 0.72, 0.37
_LEAST_TORSO = 0.5  # of its full length: a spine that points at the camera has no direction
_LEAST_FRAMES = 5
_AROUND = 0.5  # seconds over which the difference at a frame is averaged
_SIDE_CUE = 0.04  # torso lengths; less does not determine the side


class ViewDifference(NamedTuple):
    """Degrees about the vertical, 0 = filmed from the front, 90 = from one side, 180 = from behind;
    positive where the body faces the right of the picture. NaN = unknown.

    reference, other: medians over the aligned frames. turn: mean difference, 0 to 180; a turn of
    the body in both clips does not count. side_known: whether left and right could be told apart in
    both clips; if not, turn is its least possible value. by_frame: (N,) the difference around each
    frame of the reference, 0 to 180: a camera may move, or one of the two people may turn less.
    """

    reference: float
    other: float
    turn: float
    side_known: bool
    by_frame: FloatArray


def view_difference(a: PoseSequence, b: PoseSequence, position: FloatArray) -> ViewDifference:
    """Return how far the cameras of two aligned clips stand apart; position (N,) of A's frames in
    B.

    The angle comes from the width of shoulders and hips relative to the length of the torso, and
    its sign from the nose in front of the ears and the knees in front of the legs. On rendered
    clips, the turn is right to within some 10 degrees. NaN for skeletons without shoulders and
    hips.
    """
    width_a, side_a = _width_and_side(a)
    width_b, side_b = _width_and_side(b)
    matched, row = nearest_rows(position, len(b))
    # An unknown side is taken to be that of the other clip.
    angle_a, angle_b = width_a * (side_a or side_b or 1), width_b[row] * (side_b or side_a or 1)
    # As unit vectors, since angles near 180 and -180 are neighbours.
    apart = np.where(matched, np.exp(1j * np.radians(angle_b - angle_a)), np.nan)
    if np.isfinite(apart).sum() < _LEAST_FRAMES:
        unknown = np.full(len(position), np.nan)
        return ViewDifference(np.nan, np.nan, np.nan, side_known=False, by_frame=unknown)
    turn = np.abs(np.degrees(np.angle(np.nanmean(apart))))
    return ViewDifference(
        float(np.nanmedian(angle_a[matched])),
        float(np.nanmedian(angle_b[matched])),
        float(turn),
        side_known=side_a != 0 and side_b != 0,
        by_frame=_around(apart, a.time),
    )


def has_trunk(skeleton: str) -> bool:
    """Return whether the named skeleton has shoulders and hips, which a hand does not."""
    ends = {f"{side}_{part}" for part in ("shoulder", "hip") for side in ("left", "right")}
    return ends <= set(get_skeleton(skeleton).joints)


def _around(apart: np.ndarray, time: FloatArray) -> FloatArray:
    """Return (N,) angle in degrees of the mean of the unit vectors apart (N,) over _AROUND
    seconds."""
    first = np.searchsorted(time, time - _AROUND / 2)
    stop = np.searchsorted(time, time + _AROUND / 2, side="right")
    known = np.isfinite(apart)
    total = np.concatenate([[0], np.cumsum(np.where(known, apart, 0))])
    count = np.concatenate([[0], np.cumsum(known)])
    degrees = np.abs(np.degrees(np.angle(total[stop] - total[first])))
    return np.where(count[stop] > count[first], degrees, np.nan)


def _width_and_side(pose: PoseSequence) -> tuple[FloatArray, int]:
    """Return (T,) degrees from the front, 0 to 180, NaN where not seen; and 1, -1 or 0 for the side
    of the picture that the body faces, 0 = unknown."""
    skeleton = get_skeleton(pose.skeleton)
    if not has_trunk(pose.skeleton):
        return np.full(len(pose), np.nan), 0
    xy = np.asarray(pose.xy, np.float64)
    shoulders, hips = (
        xy[:, [skeleton.index(f"left_{part}"), skeleton.index(f"right_{part}")]]
        for part in ("shoulder", "hip")
    )
    spine = shoulders.mean(axis=1) - hips.mean(axis=1)
    length = np.linalg.norm(spine, axis=1)
    if np.isnan(length).all():
        return np.full(len(pose), np.nan), 0
    torso = float(np.nanpercentile(length, 90))
    if not torso > 0:
        return np.full(len(pose), np.nan), 0
    across = _across(spine, length)
    width = sum(((pair[:, 0] - pair[:, 1]) * across).sum(axis=1) for pair in (shoulders, hips))
    share = width / torso / (SHOULDERS + HIPS)
    clear = length > _LEAST_TORSO * torso
    angle = np.degrees(np.arccos(np.clip(np.where(clear, share, np.nan), -1, 1)))
    return angle, _side(xy / torso, skeleton, across)


def _across(spine: FloatArray, length: FloatArray) -> FloatArray:
    """Return (T, 2) unit vectors to the right of the spine (T, 2); for an upright spine, the x
    axis."""
    upright = np.column_stack([-spine[:, 1], spine[:, 0]])
    return upright / np.where(length > 0, length, np.nan)[:, None]


def _side(xy: FloatArray, skeleton: Skeleton, across: FloatArray) -> int:
    """Return which side of the picture the body faces over the clip; xy (T, K, 2) in torso
    lengths."""
    at = {name: xy[:, k] for k, name in enumerate(skeleton.joints)}
    cues = []
    if {"nose", "left_ear", "right_ear"} <= set(at):
        ears = (at["left_ear"] + at["right_ear"]) / 2
        cues.append(((at["nose"] - ears) * across).sum(axis=1))
    for side in ("left", "right"):
        hip, knee, ankle = (at.get(f"{side}_{part}") for part in ("hip", "knee", "ankle"))
        if hip is not None and knee is not None and ankle is not None:
            cues.append(_before(hip, knee, ankle))
    offsets = np.concatenate(cues) if cues else np.empty(0)
    offsets = offsets[~np.isnan(offsets)]
    mean = float(offsets.mean()) if len(offsets) else 0.0
    return int(np.sign(mean)) if abs(mean) > _SIDE_CUE else 0


def _before(hip: FloatArray, knee: FloatArray, ankle: FloatArray) -> FloatArray:
    """Return (T,) how far the knee lies right of the line from the ankle to the hip: knees bend
    forward. Torso lengths."""
    line = hip - ankle
    length = np.linalg.norm(line, axis=1)
    return ((knee - ankle) * _across(line, length)).sum(axis=1)
