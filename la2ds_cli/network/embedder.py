"""Compute embeddings of poses by any network: sampling by time, windows, motion.

The engine (torch, numpy) is a function of one clip; everything else is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import as_skeleton, body_joints, holds
from la2ds_cli.features.network_input import NetworkInput, network_input
from la2ds_cli.features.pose_features import facing_joints, need_3d
from la2ds_cli.features.resample import interpolate, resample_pose
from la2ds_cli.features.tempo import sampling_rate

VERSION = 2  # 2: a learned position table is stretched over windows longer than in training
Forward = Callable[[NetworkInput], FloatArray]
"""Returns the embedding (T, D) float32 of a clip of T frames at the rate of the model."""


class FrameFeatureSource(Protocol):
    """Returns the features (G, 1024) of a clip's video frames, by its id and seconds (G,).

    key: identity of the features of a clip.
    """

    def __call__(self, clip: str, at: FloatArray, /) -> FloatArray: ...

    def key(self, clip: str, /) -> str: ...


def window_frames(config: Config) -> int:
    """Return the number of frames of the longest window that a network embeds at once."""
    return 2 * config.train.frames


@dataclass(frozen=True)
class EmbeddingStatistics:
    """The mean and spread of a network's embeddings, as measured during training.

    centre: (D,) float64, the mean of all frames, 0 = unknown. It is subtracted from embeddings.
    Distances stay the same, but most of an embedding is often a constant, which spoils results that
    depend on the origin or on the variance of all values together, such as the default width of an
    RBF kernel. spread: root mean square distance of a frame from the mean of its clip; 0 = unknown.
    """

    centre: FloatArray | float = 0.0
    spread: float = 0.0

    @classmethod
    def of(cls, facts: Mapping[str, Any], width: int) -> EmbeddingStatistics:
        """Read the statistics from the facts of a checkpoint of a network of this width.

        Versions before 0.2 stored no centre, and the first ones no spread. Raises ValueError for
        invalid values.
        """
        spread, centre = facts.get("spread", 0.0), facts.get("centre", [0.0] * width)
        try:
            numbers = np.asarray([spread, *centre], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError("spread or centre is not a number") from error
        if numbers.shape != (1 + width,) or not np.isfinite(numbers).all() or numbers[0] < 0:
            raise ValueError(f"expected spread >= 0 and a centre of {width} finite numbers")
        return cls(numbers[1:], float(numbers[0]))


UNKNOWN = EmbeddingStatistics()


class Embedder:
    """Embeds poses with a network: `embedder(poses)` returns (T, D) float32 for each sequence, with
    a row for every source frame.

    key: identity of the weights. frame_features: for a network that reads video frames
    (`model.input=rgb`); the poses must then be of clips of a project, or of parts of them.
    of_bodies: whether it embeds any body skeleton, as the base model does
    (docs/explanation/alignment.md).
    """

    of_bodies = False

    def __init__(
        self,
        forward: Forward,
        config: Config,
        skeleton: str,
        key: str,
        frame_features: FrameFeatureSource | None = None,
        statistics: EmbeddingStatistics = UNKNOWN,
    ) -> None:
        self.forward = forward
        self.config = config
        self.skeleton = skeleton
        self.key = key
        self.frame_features = frame_features
        self.statistics = statistics

    @property
    def spread(self) -> float:
        """Spread of its embeddings: their unit if combined with other features."""
        return self.statistics.spread

    def __call__(self, poses: Sequence[PoseSequence]) -> list[FloatArray]:
        return [self._embed(pose) for pose in poses]

    def _embed(self, pose: PoseSequence) -> FloatArray:
        """Resample a sequence to the model's rate, embed it, and interpolate back to every frame.

        A skeleton with additional joints is reduced to the model's skeleton.
        """
        pose = body_joints(pose) if self.of_bodies else pose
        if holds(pose.skeleton, self.skeleton):
            pose = as_skeleton(pose, self.skeleton)
        else:
            raise Mismatch(
                f"the model reads the skeleton {self.skeleton}, the poses have {pose.skeleton}",
                hint="extract the poses with the pose model that the training clips have",
            )
        grid = pose.axis.grid(sampling_rate(pose, self.config.train))
        sampled = resample_pose(pose, grid)
        if self.config.model.input == "joints3d":
            need_3d([(pose.clip or "the clip", pose)])
            # for the entire clip, or each window would be turned to face the camera by itself
            sampled = replace(sampled, world=facing_joints(sampled))
        features = self._frame_features(pose, grid)
        window = window_frames(self.config)
        value = np.zeros((len(grid), self.config.model.width), dtype=np.float64)
        weight = np.zeros((len(grid), 1))
        for start in window_starts(len(grid), window):
            part = sampled.cut(start, start + window)
            blend = triangle(len(part))[:, None]
            part_features = None if features is None else features[start : start + window]
            value[start : start + window] += blend * self._embed_window(part, part_features)
            weight[start : start + window] += blend
        embedding = with_motion(value / weight - self.statistics.centre, self.config.model.motion)
        return interpolate(embedding.astype(np.float32), grid, pose.time)

    def _frame_features(self, pose: PoseSequence, grid: FloatArray) -> FloatArray | None:
        """Return the features of the video frames at the seconds `grid`, None if the network reads
        joints."""
        if self.config.model.input != "rgb":
            return None
        if self.frame_features is None or not pose.clip:
            raise Mismatch(
                "the model reads video frames (model.input=rgb), but only joints are available",
                hint="embed clips of a project as they were filmed, or use a run that reads joints",
            )
        return self.frame_features(pose.clip, grid)

    def _embed_window(self, pose: PoseSequence, features: FloatArray | None) -> FloatArray:
        skeleton = get_skeleton(pose.skeleton)
        heatmap, model = self.config.heatmap, self.config.model
        return self.forward(
            network_input(pose.xy, pose.score, skeleton, heatmap, model, features, pose.world)
        )


def with_motion(value: FloatArray, weight: float) -> FloatArray:
    """Return (T, 2D), features (T, D) and `weight` times their change per frame; unchanged for
    weight 0.

    The change is the central difference, or half the one-sided difference at the two ends. It
    distinguishes frames that look alike before and after a turning point, and slow from fast
    movement.
    """
    if not weight:
        return value
    padded = np.pad(value, ((1, 1), (0, 0)), mode="edge")
    return np.concatenate([value, weight * (padded[2:] - padded[:-2]) / 2], axis=1)


def window_starts(length: int, window: int) -> list[int]:
    """Return the starts of half-overlapping windows of `window` frames that cover `length` frames.

    The last window ends with the clip; a clip that fits into one window has only one.
    """
    if length <= window:
        return [0]
    step = window // 2
    return [*range(0, length - window, step), length - window]


def triangle(length: int) -> FloatArray:
    """Return blending weights (length,) > 0, highest in the middle, so that windows join
    smoothly."""
    return 1 - np.abs(np.linspace(-1, 1, length + 2)[1:-1])
