"""How sure a match is, as a calibrated probability, from what is known about the match.

What is known (`MatchEvidence`) is how long the interval by distances alone is, how much worse the
frames of B before and after the match fit, whether the person moves there, whether the movement of
the joints finds the same moment as the embedding, whether the clips show the same movement, and how
near an end of B is. Two small models, one for moments in motion and one for rests, turn it into the
probability that the match is right to within the tolerance, and into a factor for the length of its
interval: a logistic regression whose weights may only have the sign of reason, so that worse
evidence never makes a match surer, and a linear model of the 90 % quantile. They were fitted to
events set by people, contacts of feet on force plates, exercises by motion capture and rendered
performers, and judged by leaving out one set at a time (benchmarks/certainty.py;
docs/results/confidence.md).

At a rest nothing tells one frame from the next, and people who mark a moment there disagree, so no
match there is ever sure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.path import mean_nearest_squared, squared_at
from la2ds_cli.alignment.rests import REST, log_speed
from la2ds_cli.core.arrays import BoolArray, FloatArray
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import PoseSequence

SMOOTHED = 5  # frames of A over which the contrast is averaged
LEAST_CONTRAST = 0.02  # units; less is noise
MOST_APART = 10.0  # tolerances
NO_SECOND_OPINION = 0.5  # tolerances that count as apart where the movement itself is the match
FAR_FROM_END = 4.0  # tolerances
NARROWEST, WIDEST = 0.3, 3.0  # factors of an interval
BETTER = {
    "interval": -1,
    "contrast": 1,
    "speed": 1,
    "disagreement": -1,
    "same_movement": 1,
    "end": 1,
}
"""What is known about a match, and whether more of it makes the match more probable."""


class Linear(NamedTuple):
    """A linear model: constant + weights . evidence, the weights in the order of BETTER."""

    constant: float
    weights: tuple[float, ...]

    def __call__(self, evidence: FloatArray) -> FloatArray:
        """Return (N,) the value for evidence (N, len(BETTER))."""
        return self.constant + evidence @ np.array(self.weights)

    def probability(self, evidence: FloatArray) -> FloatArray:
        """Return (N,) the probability whose log odds are the value; NaN stays."""
        return 1 / (1 + np.exp(-np.clip(self(evidence), -30, 30)))


# Written by benchmarks/certainty.py.
RIGHT_IN_MOTION = Linear(1.3938, (-0.0722, 0.3857, 0.4715, -1.8035, 0.1705, 0.2232))
RIGHT_AT_REST = Linear(2.9283, (0.0, 0.3269, 0.7965, -1.742, 0.2246, 0.1138))
WIDTH_IN_MOTION = Linear(-0.1276, (-0.5938, -0.1677, -0.2372, 0.7362, -0.024, 0.0152))
WIDTH_AT_REST = Linear(-1.5215, (-0.6369, -0.0486, -0.9311, 0.734, -0.032, -0.0168))


class MatchEvidence(NamedTuple):
    """What is known about the match of each frame of A.

    values: (N, len(BETTER)) float64, finite. rest: (N,) whether A or B rests there.
    """

    values: FloatArray
    rest: BoolArray

    @property
    def probability(self) -> FloatArray:
        """(N,) that the match is right to within the tolerance."""
        at_rest, in_motion = (
            model.probability(self.values) for model in (RIGHT_AT_REST, RIGHT_IN_MOTION)
        )
        return np.where(self.rest, at_rest, in_motion)

    @property
    def width(self) -> FloatArray:
        """(N,) by how many times an interval is longer than it is by the distances alone; at a rest
        it is never shorter."""
        scale = np.exp(
            np.where(self.rest, WIDTH_AT_REST(self.values), WIDTH_IN_MOTION(self.values))
        )
        return np.clip(scale, np.where(self.rest, 1.0, NARROWEST), WIDEST)


class MatchFacts(NamedTuple):
    """A match, and what else is known about it.

    position: (N,) in frames of B, NaN = no counterpart. sides: (N,) seconds of B from the begin of
    its interval to the match, and from the match to its end. by_movement: (N,) the match by the
    movement of the joints alone, None = it is the match itself. same_movement: probability that
    both clips show the same movement, None = it cannot be judged.
    """

    position: FloatArray
    sides: tuple[FloatArray, FloatArray]
    tolerance: float
    by_movement: FloatArray | None
    same_movement: float | None


def collect_evidence(
    a: FloatArray, b: FloatArray, poses: tuple[PoseSequence, PoseSequence], facts: MatchFacts
) -> MatchEvidence:
    """Return what is known about the match of each frame of A.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features of the clips.
    poses: of A and of B.
    """
    axis, tolerance = poses[1].axis, facts.tolerance
    known = ~np.isnan(facts.position)
    place = np.where(known, facts.position, 0.0)
    moment = axis.seconds_at(place)
    at_match = squared_at(a, b, place)
    unit = max(mean_nearest_squared(a[known], b), 1e-12) if known.any() else 1.0

    worse = [
        _averaged(squared_at(a, b, axis.rows_at(moment + by)) - at_match)
        for by in (-2 * tolerance, 2 * tolerance)
    ]
    contrast = np.minimum(*worse) / unit
    moving = log_speed(poses, np.arange(len(a), dtype=np.float64), place)
    longer = np.fmax(*facts.sides) / tolerance
    end = np.minimum(moment - axis.seconds[0], axis.seconds[-1] - moment) / tolerance
    values = np.stack(
        [
            np.log(np.maximum(np.where(known, longer, 1.0), 1e-3)),
            np.log(np.maximum(contrast, LEAST_CONTRAST)),
            moving,
            np.log1p(_disagreement(facts, axis, moment)),
            np.full(len(a), _logit(facts.same_movement)),
            np.minimum(end, FAR_FROM_END),
        ],
        axis=1,
    )
    return MatchEvidence(values, np.asarray(moving < REST))


def _averaged(value: FloatArray) -> FloatArray:
    """Return (N,) the mean over SMOOTHED frames."""
    padded = np.pad(value, SMOOTHED // 2, mode="edge")
    return np.convolve(padded, np.full(SMOOTHED, 1 / SMOOTHED), "valid")


def _disagreement(facts: MatchFacts, axis: TimeAxis, moment: FloatArray) -> FloatArray:
    """Return (N,) tolerances by which the movement alone finds another moment, at most
    MOST_APART."""
    if facts.by_movement is None:
        return np.full(len(moment), NO_SECOND_OPINION)
    apart = np.abs(axis.seconds_at(facts.by_movement) - moment) / facts.tolerance
    return np.where(np.isnan(facts.by_movement), MOST_APART, np.minimum(apart, MOST_APART))


def _logit(probability: float | None) -> float:
    """Return the log odds of a probability, 0 if it is not known."""
    if probability is None:
        return 0.0
    inside = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(inside / (1 - inside))
