"""Validation without labels: how well does the embedding recover synthetic warps of held-out clips?

Each held-out clip is paired with strongly warped copies of itself, whose true correspondence is
known. Both are embedded like any clip, and every frame of the copy is matched to the nearest frame
of the original. The error does not measure how well different performers align, but it detects
failure, collapse and over-fitting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.augment import AugmentedCopy
from la2ds_cli.features.network_input import NetworkInput
from la2ds_cli.features.pose_features import centre_and_scale, fill_gaps
from la2ds_cli.training.data import Clip, draw_copy, to_input

MAX_CLIPS = 16
COPIES = 2
FLAT = 1e-5  # relative variance; less is rounding, not movement
FEW_ANSWERS = 0.05  # share of distinct nearest frames; an untrained network has more


@dataclass(frozen=True)
class Validation:
    """Outcome of one validation.

    Attributes
    ----------
    error: mean nearest-frame error in % of the clip length; chance gives about 33.
    rank: effective number of embedding dimensions in use (participation ratio); 0 = constant.
        Between 1 and 2 is normal: a movement is a curve, and most of its spread lies along it.
    variance: mean squared distance from the mean embedding as a share of the mean squared length, 0
        to 1.
    answers: distinct nearest frames as a share of the matched frames; 1 / frames = always the same.
    spread: root mean square distance of an embedding from the mean of its clip, the unit in which
        embeddings are combined with other features.
    centre: (D,) float64, mean embedding of all frames.
    """

    error: float
    rank: float
    variance: float
    answers: float
    spread: float
    centre: FloatArray

    @property
    def collapse(self) -> str:
        """How the embedding has collapsed, as a phrase; empty if it has not."""
        if not self.variance > FLAT:
            return "all frames have the same embedding"
        if self.answers < FEW_ANSWERS:
            return (
                f"{100 * self.answers:.0f} % of the frames are the nearest neighbours of all others"
            )
        return ""


class WarpedPairs:
    """Pairs of held-out clips and their warped copies.

    Iterating renders them one at a time, as (S, S', index in S of each frame of S').
    """

    def __init__(
        self, pairs: Sequence[tuple[Clip, AugmentedCopy]], skeleton: Skeleton, config: Config
    ) -> None:
        self._pairs, self._skeleton, self._config = pairs, skeleton, config

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[NetworkInput, NetworkInput, FloatArray]]:
        for clip, copy in self._pairs:
            first, second = (to_input(x, self._skeleton, self._config) for x in (clip, copy))
            yield first, second, copy.source

    def raw_pose_error(self) -> float:
        """Return the validation error of root-centred joints, without training."""
        errors = [
            nearest_frame_error(self._raw_pose(clip), self._raw_pose(copy), copy.source)
            for clip, copy in self._pairs
        ]
        return float(np.mean(errors))

    def _raw_pose(self, clip: Clip | AugmentedCopy) -> FloatArray:
        spatial = self._config.model.input == "joints3d"
        joints = clip.world if spatial and clip.world is not None else clip.xy
        return centre_and_scale(fill_gaps(joints), self._skeleton)[0].reshape(len(joints), -1)


def validation_pairs(clips: Sequence[Clip], skeleton: Skeleton, config: Config) -> WarpedPairs:
    """Return validation pairs, the same for each call with the same clips and settings.

    Every copy is warped, whatever `augment.temporal_probability` is.
    """
    strong = replace(config.augment, warp=0.5, trim=0.5, drop=0.5, temporal_probability=1.0)
    warped = replace(config, augment=strong)
    drawn = [
        draw_copy(clip, skeleton, warped, np.random.default_rng([copy, number]))
        for number, clip in enumerate(clips[:MAX_CLIPS])
        for copy in range(COPIES)
    ]
    return WarpedPairs(drawn, skeleton, config)


def synthetic_warp_error(
    embed: Callable[[NetworkInput], FloatArray],
    pairs: Iterable[tuple[NetworkInput, NetworkInput, FloatArray]],
) -> Validation:
    """Return the validation of `embed`, which returns (T, D) for a clip, on validation pairs."""
    errors, answers, originals = [], [], []
    for original, copy, source in pairs:
        first, second = embed(original), embed(copy)
        nearest = nearest_frame(first, second)
        originals.append(first)
        errors.append(100 * np.abs(nearest - source).mean() / len(first))
        answers.append(len(np.unique(nearest)) / len(nearest))
    value = np.concatenate(originals)
    return Validation(
        float(np.mean(errors)),
        effective_rank(value),
        relative_variance(value),
        float(np.mean(answers)),
        float(np.sqrt(np.mean([first.var(axis=0).sum() for first in originals]))),
        value.mean(axis=0, dtype=np.float64),
    )


def nearest_frame(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return indices (M,) in `first` (N, D) of the frames nearest to those of `second` (M, D)."""
    square = (first**2).sum(axis=1)[:, None] - 2 * first.astype(np.float64) @ second.T
    return square.argmin(axis=0)


def nearest_frame_error(first: FloatArray, second: FloatArray, source: FloatArray) -> float:
    """Return the mean error of the nearest frames in % of the length of `first`.

    Parameters
    ----------
    first, second: (N, D) and (M, D) embeddings.
    source: (M,) true positions in `first`.
    """
    return float(100 * np.abs(nearest_frame(first, second) - source).mean() / len(first))


def relative_variance(value: FloatArray) -> float:
    """Return the mean squared distance of the rows of value (T, D) from their mean, as a share of
    their mean squared length; 0 if all are 0."""
    exact = value.astype(np.float64)
    length = float((exact**2).sum(axis=1).mean())
    return float(exact.var(axis=0).sum()) / length if length > 0 else 0.0


def effective_rank(value: FloatArray) -> float:
    """Return the participation ratio of an embedding (T, D): (sum of eigenvalues)^2 / sum of
    squared eigenvalues of the covariance; 0 for a constant embedding."""
    centred = value - value.mean(axis=0)
    eigenvalue = np.linalg.svd(centred, compute_uv=False).astype(np.float64) ** 2
    total = eigenvalue.sum()
    return float(total**2 / (eigenvalue**2).sum()) if total > 1e-12 else 0.0
