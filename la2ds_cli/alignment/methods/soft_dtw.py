"""Soft-DTW: the path that the other near-optimal paths agree with most.

Every monotone path gets the probability exp(-cost / gamma) (Cuturi and Blondel 2017), with
squared Euclidean costs and gamma = GAMMA mean squared nearest-neighbour distances. The path
returned has the least expected number of cells that a path drawn from this distribution would
not visit. Where the features do not tell frames apart it runs through the middle of what is
possible, where plain DTW runs along an arbitrary edge.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.distance import mean_nearest_squared, squared_distance
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray, IntArray

GAMMA = 0.3
MAX_CELLS = 40_000_000  # three float64 matrices of this size take about 1 GB


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """Path (P, 2) int64 from the first to the last frames of a (N, D) and b (M, D).

    The ends are always closed. UserError (exit 2) with a band, which this method does not know,
    and (exit 4) for clips too long for its N x M matrices.
    """
    if config.band:
        raise UserError(
            "the method soft_dtw knows no band",
            hint="use the method dtw, or set band = 0 under [align] in project.toml",
        )
    if len(a) * len(b) > MAX_CELLS:
        raise UserError(
            f"{len(a)} x {len(b)} frames are too many for the method soft_dtw",
            hint="use the method dtw, whose memory stays small",
            exit_code=ExitCode.UNUSABLE,
        )
    from la2ds_cli.alignment.soft_dtw_kernel import cheapest_path, posterior

    cost = squared_distance(a, b).astype(np.float64)
    # Two identical clips have no nearest-neighbour distance; any small gamma will do.
    gamma = max(GAMMA * mean_nearest_squared(a, b), 1e-6 * float(cost.mean()), 1e-12)
    return cheapest_path(1 - posterior(cost, gamma))
