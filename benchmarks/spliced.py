"""Pairs of clips whose ends differ: the first or last part of B is replaced by another movement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import raw_pose

SHARE = (0.55, 0.75)  # of B that stays
USED = 0.7  # of the other clip
CLEARLY_BEYOND = 0.08  # of B: from here on a frame of A has no counterpart
STEPS = 12  # frames of A that are judged beside the events
ALIKE = 0.25  # torso lengths between joints; nobody can tell such poses apart
Moments = list[tuple[int, float, str]]


def splice(
    b: PoseSequence, other: PoseSequence, share: float, at_start: bool
) -> tuple[PoseSequence, int]:
    """Return B of which only `share` is left, and the frame of the cut; the rest shows `other`.

    The other person is moved and scaled to where B is at the cut, without a jump.
    """
    length, count = len(b), round(len(b) * (1 - share))
    first, last = (0.0, USED) if at_start else (1 - USED, 1.0)
    rows = np.rint(np.linspace(first, last, count) * (len(other) - 1)).astype(int)
    cut = count if at_start else length - count
    inserted = slice(0, cut) if at_start else slice(cut, length)
    beside, joint = (cut, -1) if at_start else (cut - 1, 0)
    xy, score = b.xy.copy(), b.score.copy()
    new = other.xy[rows] * (torso_length(b) / torso_length(other))
    xy[inserted] = new - hips(new, other)[joint] + hips(b.xy, b)[beside]
    score[inserted] = other.score[rows]
    return replace(b, xy=xy, score=score), cut


def hips(xy: FloatArray, pose: PoseSequence) -> FloatArray:
    """Return (T, 2) the middle of the hips, carried on where they are not seen."""
    middle = xy[:, list(get_skeleton(pose.skeleton).root)].mean(axis=1)
    seen = np.flatnonzero(np.isfinite(middle).all(axis=1))
    nearest = seen[np.abs(seen[None] - np.arange(len(xy))[:, None]).argmin(axis=1)]
    return middle[nearest]


def torso_length(pose: PoseSequence) -> float:
    """Return the usual length of the torso in pixels."""
    ends = np.array(get_skeleton(pose.skeleton).torso)
    length = np.linalg.norm(pose.xy[:, ends[:, 0]] - pose.xy[:, ends[:, 1]], axis=-1)
    return float(np.nanmedian(length))


def moments_of_spliced(
    moments: Moments, lengths: tuple[int, int], cut: int, at_start: bool
) -> Moments:
    """Return the moments of a spliced pair; NaN = the frame of A has no counterpart in B.

    Between events, and from them to the ends of the clips, time is interpolated.
    """
    shown = sorted((frame, true) for frame, true, _ in moments)
    ends = (0, 0.0), (lengths[0] - 1, lengths[1] - 1.0)
    knots = [ends[0]] * (shown[0][0] > 0) + shown + [ends[1]] * (shown[-1][0] < ends[1][0])
    own, others = ([knot[side] for knot in knots] for side in (0, 1))
    sign, margin = (-1 if at_start else 1), CLEARLY_BEYOND * lengths[1]
    found = [
        (frame, true if sign * (true - cut) < 0 else np.nan, event)
        for frame, true, event in moments
    ]
    for frame in np.linspace(0, lengths[0] - 1, STEPS).astype(int):
        true = float(np.interp(frame, own, others))
        if sign * (true - cut) > margin:
            found.append((int(frame), np.nan, "no counterpart"))
    return found


def looks_alike(a: PoseSequence, b: PoseSequence, frames: Sequence[tuple[int, int]]) -> list[bool]:
    """Return whether these frames of A and B, by one camera, show about the same pose."""
    of_a, of_b = (raw_pose(pose).reshape(len(pose), -1, 2) for pose in (a, b))
    apart = (np.linalg.norm(of_a[i] - of_b[j], axis=-1) for i, j in frames)
    return [bool(np.sqrt(np.mean(each**2)) < ALIKE) for each in apart]


KINDS = (
    ("abduction", "scaption", "shoulder extension", "rotation"),
    ("deep squat", "sit to stand"),
    ("hurdle", "leg raise"),
    ("inline lunge", "side lunge"),
)


def kind_of(movement: str) -> str:
    """Return the kind of an exercise; those of one kind look alike in part."""
    return next((kind[0] for kind in KINDS if any(each in movement for each in kind)), movement)


def noise_like(b: PoseSequence, seed: int) -> PoseSequence:
    """Return joints that are noise, in the place of those of B."""
    random = np.random.default_rng(seed)
    middle = np.nanmean(b.xy.reshape(-1, 2), axis=0)
    deviation = np.nanstd(b.xy.reshape(-1, 2), axis=0)
    return replace(b, xy=random.normal(middle, deviation, b.xy.shape))


def every(pose: PoseSequence, count: int) -> Iterator[tuple[int, float, str]]:
    """Yield frames of a clip that have no counterpart."""
    for frame in np.linspace(0, len(pose) - 1, count).astype(int):
        yield int(frame), np.nan, "no counterpart"
