"""How sure an alignment is of every frame of clip A: calibrated intervals and probabilities.

The error of a matched moment is taken to be normal about it. Its standard deviation, in frames of
B, is a factor times the root of the summed squares of

* what the order of time leaves open: the spread about the match of all monotone paths, each
  weighted by its cost (soft-DTW with the temperature GAMMA), which is wide where frames look alike;
* what reference clips leave open: how far the estimates through them lie apart (consensus.py);
* STEP frames, since frames are whole, and TIMING of B's length, since people pace differently.

The factor is fitted so that the interval of NOMINAL covers the truth that often. There is one for
consensus alignments, and for direct alignments one for each kind of feature: embeddings of two
clips agree more smoothly than they agree truly. They were fitted to rendered performers and to Penn
Action; how well they hold on others is in docs/results/confidence.md. They are meant for the method
`dtw`; for others they are a rough guide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.distance import mean_nearest_squared, squared_distance, thinned
from la2ds_cli.alignment.gaps import SharedRows
from la2ds_cli.alignment.methods.soft_dtw import posterior
from la2ds_cli.core.types import FloatArray

NOMINAL = 0.9
NEAR = 0.05  # share of B's length on each side of the match within which it counts as right
GAMMA = 3.0  # mean squared nearest-neighbour distances
STEP = 0.3  # frames
TIMING = 0.01  # share of B's length
NORMAL = 1.6449  # standard deviations within which 90 % of a normal distribution lie
CONSENSUS = 1.5 / NORMAL
DIRECT = {"pose": 1.9 / NORMAL, "model": 3.4 / NORMAL, "base": 3.4 / NORMAL}


@dataclass(frozen=True)
class Certainty:
    """confidence: (N,) float32, probability that the true moment lies within NEAR of B's length
    of the match, 0 without one. low, high: (N,) float64, the interval of NOMINAL in frames of B,
    inside B; NaN without a match."""

    confidence: FloatArray
    low: FloatArray
    high: FloatArray

    def over(self, rows: SharedRows) -> Certainty:
        """The certainty of the entire clips, of which `rows` were aligned."""
        confidence = np.zeros(rows.length_a, np.float32)
        confidence[rows.a] = self.confidence
        return Certainty(confidence, rows.position(self.low), rows.position(self.high))


def certainty(
    a: FloatArray,
    b: FloatArray,
    position: FloatArray,
    *,
    kind: str,
    skip: float = math.inf,
    disagreement: FloatArray | None = None,
) -> Certainty:
    """Certainty of the match `position` (N,), in frames of B, of clips with features (N, D) and
    (M, D).

    kind: `model`, `base` or `pose`, what the features are. skip: what a frame at an open end costs,
    in mean squared nearest-neighbour distances; infinite = the ends are closed. disagreement: (N,)
    spread of the estimates through reference clips in frames of B, None for a direct alignment.
    """
    factor = DIRECT[kind] if disagreement is None else CONSENSUS
    spread = order_spread(a, b, position, skip) ** 2 + STEP**2 + (TIMING * len(b)) ** 2
    if disagreement is not None:
        spread = spread + np.nan_to_num(disagreement) ** 2
    deviation = factor * np.sqrt(spread)
    half = NORMAL * deviation
    reach = max(NEAR * len(b), 1.0)
    matched = ~np.isnan(position)
    inside = [math.erf(reach / (math.sqrt(2) * d)) for d in deviation[matched]]
    confidence = np.zeros(len(position), np.float32)
    confidence[matched] = inside
    low, high = (np.clip(position + side * half, 0, len(b) - 1) for side in (-1, 1))
    return Certainty(confidence, low, high)


def order_spread(
    a: FloatArray, b: FloatArray, position: FloatArray, skip: float = math.inf
) -> FloatArray:
    """(N,) root of the mean squared distance, in frames of B, from `position` of where monotone
    paths meet each frame of A, weighted by exp(-cost / temperature). NaN where position is."""
    row, column = thinned(len(a)), thinned(len(b))
    cost = squared_distance(a[row], b[column]).astype(np.float64)
    unit = mean_nearest_squared(a, b)
    # A frame of a thinned clip stands for several that would be left out.
    step = max((len(a) - 1) / max(len(row) - 1, 1), (len(b) - 1) / max(len(column) - 1, 1), 1.0)
    temperature = max(GAMMA * unit, 1e-12 + 1e-6 * float(cost.mean()))
    mass = posterior(cost, temperature, skip * unit * step if unit else math.inf)
    mass /= np.maximum(mass.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    known = np.flatnonzero(~np.isnan(position))
    centre = np.interp(row, known, position[known])
    mean = mass @ column
    square = mass @ (column.astype(np.float64) ** 2) - 2 * centre * mean + centre**2
    spread = np.interp(np.arange(len(a)), row, np.sqrt(np.maximum(square, 0)))
    return np.where(np.isnan(position), np.nan, spread)
