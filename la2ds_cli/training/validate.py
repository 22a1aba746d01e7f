"""Label-free validation: how well are synthetic warps of held-out clips undone?

Each held-out clip is paired with strongly warped copies of itself whose true correspondence is
known. Both are embedded as any clip is, and every frame of the copy goes to its nearest frame of
the original. The error says nothing about how different performers map onto each other; it
detects failure, collapse and over-fitting without a label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.config import Config
from la2ds_cli.network_input import NetworkInput
from la2ds_cli.skeleton import Skeleton
from la2ds_cli.training.data import Clip, draw_pair
from la2ds_cli.types import FloatArray

MAX_CLIPS = 16
COPIES = 2


@dataclass(frozen=True)
class Validation:
    """error: mean nearest-frame error in % of the clip length; a guess by chance gives about 33.
    rank: effective number of embedding dimensions in use (participation ratio); 0 = constant.
    Between 1 and 2 is normal: one movement is a curve, and most of its spread lies along it."""

    error: float
    rank: float


def validation_pairs(
    clips: Sequence[Clip], skeleton: Skeleton, config: Config
) -> list[tuple[NetworkInput, NetworkInput, FloatArray]]:
    """Seeded pairs; the same for every call with the same clips and settings."""
    warped = replace(config, augment=replace(config.augment, warp=0.5, trim=0.5, drop=0.5))
    return [
        draw_pair(clip, skeleton, warped, np.random.default_rng([copy, number]))
        for number, clip in enumerate(clips[:MAX_CLIPS])
        for copy in range(COPIES)
    ]


def synthetic_warp_error(
    embed: Callable[[NetworkInput], FloatArray],
    pairs: Sequence[tuple[NetworkInput, NetworkInput, FloatArray]],
) -> Validation:
    """Error and rank of `embed` (one clip -> (T, D)) on validation pairs."""
    errors, originals = [], []
    for original, copy, source in pairs:
        first, second = embed(original), embed(copy)
        originals.append(first)
        errors.append(nearest_frame_error(first, second, source))
    return Validation(float(np.mean(errors)), effective_rank(np.concatenate(originals)))


def nearest_frame_error(first: FloatArray, second: FloatArray, source: FloatArray) -> float:
    """Mean |nearest frame of `second` in `first` - truth| in % of the length of `first`."""
    square = (first**2).sum(axis=1)[:, None] - 2 * first.astype(np.float64) @ second.T
    return float(100 * np.abs(square.argmin(axis=0) - source).mean() / len(first))


def effective_rank(value: FloatArray) -> float:
    """Participation ratio (sum of eigenvalues)^2 / sum of squared eigenvalues of the covariance;
    0 for a constant embedding."""
    centred = value - value.mean(axis=0)
    eigenvalue = np.linalg.svd(centred, compute_uv=False).astype(np.float64) ** 2
    total = eigenvalue.sum()
    return float(total**2 / (eigenvalue**2).sum()) if total > 1e-12 else 0.0
