"""How sure an alignment is of every frame of clip A: a relative number, not a probability.

Two answers to "how much of the evidence lies near the frame that the path chose", where near
means within +-NEAR of clip B's length:

* from the features alone, a softmax over the distances to all frames of B as in the paper's
  eq. 3, with the temperature SHARPNESS mean nearest-neighbour distances;
* from the features and the order of time, the share of all monotone paths, weighted by their
  cost (soft-DTW), that pass there.

The confidence is their geometric mean: low where frames look alike, where the path had to leave
the best-looking frame, and where other paths are nearly as good. Frames without a pair have 0.

It is NOT calibrated: 0.8 does not mean that 80 % of such frames are right, and values of two
different feature kinds cannot be compared. What it does is order frames. On trimmed Penn Action
pairs aligned on raw poses, the half of the key events with the higher confidence was carried with
less than half (golf swing, pull-up), two thirds (squat) and four fifths (jumping jacks) of the
mean error of the other half.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.distance import mean_nearest_squared, squared_blocks, squared_distance
from la2ds_cli.alignment.path import is_monotone, mean_match
from la2ds_cli.types import FloatArray, IntArray

NEAR = 0.05  # share of B's frames on each side of the chosen one
SHARPNESS = 0.2
GAMMA = 1.0  # mean squared nearest-neighbour distances
MAX_FRAMES = 1500  # longer clips are thinned for the path distribution, which is smooth in time


def confidence(a: FloatArray, b: FloatArray, path: IntArray) -> FloatArray:
    """(N,) float32 in [0, 1] for every frame of a (N, D), 0 where `path` has no pair for it."""
    position = mean_match(path, len(a))
    reach = max(NEAR * len(b), 1.0)
    unit = mean_nearest_squared(a, b)
    by_feature = _feature_share(a, b, position, reach, SHARPNESS * np.sqrt(unit))
    by_order = _path_share(a, b, path, position, reach, GAMMA * unit)
    return np.where(np.isnan(position), 0, np.sqrt(by_feature * by_order)).astype(np.float32)


def _near(position: FloatArray, columns: FloatArray, reach: float) -> np.ndarray:
    return np.abs(columns[None] - position[:, None]) <= reach  # False for NaN


def _feature_share(
    a: FloatArray, b: FloatArray, position: FloatArray, reach: float, temperature: float
) -> FloatArray:
    share = np.zeros(len(a))
    columns = np.arange(len(b), dtype=float)
    for first, squared in squared_blocks(a, b):
        rows = slice(first, first + len(squared))
        distance = np.sqrt(squared, dtype=np.float64)
        distance -= distance.min(axis=1, keepdims=True)
        # Identical clips have the temperature 0: then only the nearest frames have weight.
        weight = np.exp(-distance / max(temperature, 1e-9 + 1e-6 * float(distance.mean())))
        share[rows] = (weight * _near(position[rows], columns, reach)).sum(axis=1)
        share[rows] /= weight.sum(axis=1)
    return share


def _path_share(
    a: FloatArray,
    b: FloatArray,
    path: IntArray,
    position: FloatArray,
    reach: float,
    gamma: float,
) -> FloatArray:
    from la2ds_cli.alignment.soft_dtw_kernel import posterior

    # Outside the path's own span there is no rival path: open ends are the method's decision.
    low, high = ([0, 0], [len(a) - 1, len(b) - 1])
    if is_monotone(path):
        low, high = path[0], path[-1]
    row, column = (_thin(low[side], high[side]) for side in (0, 1))
    cost = squared_distance(a[row], b[column]).astype(np.float64)
    mass = posterior(cost, max(gamma, 1e-12 + 1e-6 * float(cost.mean())))
    spacing = (high[1] - low[1]) / max(len(column) - 1, 1)
    near = _near(position[row], column.astype(float), max(reach, spacing))
    share = (mass * near).sum(axis=1) / mass.sum(axis=1)
    return np.interp(np.arange(len(a)), row, share)


def _thin(first: int, last: int) -> IntArray:
    """At most MAX_FRAMES evenly spaced frames from first to last, both included."""
    count = min(int(last) - int(first) + 1, MAX_FRAMES)
    return np.rint(np.linspace(first, last, count)).astype(np.int64)
