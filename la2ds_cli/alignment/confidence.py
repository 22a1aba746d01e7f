"""How sure an alignment is of every frame of clip A: calibrated intervals, probabilities, words.

The interval of a match depends on how far clip B looks like the match: on either side, until RUN
frames of B in a row are unlike the frame of A. A frame is unlike if its squared distance exceeds
that of the match by more than FLAT units, where a unit is the mean squared distance of a frame to
the nearest frame of the other clip. The interval is the share SHARP of that span, widened by STEP
frames, since frames are discrete, and by TIMING of B's length, since people who mark a moment
disagree. It is short where the movement is fast, and long where somebody stands still, and it may
be longer on one side than on the other. A match whose interval reaches an end of B is not sure:
the moment may lie beyond.

SHARP was fitted so that the interval of NOMINAL covers the events of golf swings, ski jumps,
walks, repetitions, Penn Action and rendered performers on average, two clips alone, by the base
model. The lattice of all paths, the agreement of parts of the features, and the distance of the
clips do not sharpen it further; docs/results/confidence.md has the figures. On either side of the
match the error is assumed to be normal. All this is meant for the method `dtw`; for other methods
it is a rough guide.

Other matches of the same clips cast doubt on the one that was found: the movement alone, a view
that is about as near, or a repetition such as a step may match other moments. Where they do, nobody
knows which are right: the interval of a frame holds both, and its match is not sure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.consensus import PairwisePath, pairwise_path
from la2ds_cli.alignment.path import (
    matched_time,
    mean_nearest_squared,
    nearest_rows,
    squared_distance,
)
from la2ds_cli.alignment.sampling import thinned_rows
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray, IntArray, PoseSequence, runs_of
from la2ds_cli.features.resample import frame_period, interpolate, nearest_known, time_grid
from la2ds_cli.features.tempo import HIGHEST_RATE, paced_movement

NOMINAL = 0.9
NEAR = 0.05  # share of B's length on each side of the match within which it counts as right
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
    """confidence: (N,) float32, probability that the true moment lies within the tolerance of the
    match, 0 without a match. low, high: (N,) float64, the interval of NOMINAL in frames of
    B, clipped to B; NaN without a match."""

    confidence: FloatArray
    low: FloatArray
    high: FloatArray


def certainty(
    a: FloatArray, b: FloatArray, position: FloatArray, tolerance: float | None = None
) -> Certainty:
    """Certainty of the match `position` (N,) of clips with features a (N, D) and b (M, D).

    position: in frames of B, NaN = no counterpart.
    tolerance: frames of B by which a match may be off and still be right (`tolerance_of`); None =
    NEAR of the frames of `b`.
    """
    low, high = interval(a, b, position)
    confidence = np.zeros(len(position), np.float32)
    reach = max(NEAR * len(b) if tolerance is None else tolerance, 1.0)
    for n in np.flatnonzero(~np.isnan(position)):
        sides = position[n] - low[n], high[n] - position[n]
        confidence[n] = sum(_share_within(reach, side) for side in sides) / 2
        if low[n] <= 0 or high[n] >= len(b) - 1:
            confidence[n] = min(confidence[n], DOUBTFUL)
    return Certainty(confidence, low, high)


def tolerance_of(pose: PoseSequence) -> float:
    """Frames of clip B by which a match may be off and still be right: the larger of NEAR of the
    clip and NEAR_SECONDS."""
    return max(NEAR * len(pose), NEAR_SECONDS / frame_period(pose.time, pose.fps))


def _share_within(reach: float, side: float) -> float:
    """Share within `reach` of a normal distribution that has the share NOMINAL within `side`; 1 if
    `side` is 0."""
    return math.erf(reach * NORMAL / side / math.sqrt(2)) if side > 0 else 1.0


def interval(a: FloatArray, b: FloatArray, position: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First and last position in b (M, D), in frames, at which each frame of a (N, D) may lie:
    (N,) each, NaN where `position` (N,), the match, is NaN.

    The ends are medians over SMOOTHED frames of A. Clips longer than MAX_FRAMES are thinned.
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
    widened = STEP + TIMING * len(b)
    low, high = (
        np.interp(np.arange(len(a)), row, column[_running_median(end)]) - position for end in ends
    )
    low = position + SHARP * np.minimum(low, 0) - widened
    high = position + SHARP * np.maximum(high, 0) + widened
    return np.maximum(low, 0), np.minimum(high, len(b) - 1)


def _alike(alike: BoolArray, middle: IntArray) -> tuple[IntArray, IntArray]:
    """First and last column of each row of alike (N, M), on either side of `middle` (N,), before
    RUN False columns in a row. Outside the matrix, all columns are False."""
    count = alike.shape[1]
    padded = np.pad(alike, ((0, 0), (RUN - 1, RUN - 1)))
    begins = np.arange(1 - RUN, count)  # start of every run that touches the matrix
    run = ~np.logical_or.reduce([padded[:, k : k + len(begins)] for k in range(RUN)])
    before, after = begins + RUN - 1 < middle[:, None], begins > middle[:, None]
    first = np.where(run & before, begins + RUN, 0).max(axis=1)
    last = np.where(run & after, begins - 1, count - 1).min(axis=1)
    return first, last


def _running_median(value: IntArray) -> IntArray:
    """(N,) median of the values (N,) over SMOOTHED rows, fewer at the ends."""
    half = SMOOTHED // 2
    padded = np.pad(value, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED)
    return np.median(windows, axis=1).astype(np.int64)


# --- texts for the user ---------------------------------------------------------------------------


def certainty_words(alignment: Alignment) -> list[str]:
    """One of WORDS for each frame of A: SURE if its confidence, the probability of being right to
    within the tolerance, is NOMINAL or more; UNSURE if it is less; MISSING if there is no
    counterpart."""
    least = np.float32(NOMINAL)
    return [
        (SURE if value >= least else UNSURE) if matched else MISSING
        for value, matched in zip(alignment.confidence, ~np.isnan(alignment.position), strict=True)
    ]


def seconds_within(alignment: Alignment) -> FloatArray:
    """(N,) seconds that the interval of each frame of A extends on its longer side: the share
    NOMINAL of matches are right to within that. NaN without a counterpart."""
    low, middle, high = (
        matched_time(place, alignment.time_b)
        for place in (alignment.low, alignment.position, alignment.high)
    )
    return np.maximum(high - middle, middle - low)


def certainty_text(alignment: Alignment, resting: BoolArray) -> str:
    """`40 frames of A are sure, to within 0.1 s; 5 are unsure, to within 0.4 s (3 show a rest); 2
    have no counterpart`: the seconds are medians.

    resting: (N,) whether A rests in a frame (`features.tempo.resting`).
    """
    words, within = np.array(certainty_words(alignment)), seconds_within(alignment)
    parts = []
    for word in WORDS:
        count = int((words == word).sum())
        if not count:
            continue
        one = count == 1
        frames = "" if parts else f" frame{'s' * (not one)} of A"
        if word == MISSING:
            told = f"{'has' if one else 'have'} {word}"
        else:
            rests = int((resting & (words == word)).sum()) if word == UNSURE else 0
            shown = f" ({rests} show{'s' * (rests == 1)} a rest)" if rests else ""
            seconds = within_text(np.median(within[words == word]))
            told = f"{'is' if one else 'are'} {word}, {seconds}{shown}"
        parts.append(f"{count}{frames} {told}")
    return "; ".join(parts)


def within_text(seconds: float) -> str:
    """`to within 0.1 s`: hundredths of a second below one second, tenths above."""
    shown = max(round(seconds, 2 if seconds < 1 else 1), 0.01)
    return f"to within {shown:g} s"


def differs(position: FloatArray, other: FloatArray, tolerance: float) -> bool:
    """Whether another match of the same clips finds other moments in the share UNCLEAR of A's
    matched frames; see `doubted`."""
    apart = np.abs(other - position) > tolerance  # False for NaN
    return bool(apart.sum() >= UNCLEAR * (~np.isnan(position)).sum())


def doubted(
    sure: Certainty, position: FloatArray, others: Sequence[FloatArray], tolerance: float
) -> Certainty:
    """The certainty of a match, `position` (N,) in B of each frame of A, beside other matches.

    others: (N,) each. Where one lies farther from the match than the tolerance, in frames of B, the
    interval holds both, and the match is not sure.
    """
    confidence, low, high = sure
    for other in others:
        apart = np.abs(other - position) > tolerance  # False for NaN
        low = np.where(apart, np.fmin(low, other), low)
        high = np.where(apart, np.fmax(high, other), high)
        confidence = np.where(apart, np.minimum(confidence, DOUBTFUL), confidence)
    return Certainty(confidence.astype(np.float32), low, high)


def if_seen(
    sure: Certainty, position: FloatArray, pose_a: PoseSequence, pose_b: PoseSequence
) -> Certainty:
    """The certainty of a match, `position` (N,) in B of each frame of A, none of which is sure at
    moments at which no joint was seen for NEAR_SECONDS before and after, in A or in B: the features
    there are a guess between those of other moments, between which the interval lies as well."""
    known, rows = nearest_rows(position, len(pose_b))
    doubtful = known & (_unseen(pose_a) | _unseen(pose_b)[rows])
    confidence, low, high = (each.copy() for each in sure)
    confidence[doubtful] = np.minimum(confidence[doubtful], DOUBTFUL)
    for first, stop in runs_of(doubtful):
        before = sure.low[first - 1] if first else 0.0
        after = sure.high[stop] if stop < len(high) else len(pose_b) - 1.0
        low[first:stop] = np.fmin(low[first:stop], before)
        high[first:stop] = np.fmax(high[first:stop], after)
    return Certainty(confidence, low, high)


def _unseen(pose: PoseSequence) -> BoolArray:
    """(T,) whether no joint was seen within NEAR_SECONDS of a frame."""
    seen = pose.somebody
    if not seen.any():
        return ~seen
    return np.abs(pose.time[nearest_known(pose.time, seen)] - pose.time) > NEAR_SECONDS + 1e-9


# --- a repetition away ----------------------------------------------------------------------------

SHORTEST = 0.35  # seconds; nobody steps faster, but jitter may repeat itself
LONGEST = 8.0  # seconds; what comes again later is another set, not the next step
ROOM = 1.5  # periods that a clip must hold at least
ALIKE = 0.75  # least correlation of the movement with itself, a period later
APART = 0.3  # the correlation in between must have been below this: a rest is no repetition
MOVING = 0.25  # least share of the clip's movement that is compared


def period(pose: PoseSequence) -> float | None:
    """Seconds after which the movement of a clip begins anew, None if that is not clear.

    The velocities of the joints are compared with those a while later; the shortest while after
    which they are alike is the period. Left and right are told apart, so for a walk it lasts two
    steps. None also for clips that hold fewer than ROOM periods, and for those that do not move.
    Right to a tenth of a second for 17 of 19 walks, in each of four views, and None for the other
    two, for 52 golf swings, 32 ski jumps and 99 single repetitions.
    """
    if len(pose) < 2 or not np.isfinite(pose.xy).any():
        return None
    rate = min(HIGHEST_RATE, (len(pose) - 1) / float(pose.time[-1] - pose.time[0]))
    moved = paced_movement(pose)
    grid = time_grid(pose.time, rate)
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
    """(L + 1,) cosine similarity of value (T, D) and the same 0..L rows later, for L = `longest`.

    0 where either part holds less than MOVING of the energy of the whole.
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


def a_repetition_away(
    a: FloatArray, b: FloatArray, pose: PoseSequence, config: AlignConfig
) -> Iterator[tuple[float, FloatArray]]:
    """Positions (N,) in B of each frame of A, NaN = no counterpart, if B began a repetition later
    or ended one earlier, where that costs about as little; each with the seconds of a repetition.

    a: (N, D). b: (M, D). pose: B as it is compared.
    The cost is that of the path with open ends, those of frames left out included.
    """
    seconds = period(pose)
    if seconds is None or config.method != "dtw" or not config.open_ends:
        return
    frames = max(1, round(seconds / frame_period(pose.time, pose.fps)))
    if len(b) - frames < FEWEST_FRAMES:
        return
    spread = min(float(clip.var(axis=0).sum()) for clip in (a, b))
    unit = config.skip_cost * max(mean_nearest_squared(a, b), LEAST_UNIT * spread)

    def cost(path: PairwisePath) -> float:
        matched_a, matched_b = ((~np.isnan(side)).sum() for side in (path.forward, path.backward))
        left_out = len(a) - matched_a + len(path.backward) - matched_b
        return float(path.cost * max(matched_a, matched_b) + unit * left_out)

    usual = cost(pairwise_path(a, b, config))
    for first, stop in ((frames, len(b)), (0, len(b) - frames)):
        path = pairwise_path(a, b[first:stop], config)
        if cost(path) < AS_GOOD * usual:
            yield seconds, path.forward + first
