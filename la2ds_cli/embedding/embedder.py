"""From poses to embeddings by any network: sampling by time, windows, motion; arrays alone.

What computes the network (torch, onnxruntime) is a function of one clip; all else is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.network_input import NetworkInput, network_input
from la2ds_cli.features.resample import interpolate, resample_pose, time_grid

VERSION = 2  # 2: a learned position table is stretched over windows longer than training showed
Forward = Callable[[NetworkInput], FloatArray]
"""One clip of T frames, at the rate of the model -> (T, D) float32."""


class FrameFeatureSource(Protocol):
    """Id of a clip and seconds (G,) -> features (G, 1024) of its video frames.

    key: identity of the features of a clip.
    """

    def __call__(self, clip: str, at: FloatArray, /) -> FloatArray: ...

    def key(self, clip: str, /) -> str: ...


def window_frames(config: Config) -> int:
    """Frames of the longest piece that a network is given at once."""
    return 2 * config.train.frames


class Embedder:
    """Embeds poses with a network: `embedder(poses)` gives one (T, D) float32 per sequence, with a
    row for every source frame.

    key: identity of the weights. frame_features: for a network that reads video frames
    (`model.input=rgb`); its poses must be those of clips of a project, or parts of them.
    """

    def __init__(
        self,
        forward: Forward,
        config: Config,
        skeleton: str,
        key: str,
        frame_features: FrameFeatureSource | None = None,
    ) -> None:
        self.forward = forward
        self.config = config
        self.skeleton = skeleton
        self.key = key
        self.frame_features = frame_features

    def __call__(self, poses: Sequence[PoseSequence]) -> list[FloatArray]:
        return [self._embed(pose) for pose in poses]

    def _embed(self, pose: PoseSequence) -> FloatArray:
        """Sample by time to the model's rate, embed, and interpolate back to every frame."""
        if pose.skeleton != self.skeleton:
            raise UserError(
                f"the model reads the skeleton {self.skeleton}, the poses have {pose.skeleton}",
                hint="extract the poses with the pose model the training clips were made with",
                exit_code=ExitCode.MISMATCH,
            )
        grid = time_grid(pose.time, self.config.train.fps)
        sampled = resample_pose(pose, grid)
        seen = self._seen(pose, grid)
        window = window_frames(self.config)
        value = np.zeros((len(grid), self.config.model.width), dtype=np.float64)
        weight = np.zeros((len(grid), 1))
        for start in window_starts(len(grid), window):
            part = sampled.cut(start, start + window)
            blend = triangle(len(part))[:, None]
            shown = None if seen is None else seen[start : start + window]
            value[start : start + window] += blend * self._embed_window(part, shown)
            weight[start : start + window] += blend
        features = with_motion(value / weight, self.config.model.motion)
        return interpolate(features.astype(np.float32), grid, pose.time)

    def _seen(self, pose: PoseSequence, grid: FloatArray) -> FloatArray | None:
        """Features of the video frames at the seconds `grid`, where the network reads them."""
        if self.config.model.input != "rgb":
            return None
        if self.frame_features is None or not pose.clip:
            raise UserError(
                "the model reads video frames (model.input=rgb), and there are only joints here",
                hint="embed clips of a project as they were filmed, or use a run that reads joints",
                exit_code=ExitCode.MISMATCH,
            )
        return self.frame_features(pose.clip, grid)

    def _embed_window(self, pose: PoseSequence, seen: FloatArray | None) -> FloatArray:
        skeleton = get_skeleton(pose.skeleton)
        heatmap, model = self.config.heatmap, self.config.model
        return self.forward(network_input(pose.xy, pose.score, skeleton, heatmap, model, seen))


def with_motion(value: FloatArray, weight: float) -> FloatArray:
    """Features (T, D) and `weight` times their change per frame, (T, 2D); as they are for 0.

    The change is the central difference; half of it at the two ends. It tells apart moments that
    look alike on the way to and from a turning point, and places where the movement is fast.
    """
    if not weight:
        return value
    padded = np.pad(value, ((1, 1), (0, 0)), mode="edge")
    return np.concatenate([value, weight * (padded[2:] - padded[:-2]) / 2], axis=1)


def window_starts(length: int, window: int) -> list[int]:
    """Starts of half-overlapping windows that cover `length` frames, the last one flush with
    the end; one window where the clip fits into it."""
    if length <= window:
        return [0]
    step = window // 2
    return [*range(0, length - window, step), length - window]


def triangle(length: int) -> FloatArray:
    """Blending weights (length,) > 0, highest in the middle, so that windows join smoothly."""
    return 1 - np.abs(np.linspace(-1, 1, length + 2)[1:-1])
