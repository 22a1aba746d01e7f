"""Other matches of two clips, a repetition earlier or later, where the movement repeats itself.

In a walk, a match could be one stride off. If that match fits about as well, it is unknown which is
right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.consensus import PairwisePath, pairwise_path
from la2ds_cli.alignment.path import mean_nearest_squared
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.resample import interpolate
from la2ds_cli.features.tempo import HIGHEST_RATE, paced_movement

SHORTEST = 0.35  # seconds; nobody steps faster, but jitter may repeat itself
LONGEST = 8.0  # seconds; what comes again later is another set, not the next step
ROOM = 1.5  # periods that a clip must hold at least
ALIKE = 0.75  # least correlation of the movement with itself, a period later
APART = 0.3  # the correlation in between must have been below this: a rest is no repetition
MOVING = 0.25  # least share of the clip's movement that is compared


def repetition_period(pose: PoseSequence) -> float | None:
    """Return the seconds after which the movement of a clip repeats, None if that is unclear.

    It is the shortest lag after which the velocities of the joints are alike. Left and right are
    distinguished, so a period of a walk has two steps. None also for clips of fewer than ROOM
    periods, and for clips that do not move. It is right to a tenth of a second for 17 of 19 walks,
    in each of four views, and None for the other two, for 52 golf swings, 32 ski jumps and 99
    single repetitions.
    """
    if len(pose) < 2 or not np.isfinite(pose.xy).any():
        return None
    rate = min(HIGHEST_RATE, 1 / pose.axis.mean_step)
    moved = paced_movement(pose)
    grid = pose.axis.grid(rate)
    velocity = interpolate(moved[:, moved.shape[1] // 2 :], pose.time, grid)
    alike = self_correlation(velocity, int(min(len(grid) / ROOM, LONGEST * rate)))
    least = max(1, round(SHORTEST * rate))
    apart = np.flatnonzero(alike[least:] < APART)
    if not len(apart):
        return None
    begin = least + int(apart[0])
    peaks = [
        lag
        for lag in range(begin + 1, len(alike) - 1)
        if alike[lag] >= ALIKE and alike[lag - 1] <= alike[lag] >= alike[lag + 1]
    ]
    return peaks[0] / rate if peaks else None


def self_correlation(value: FloatArray, longest: int) -> FloatArray:
    """Return the cosine similarity (L + 1,) of value (T, D) and itself, 0..L rows later.

    L is `longest`. 0 where either part has less than MOVING of the total energy.
    """
    energy = np.concatenate([[0.0], np.cumsum((value**2).sum(axis=1))])
    total = energy[-1]
    alike = np.zeros(longest + 1)
    for lag in range(min(longest, len(value) - 1) + 1):
        before, after = energy[len(value) - lag], total - energy[lag]
        if min(before, after) > MOVING * total:
            product = float((value[: len(value) - lag] * value[lag:]).sum())
            alike[lag] = product / np.sqrt(before * after)
    return alike


AS_GOOD = 1.3
"""Ratio of costs below which a match a repetition away may be the right one. Walks of equally many
steps have 1.34 or more in 95 % of pairs; where one of them lacks a stride, 1.0 to 1.25."""
LEAST_UNIT = 0.03
"""Least unit of the costs, as a share of the variance of the features. In two films of one
performance nearly every frame has its equal; in 480 pairs of golf swings, squats and ski jumps by
different people, the unit is 0.036 or above."""
FEWEST_FRAMES = 8  # that must be left of B without a repetition


class RepeatedMatch(NamedTuple):
    """Another match of the same clips, a repetition earlier or later.

    period: seconds of a repetition of B. position: (N,) in frames of B, NaN = no counterpart.
    """

    period: float
    position: FloatArray


def matches_a_repetition_away(
    a: FloatArray, b: FloatArray, pose_b: PoseSequence, settings: AlignConfig
) -> list[RepeatedMatch]:
    """Return matches that fit as well if B begins a repetition later, or ends one earlier.

    The cost of a match is that of the path with open ends and of the frames left out.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features of the clips.
    pose_b: joints of B in the view that is compared.
    settings: of the alignment; there are no such matches for methods other than DTW, or with closed
        ends.
    """
    period = repetition_period(pose_b)
    if period is None or settings.method != "dtw" or not settings.open_ends:
        return []
    begin, end = (max(1, frames) for frames in pose_b.axis.rows_at_ends(period))
    if len(b) - max(begin, end) < FEWEST_FRAMES:
        return []
    spread = min(float(clip.var(axis=0).sum()) for clip in (a, b))
    unit = settings.skip_cost * max(mean_nearest_squared(a, b), LEAST_UNIT * spread)

    def compute_cost(path: PairwisePath) -> float:
        matched_a, matched_b = ((~np.isnan(side)).sum() for side in (path.forward, path.backward))
        left_out = len(a) - matched_a + len(path.backward) - matched_b
        return float(path.cost * max(matched_a, matched_b) + unit * left_out)

    usual = compute_cost(pairwise_path(a, b, settings))
    matches = []
    for first, stop in ((begin, len(b)), (0, len(b) - end)):
        path = pairwise_path(a, b[first:stop], settings)
        if compute_cost(path) < AS_GOOD * usual:
            matches.append(RepeatedMatch(period, path.forward + first))
    return matches
