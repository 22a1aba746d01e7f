"""Soft-DTW: the path that the other near-optimal paths agree with most.

Every monotone path has a probability proportional to exp(-cost / gamma) (Cuturi and Blondel 2017),
with squared Euclidean costs and gamma = GAMMA mean squared nearest-neighbour distances. The path
returned has the least expected number of cells that a path drawn from this distribution would
not visit. Where the features do not tell frames apart, it runs through the middle of what is
possible, whereas plain DTW runs along an arbitrary edge.
"""

from __future__ import annotations

import math

import numpy as np

from la2ds_cli.alignment.distance import mean_nearest_squared, squared_distance
from la2ds_cli.core.compiled import compiled
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray, IntArray

GAMMA = 0.3
MAX_CELLS = 40_000_000  # three float64 matrices of this size take about 1 GB


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """Path (P, 2) int64 from the first to the last frames of a (N, D) and b (M, D).

    The ends are always closed. Raises UserError (exit 2) with a band, which this method does not
    support, and (exit 4) for clips too long for its N x M matrices.
    """
    if config.band:
        raise UserError(
            "the method soft_dtw cannot be limited to a band",
            hint="use the method dtw, or set band = 0 under [align] in project.toml",
        )
    if len(a) * len(b) > MAX_CELLS:
        raise UserError(
            f"{len(a)} x {len(b)} frames are too many for the method soft_dtw",
            hint="use the method dtw, whose memory stays small",
            exit_code=ExitCode.UNUSABLE,
        )
    cost = squared_distance(a, b).astype(np.float64)
    # Two identical clips have no nearest-neighbour distance; any small gamma will do.
    gamma = max(GAMMA * mean_nearest_squared(a, b), 1e-6 * float(cost.mean()), 1e-12)
    return cheapest_path(1 - posterior(cost, gamma))


def posterior(cost: FloatArray, gamma: float) -> FloatArray:
    """(N, M) float64 probability that a path passes each cell, P(path) ~ exp(-cost / gamma).

    The expected alignment of Cuturi and Blondel (2017), soft-DTW, for paths from the first to
    the last cell with steps (1, 1), (1, 0), (0, 1). gamma > 0, in the unit of cost.
    """
    cost = np.ascontiguousarray(cost, np.float64)
    forward = _forward(cost, gamma)
    backward = _forward(np.ascontiguousarray(cost[::-1, ::-1]), gamma)[::-1, ::-1]
    return np.exp(np.minimum(forward[-1, -1] - forward - backward + cost, 0) / gamma)


@compiled()
def _forward(cost, gamma):
    """(N, M) soft minimum of the costs of all paths from the first cell to each cell, that cell
    included."""
    rows, columns = cost.shape
    total = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            begun = 0.0 if i == 0 and j == 0 else math.inf
            diagonal = total[i - 1, j - 1] if i > 0 and j > 0 else math.inf
            up = total[i - 1, j] if i > 0 else math.inf
            left = total[i, j - 1] if j > 0 else math.inf
            least = min(begun, diagonal, up, left)
            weight = (
                math.exp((least - begun) / gamma)
                + math.exp((least - diagonal) / gamma)
                + math.exp((least - up) / gamma)
                + math.exp((least - left) / gamma)
            )
            total[i, j] = cost[i, j] + least - gamma * math.log(weight)
    return total


def cheapest_path(cost: FloatArray) -> IntArray:
    """(P, 2) int64 path of least summed cost from the first to the last cell of a
    matrix (N, M)."""
    return _cheapest(np.ascontiguousarray(cost, np.float64))


@compiled()
def _cheapest(cost):
    rows, columns = cost.shape
    total = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            least = math.inf
            if i > 0 and j > 0:
                least = total[i - 1, j - 1]
            if i > 0:
                least = min(least, total[i - 1, j])
            if j > 0:
                least = min(least, total[i, j - 1])
            total[i, j] = cost[i, j] + (0.0 if least == math.inf else least)
    path = np.empty((rows + columns, 2), np.int64)
    i, j, length = rows - 1, columns - 1, 0
    while True:
        path[length, 0] = i
        path[length, 1] = j
        length += 1
        if i == 0 and j == 0:
            return path[:length][::-1].copy()
        if i == 0:
            j -= 1
        elif j == 0:
            i -= 1
        else:
            diagonal, up, left = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
            if diagonal <= up and diagonal <= left:
                i -= 1
                j -= 1
            elif up <= left:
                i -= 1
            else:
                j -= 1
