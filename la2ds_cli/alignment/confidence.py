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
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.distance import mean_nearest_squared, squared_distance
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.sampling import thinned_rows
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.resample import frame_period

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
    limit = at_match + FLAT * max(unit, 1e-6 * float(cost.mean()))
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
