"""How sure an alignment is of every frame of clip A: calibrated intervals, probabilities, words.

The interval of a match depends on how far clip B looks like the match: on either side, until RUN
frames of B in a row are unlike the frame of A. A frame is unlike if its squared distance exceeds
that of the match by more than FLAT units, where a unit is the mean squared distance of a frame to
the nearest frame of the other clip. The interval is the share SHARP of that span, widened by STEP
frames, since frames are discrete, and by TIMING of B's length, since people who mark a moment
disagree. Lengths are measured in time, in the mean steps of B (`TimeAxis.ticks_at`), and STEP in
the frames beside the match. It is short where the movement is fast, and long where somebody stands
still, and it may be longer on one side than on the other. A match whose interval reaches an end of
B is not sure: the moment may lie beyond.

SHARP was fitted so that the interval, before the factor, covers the events of golf swings, ski
jumps, walks, repetitions, Penn Action and rendered performers on average, two clips alone, by the
base model; docs/results/confidence.md has the figures. All this is meant for the method `dtw`; for
other methods it is a rough guide.

A small model (certainty_model.py) turns what is known about a match into the probability that it is
right, and into a factor for the length of its interval. SURE is what is as probable as NOMINAL. No
match is sure at a rest, where nothing tells one frame from the next, or in an end that one of the
clips has alone (different_ends.py).

Other matches of the same clips cast doubt on the one that was found: the movement alone, a view
that is about as near, or a repetition such as a step may match other moments. Where they do, nobody
knows which are right: the interval of a frame holds both, and its match is not sure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.certainty_model import MatchFacts, collect_evidence
from la2ds_cli.alignment.different_ends import ANOTHER_END, probability_of_another_end
from la2ds_cli.alignment.path import mean_nearest_squared, nearest_rows, squared_distance
from la2ds_cli.alignment.sampling import thinned_rows
from la2ds_cli.core.arrays import BoolArray, FloatArray, IntArray, runs_of
from la2ds_cli.core.time_axis import ROUNDING, TimeAxis
from la2ds_cli.core.types import PoseSequence

NOMINAL = 0.9
"""Of the intervals; and the probability from which a match is called sure."""
UNSURE_AT_MOST = 0.8  # most that the confidence can be where no match is sure
NEAR = 0.05  # share of B's duration on each side of the match within which it counts as right
NEAR_SECONDS = 0.1  # the same in seconds, for short clips
FLAT = 1.4  # mean squared nearest-neighbour distances
SHARP = 0.7
RUN = 3  # frames; fewer unlike frames are noise of the joints and do not end the interval
SMOOTHED = 5  # frames of A
STEP = 1.0  # frames
TIMING = 0.005  # share of B's length
DOUBTFUL = 0.5  # most that the confidence can be in a match that cannot be sure
SURE, UNSURE, MISSING = WORDS = ("sure", "unsure", "no counterpart")
NORMAL = 1.6449  # standard deviations within which 90 % of a normal distribution lie
UNCLEAR = 0.25  # share of A's matched frames from which another match finds other moments


class Certainty(NamedTuple):
    """How sure the match of each frame of A is.

    confidence: (N,) float32, probability that the true moment lies within the tolerance of the
    match; 0 = no match. low, high: (N,) float64, ends of the NOMINAL interval in frames of B,
    clipped to B; NaN = no match. another_end: (N,) whether it lies in an end that only one of the
    clips has (different_ends.py). unlike: (N,) whether the poses around it are (unlike_poses.py).
    """

    confidence: FloatArray
    low: FloatArray
    high: FloatArray
    another_end: BoolArray
    unlike: BoolArray


def compute_certainty(
    a: FloatArray,
    b: FloatArray,
    position: FloatArray,
    poses: tuple[PoseSequence, PoseSequence],
    others: Sequence[FloatArray] = (),
    by_movement: FloatArray | None = None,
    same_movement: float | None = None,
) -> Certainty:
    """Return how sure a match is.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features of the clips.
    position: (N,) the match in frames of B, NaN = no counterpart.
    poses: of A and of B.
    others: (N,) each; other matches of the same clips that fit about as well.
    by_movement: (N,) the match by the movement of the joints alone, None = it is this one.
    same_movement: probability that both show the same movement, None = it cannot be judged.
    """
    axis = poses[1].axis
    low, high = interval(a, b, position, axis)
    sides, tolerance = sides_of(position, low, high, axis), tolerance_of(axis)
    facts = MatchFacts(position, sides, tolerance, by_movement, same_movement)
    evidence = collect_evidence(a, b, poses, facts)
    moment, (before, after) = axis.seconds_at(position), sides
    low, high = (
        np.where(np.isnan(position), np.nan, axis.rows_at(moment + by * evidence.width))
        for by in (-before, after)
    )
    confidence = np.where(np.isnan(position), 0.0, evidence.probability)
    confidence[evidence.rest] = np.minimum(confidence[evidence.rest], UNSURE_AT_MOST)
    at_end = (low <= 0) | (high >= len(b) - 1)  # False for NaN
    another_end = probability_of_another_end(a, b, position) >= ANOTHER_END
    doubtful = at_end | another_end
    confidence[doubtful] = np.minimum(confidence[doubtful], DOUBTFUL)
    certainty = Certainty(
        confidence.astype(np.float32), low, high, another_end, np.zeros(len(position), bool)
    )
    certainty = widen_to_other_matches(certainty, position, others, axis)
    return widen_where_unseen(certainty, position, *poses)


def narrow_where_sure(certainty: Certainty, position: FloatArray, axis: TimeAxis) -> Certainty:
    """Return the certainty of a match; no interval of a sure one reaches beyond the tolerance.

    What is right to within the tolerance with a probability of NOMINAL or more has an interval of
    NOMINAL within it.
    """
    confidence, low, high = certainty[:3]
    moment, tolerance = axis.seconds_at(position), tolerance_of(axis)
    sure = confidence >= np.float32(NOMINAL)
    low = np.where(sure, np.fmax(low, axis.rows_at(moment - tolerance)), low)
    high = np.where(sure, np.fmin(high, axis.rows_at(moment + tolerance)), high)
    return certainty._replace(low=low, high=high)


def tolerance_of(axis: TimeAxis) -> float:
    """Return the error, in seconds of clip B, up to which a match counts as right.

    It is the largest of NEAR of the clip's duration, NEAR_SECONDS, and a usual frame.
    """
    return max(NEAR * axis.duration, NEAR_SECONDS, axis.usual_step)


def sides_of(
    position: FloatArray, low: FloatArray, high: FloatArray, axis: TimeAxis
) -> tuple[FloatArray, FloatArray]:
    """Return the seconds of B from the start of each interval to the match, and on to its end.

    Parameters
    ----------
    position, low, high: (N,) the match and the ends of its interval, in frames of B; NaN = no
        counterpart.
    axis: of B.
    """
    moment = axis.seconds_at(position)
    return moment - axis.seconds_at(low), axis.seconds_at(high) - moment


def share_within(tolerance: float, before: FloatArray, after: FloatArray) -> FloatArray:
    """Return (N,) float32, the probability that the true moment lies within the tolerance.

    Parameters
    ----------
    tolerance: error up to which a match counts as right.
    before, after: (N,) distances from the match to the ends of its NOMINAL interval, in the unit of
        the tolerance; NaN = no counterpart, with probability 0.
    """
    shares = np.zeros(len(before), np.float32)
    for n in np.flatnonzero(~np.isnan(before)):
        sides = before[n], after[n]
        shares[n] = sum(_share_within(tolerance, side) for side in sides) / 2
    return shares


class Interval(NamedTuple):
    """(N,) distances from the match to the ends of its interval, and the tolerance."""

    before: FloatArray
    after: FloatArray
    tolerance: float

    @property
    def share(self) -> FloatArray:
        """(N,) `share_within` the tolerance."""
        return share_within(self.tolerance, self.before, self.after)


def for_other_tolerance(confidence: FloatArray, own: Interval, other: Interval) -> FloatArray:
    """Return (N,) float32, the confidence that a match is right to within another tolerance.

    A confidence holds for one tolerance, in one unit. If another match or a doubtful pair made it
    lower than its interval implies, the result is lower by the same factor.

    Parameters
    ----------
    confidence: (N,) that of the match within `own.tolerance`.
    own, other: the same intervals, in the unit of either tolerance.
    """
    share = own.share
    factor = np.divide(confidence, share, out=np.zeros(len(share)), where=share > 0)
    return (other.share * np.minimum(factor, 1)).astype(np.float32)


def _share_within(reach: float, side: float) -> float:
    """Return the share within `reach` of a normal distribution with the share NOMINAL within
    `side`; 1 if `side` is 0."""
    return math.erf(reach * NORMAL / side / math.sqrt(2)) if side > 0 else 1.0


def interval(
    a: FloatArray, b: FloatArray, position: FloatArray, axis: TimeAxis
) -> tuple[FloatArray, FloatArray]:
    """Return the first and last position (N,) in B, in frames, at which each frame of A may lie.

    The ends are medians over SMOOTHED frames of A. Clips longer than MAX_FRAMES are thinned.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features of the clips.
    position: (N,) the match in frames of B; NaN = no counterpart, also in the result.
    axis: of B.
    """
    known = np.flatnonzero(~np.isnan(position))
    row, column = thinned_rows(len(a)), thinned_rows(len(b))
    match = np.interp(row, known, position[known])
    cost = squared_distance(a[row], b[column]).astype(np.float64)
    place = np.interp(match, column, np.arange(len(column)))
    frame, rows = np.floor(place).astype(np.int64), np.arange(len(row))
    following = np.minimum(frame + 1, len(column) - 1)
    share = place - frame
    at_match = (1 - share) * cost[rows, frame] + share * cost[rows, following]
    # What one clip leaves out at its ends does not show how near the rest is.
    first, last = np.floor(np.min(match)).astype(int), np.ceil(np.max(match)).astype(int)
    unit = mean_nearest_squared(a[known[0] : known[-1] + 1], b[first : last + 1])
    rounding = 1e-12 * float(np.square(a).sum(axis=1).mean())  # of two clips that do not move
    limit = at_match + FLAT * max(unit, 1e-6 * float(cost.mean()), rounding)
    ends = _alike(cost <= limit[:, None], np.rint(place).astype(np.int64))
    moment, before, after = axis.ticks_at(position), *axis.ticks_of_steps(position)
    low, high = (
        np.interp(np.arange(len(a)), row, axis.ticks_at(column[_running_median(end)])) - moment
        for end in ends
    )
    low = moment + SHARP * np.minimum(low, 0) - (STEP * before + TIMING * len(b))
    high = moment + SHARP * np.maximum(high, 0) + (STEP * after + TIMING * len(b))
    low, high = axis.rows_at_ticks(low), axis.rows_at_ticks(high)
    return np.maximum(low, 0), np.minimum(high, len(b) - 1)


def _alike(alike: BoolArray, middle: IntArray) -> tuple[IntArray, IntArray]:
    """Return the last columns of each row of alike (N, M), to the left and right of `middle` (N,),
    before RUN False columns in a row. Outside the matrix, all columns are False."""
    count = alike.shape[1]
    padded = np.pad(alike, ((0, 0), (RUN - 1, RUN - 1)))
    begins = np.arange(1 - RUN, count)  # start of every run that touches the matrix
    run = ~np.logical_or.reduce([padded[:, k : k + len(begins)] for k in range(RUN)])
    before, after = begins + RUN - 1 < middle[:, None], begins > middle[:, None]
    first = np.where(run & before, begins + RUN, 0).max(axis=1)
    last = np.where(run & after, begins - 1, count - 1).min(axis=1)
    return first, last


def _running_median(value: IntArray) -> IntArray:
    """Return (N,) running medians of the values (N,) over SMOOTHED rows, fewer at the ends."""
    half = SMOOTHED // 2
    padded = np.pad(value, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED)
    return np.median(windows, axis=1).astype(np.int64)


# --- doubts ---------------------------------------------------------------------------------------


def differs(position: FloatArray, other: FloatArray, axis: TimeAxis) -> bool:
    """Return whether another match differs in at least the share UNCLEAR of A's matched frames.

    Parameters
    ----------
    position, other: (N,) frames of B, NaN = no counterpart.
    axis: of B.
    """
    apart = _apart(position, other, axis)
    return bool(apart.sum() >= UNCLEAR * (~np.isnan(position)).sum())


def widen_to_other_matches(
    certainty: Certainty, position: FloatArray, others: Sequence[FloatArray], axis: TimeAxis
) -> Certainty:
    """Return the certainty of a match, given other matches of the same clips.

    If another match lies farther away than the tolerance, in seconds of B, the interval contains
    both, and the match is not sure.

    Parameters
    ----------
    certainty: of the match alone.
    position: (N,) the match in frames of B, NaN = no counterpart.
    others: (N,) each; other matches in the same form.
    axis: of B.
    """
    confidence, low, high = certainty[:3]
    for other in others:
        apart = _apart(position, other, axis)
        low = np.where(apart, np.fmin(low, other), low)
        high = np.where(apart, np.fmax(high, other), high)
        confidence = np.where(apart, np.minimum(confidence, DOUBTFUL), confidence)
    return certainty._replace(confidence=confidence.astype(np.float32), low=low, high=high)


def _apart(position: FloatArray, other: FloatArray, axis: TimeAxis) -> BoolArray:
    """Return (N,) whether two matches lie farther apart than the tolerance; False for NaN."""
    seconds = np.abs(axis.seconds_at(other) - axis.seconds_at(position))
    return np.asarray(seconds > tolerance_of(axis) + ROUNDING)


def widen_where_unseen(
    certainty: Certainty, position: FloatArray, pose_a: PoseSequence, pose_b: PoseSequence
) -> Certainty:
    """Return the certainty of a match, lowered where nobody is seen.

    No match is sure where no joint is seen for NEAR_SECONDS before and after, in A or in B: the
    features there are interpolated, so the interval reaches to those of the frames seen on either
    side.

    Parameters
    ----------
    certainty: of the match.
    position: (N,) the match in frames of B, NaN = no counterpart.
    pose_a, pose_b: joints of the clips.
    """
    known, rows = nearest_rows(position, len(pose_b))
    doubtful = known & (nobody_seen(pose_a) | nobody_seen(pose_b)[rows])
    confidence, low, high = (each.copy() for each in certainty[:3])
    confidence[doubtful] = np.minimum(confidence[doubtful], DOUBTFUL)
    for first, stop in runs_of(doubtful):
        before = certainty.low[first - 1] if first else 0.0
        after = certainty.high[stop] if stop < len(high) else len(pose_b) - 1.0
        low[first:stop] = np.fmin(low[first:stop], before)
        high[first:stop] = np.fmax(high[first:stop], after)
    return certainty._replace(confidence=confidence, low=low, high=high)


def nobody_seen(pose: PoseSequence) -> BoolArray:
    """Return (T,) whether no joint was seen within NEAR_SECONDS of a frame."""
    seen = pose.somebody
    if not seen.any():
        return ~seen
    return np.abs(pose.time[pose.axis.nearest_known(seen)] - pose.time) > NEAR_SECONDS + ROUNDING


# --- words ----------------------------------------------------------------------------------------


def certainty_words(confidence: FloatArray, position: FloatArray) -> list[str]:
    """Return one of WORDS for each frame of A.

    SURE for a confidence of NOMINAL or more, UNSURE for a lower one, MISSING for no counterpart.

    Parameters
    ----------
    confidence: (N,) probability that the match is right to within the tolerance.
    position: (N,) the match in frames of B; NaN = no counterpart.
    """
    least = np.float32(NOMINAL)
    return [
        MISSING if np.isnan(place) else SURE if value >= least else UNSURE
        for value, place in zip(confidence, position, strict=True)
    ]


def within_text(seconds: float) -> str:
    """Return `to within 0.1 s`: hundredths of a second below one second, tenths above."""
    shown = max(round(seconds, 2 if seconds < 1 else 1), 0.01)
    return f"to within {shown:g} s"
