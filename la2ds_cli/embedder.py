"""From poses to embeddings by any network: sampling by time, windows, motion; arrays alone.

What computes the network (torch, onnxruntime) is a function of one clip; all else is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from la2ds_cli.config import Config
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.network_input import NetworkInput, network_input
from la2ds_cli.resample import interpolate, resample_pose, time_grid
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import FloatArray, PoseSequence

Forward = Callable[[NetworkInput], FloatArray]
"""One clip of T frames, at the rate of the model -> (T, D) float32."""


def window_frames(config: Config) -> int:
    """Frames of the longest piece that a network is given at once."""
    return 2 * config.train.frames


class Embedder:
    """A network ready to embed poses: `embedder(poses)` gives one (T, D) float32 per sequence,
    a row for every source frame. key: identity of the weights."""

    def __init__(self, forward: Forward, config: Config, skeleton: str, key: str) -> None:
        self.forward = forward
        self.config = config
        self.skeleton = skeleton
        self.key = key

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
        window = window_frames(self.config)
        value = np.zeros((len(grid), self.config.model.width), dtype=np.float64)
        weight = np.zeros((len(grid), 1))
        for start in window_starts(len(grid), window):
            part = sampled.cut(start, start + window)
            blend = triangle(len(part))[:, None]
            value[start : start + window] += blend * self._embed_window(part)
            weight[start : start + window] += blend
        features = with_motion(value / weight, self.config.model.motion)
        return interpolate(features.astype(np.float32), grid, pose.time)

    def _embed_window(self, pose: PoseSequence) -> FloatArray:
        skeleton = get_skeleton(pose.skeleton)
        config = self.config
        return self.forward(
            network_input(pose.xy, pose.score, skeleton, config.heatmap, config.model)
        )


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
