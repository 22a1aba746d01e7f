"""Skeleton heatmaps (paper sec. 3.1, eq. 1 and 2): joints in cell coordinates to Gaussian maps.

Maps are (T, C, H, W), row = y, column = x, value in [0, 1]; channels are the joints in the
skeleton's order, then its limbs. The tails are cut where the Gaussian falls below exp(-18).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray

Channels = Literal["joints+limbs", "joints", "limbs"]
Limbs = Any  # (L, 2) pairs of joint indices: nested tuples or an array


def channel_count(skeleton: Skeleton, channels: Channels = "joints+limbs") -> int:
    """C: number of maps of one frame."""
    joints = len(skeleton.joints) if "joints" in channels else 0
    return joints + (len(skeleton.limbs) if "limbs" in channels else 0)


def render_heatmaps(
    cells: FloatArray,
    score: FloatArray,
    limbs: Limbs,
    heatmap: HeatmapConfig,
    out: FloatArray | None = None,
    *,
    cell: FloatArray | None = None,
) -> FloatArray:
    """Render maps (T, C, size, size) float32 on one thread, without the interpreter lock.

    cells: (T, K, 2) joints in heatmap cells (crop.to_cells), NaN = not seen; score: (T, K) in
    [0, 1]; limbs: (L, 2) joint indices. Joint maps are eq. 1: exp(-d^2 / (2 sigma^2)) * score. Limb
    maps are eq. 2 with the lower of the two scores; distance `printed` uses the distance to the
    segment as the paper prints it, `squared` its square, as in PoseC3D (whose limbs eq. 2
    restates). A joint that is not seen or has score 0 gives a zero map, and so does each limb that
    ends in it; a limb of length 0 gives the map of a point. With confidence `one`, any other score
    counts as 1.

    cell: (2,) width and height of a cell in pixels (crop.cell_size), needed if sigma_unit is
    `pixels`: sigma and the distances of eq. 1 and 2 are then in pixels, which gives the maps that
    would be drawn in the frame, then cropped and resized (a resized Gaussian is a Gaussian). `out`
    is overwritten and returned: for a large batch, reusing a buffer is faster than allocating one.
    Raises ValueError for an `out` that does not fit.
    """
    from la2ds_cli.features.heatmap_kernel import fill_joints, fill_limbs

    pairs = np.asarray(limbs, dtype=np.int64).reshape(-1, 2)
    joints = np.ascontiguousarray(cells, dtype=np.float32)
    weight = np.ascontiguousarray(score, dtype=np.float32)
    if heatmap.confidence == "one":
        weight = (weight > 0).astype(np.float32)
    unit = np.ones(2, dtype=np.float32)
    if heatmap.sigma_unit == "pixels":
        unit = np.asarray(cell, dtype=np.float32)
    first_limb = joints.shape[1] if "joints" in heatmap.channels else 0
    count = first_limb + (len(pairs) if "limbs" in heatmap.channels else 0)
    shape = (len(joints), count, heatmap.size, heatmap.size)
    maps = np.empty(shape, dtype=np.float32) if out is None else out
    if maps.shape != shape or maps.dtype != np.float32 or not maps.flags.c_contiguous:
        raise ValueError(f"render: expected out {shape} float32 contiguous, got {maps.shape}")
    if "joints" in heatmap.channels:
        fill_joints(joints, weight, heatmap.sigma, unit, maps)
    if "limbs" in heatmap.channels:
        squared = heatmap.distance == "squared"
        fill_limbs(joints, weight, pairs, heatmap.sigma, squared, unit, maps)
    return maps
