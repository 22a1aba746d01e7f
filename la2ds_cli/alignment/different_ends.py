"""Where one clip begins or ends otherwise than the other.

A match leads through both clips to their ends, also where one shows something else there: a golfer
lowers the club instead of holding it, a repetition is broken off. From some frame on, or up to some
frame, the two are then farther apart than elsewhere. The last and the first part of the match whose
distance exceeds that of the rest most are found, and a logistic regression says from the distances
in that part and in the rest, and from its share of the frames, how probable another movement is. It
was fitted to clips whose last or first third was replaced by another movement, and to untouched
ones (benchmarks/certainty.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.certainty_model import Linear
from la2ds_cli.alignment.path import squared_at
from la2ds_cli.core.arrays import FloatArray

FEWEST_FRAMES = 12
LEAST_COMMON = 0.3  # share of the matched frames that both clips show in any case
LEAST_END = 0.1  # share of them that an end has at least
FLOOR = 0.1  # spreads, added to the distance of what both clips show
LEAST_DISTANCE = 1e-6  # spreads
LEAST_SPREAD = 1e-12  # mean squared distance of a clip's features from their mean
ANOTHER_END = 0.8  # probability from which no match is sure; unlike_poses.py finds the others
# Written by benchmarks/certainty.py: log distance behind the split, and before it, in units of the
# spread; share of the frames behind it.
DIFFERENT_END = Linear(1.5716, (2.0966, -0.0407, -2.1428))


def probability_of_another_end(a: FloatArray, b: FloatArray, position: FloatArray) -> FloatArray:
    """Return how probable it is that a match lies in an end that only one of the clips has.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features of the clips.
    position: (N,) the match in frames of B, NaN = no counterpart.

    Returns
    -------
    (N,) float64 in [0, 1]; 0 without a match, and where it cannot be judged.
    """
    return np.nan_to_num(DIFFERENT_END.probability(describe_ends(a, b, position)))


def describe_ends(a: FloatArray, b: FloatArray, position: FloatArray) -> FloatArray:
    """Return (N, 3) what `DIFFERENT_END` weighs.

    Those of an end hold for all of its frames; the frames between the ends have their own distance
    twice, and no share. NaN without a match, for fewer than FEWEST_FRAMES, and for clips that do
    not move. Parameters: see `probability_of_another_end`.
    """
    values = np.full((len(a), 3), np.nan)
    matched = ~np.isnan(position)
    spread = (float(a.var(axis=0).sum()) + float(b.var(axis=0).sum())) / 2
    if matched.sum() < FEWEST_FRAMES or spread < LEAST_SPREAD:
        return values
    squared = squared_at(a[matched], b, position[matched]) / spread
    first, stop = 0, len(squared)  # of what both clips show
    parts: list[tuple[slice, FloatArray]] = []
    for _ in range(2):  # the end that grows more, then the other, if it grows, too
        rest = squared[first:stop]
        if len(rest) < FEWEST_FRAMES:
            break
        ends = {at_start: _find_end(rest[::-1] if at_start else rest) for at_start in (False, True)}
        at_start = max(ends, key=lambda each: ends[each].growth)
        end = ends[at_start]
        if end.growth <= 0:
            break
        split = stop - end.split if at_start else first + end.split
        rows = slice(first, split) if at_start else slice(split, stop)
        parts.append((rows, np.array([end.behind, end.before, end.frames / len(squared)])))
        first, stop = (split, stop) if at_start else (first, split)
    own = _log(float(squared[first:stop].mean()))
    described = np.tile([own, own, 0.0], (len(squared), 1))
    for rows, part in parts:
        described[rows] = part
    values[matched] = described
    return values


class End(NamedTuple):
    """The last part of a match, and how far apart the clips are there.

    split: its first frame; frames: how many it has. growth: log distance of the clips in it, less
    that of what comes before. behind, before: log distance in it, and before it, in spreads.
    """

    split: int
    frames: int
    growth: float
    behind: float
    before: float


def _find_end(squared: FloatArray) -> End:
    """Return the last part of a match that differs most from what comes before.

    squared: (P,) squared distances of the matched frames, in spreads.
    """
    count = len(squared)
    total = np.concatenate([[0.0], np.cumsum(squared)])
    split = np.arange(max(int(LEAST_COMMON * count), 4), max(int((1 - LEAST_END) * count), 5))
    behind, before = (total[-1] - total[split]) / (count - split), total[split] / split
    growth = np.log(behind + FLOOR) - np.log(before + FLOOR)
    best = int(np.argmax(growth))
    first = int(split[best])
    return End(
        split=first,
        frames=count - first,
        growth=float(growth[best]),
        behind=_log(float(behind[best])),
        before=_log(float(before[best])),
    )


def _log(distance: float) -> float:
    return math.log(distance + LEAST_DISTANCE)
