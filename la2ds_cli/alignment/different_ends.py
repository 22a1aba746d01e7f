"""Where one clip begins or ends otherwise than the other.

A match leads through both clips to their ends, also where one shows something else there: a golfer
lowers the club instead of holding it, a repetition is broken off. From some frame on, or up to some
frame, the two are then farther apart than elsewhere. For each frame of A, the split is found behind
which (towards the end of the clip) the distance grows most, and a logistic regression says from the
distances on both sides of it, and from the share that lies behind it, how probable another movement
is. It was fitted to clips whose first or last third was replaced by another movement, and to
untouched ones (benchmarks/certainty.py).
"""

from __future__ import annotations

import math

import numpy as np

from la2ds_cli.alignment.certainty_model import Linear
from la2ds_cli.alignment.path import square_norm
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.features.resample import at_positions

FEWEST_FRAMES = 12
LEAST_COMMON = 0.3  # share of the matched frames that both clips show in any case
LEAST_END = 0.1  # share of them that an end has at least
FLOOR = 0.1  # spreads, added to the distance of what both clips show
LEAST_DISTANCE = 1e-6  # spreads
LEAST_SPREAD = 1e-12  # mean squared distance of a clip's features from their mean
ANOTHER_END = 0.6  # probability from which no match is sure
# Written by benchmarks/certainty.py: log distance behind the split, and before it, in units of the
# spread; share of the frames behind it.
DIFFERENT_END = Linear(1.6676, (1.9951, 0.3988, -1.9845))


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
    logit = DIFFERENT_END(describe_ends(a, b, position))
    return np.where(np.isnan(logit), 0.0, 1 / (1 + np.exp(-np.clip(logit, -30, 30))))


def describe_ends(a: FloatArray, b: FloatArray, position: FloatArray) -> FloatArray:
    """Return (N, 3) what `DIFFERENT_END` weighs, for the end whose distance grows more.

    NaN without a match, for fewer than FEWEST_FRAMES, and for clips that do not move. Parameters:
    see `probability_of_another_end`.
    """
    values = np.full((len(a), 3), np.nan)
    matched = ~np.isnan(position)
    spread = (float(a.var(axis=0).sum()) + float(b.var(axis=0).sum())) / 2
    if matched.sum() < FEWEST_FRAMES or spread < LEAST_SPREAD:
        return values
    difference = np.subtract(a[matched], at_positions(b, position[matched]), dtype=float)
    squared = square_norm(difference) / spread
    growth_last, last = _growth_behind(squared)
    growth_first, first = (value[::-1] for value in _growth_behind(squared[::-1]))
    values[matched] = np.where((growth_last >= growth_first)[:, None], last, first)
    return values


def _growth_behind(squared: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return for each frame the growth (P,) of the log distance at the split up to that frame at
    which it grows most, -inf before the first split, and what is weighed (P, 3)."""
    count = len(squared)
    total = np.concatenate([[0.0], np.cumsum(squared)])
    split = np.arange(max(int(LEAST_COMMON * count), 4), max(int((1 - LEAST_END) * count), 5))
    behind, before = (total[-1] - total[split]) / (count - split), total[split] / split
    growth = np.full(count, -np.inf)
    growth[split] = np.log(behind / (before + FLOOR) + LEAST_DISTANCE)
    highest = np.maximum.accumulate(growth)
    reached = np.maximum.accumulate(np.where(growth == highest, np.arange(count), 0))
    at_split = np.log(np.stack([behind, before], axis=1) + LEAST_DISTANCE)
    at_split = np.column_stack([at_split, (count - split) / count])
    values = np.tile([math.log(total[-1] / count + LEAST_DISTANCE)] * 2 + [0.0], (count, 1))
    inside = highest > -np.inf
    values[inside] = at_split[reached[inside] - split[0]]
    return highest, values
