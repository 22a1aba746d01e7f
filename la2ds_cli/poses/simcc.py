"""SimCC heads: for every joint one profile over x and one over y in place of a heatmap (Li et al.,
"SimCC: A Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022), as
RTMPose models export them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray

Profiles = tuple[FloatArray, FloatArray]  # x (n, K, W * ratio), y (n, K, H * ratio)


@dataclass(frozen=True)
class SimccDecoder:
    """Output: a profile over x (n, K, W r) and one over y (n, K, H r) for r bins per pixel."""

    udp = False  # SimCC networks are trained with the biased crop

    def joints(
        self, output: Profiles, input_size: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """The highest bins, in input pixels. The score is the lower of their two values, as in
        MMPose's SimCC decoder (rtmlib takes their mean), at least 0 and at most 1."""
        x, y = output
        height, width = input_size
        bins = np.stack([x.argmax(axis=-1), y.argmax(axis=-1)], axis=-1)
        score = np.minimum(x.max(axis=-1), y.max(axis=-1))
        ratio = np.array([x.shape[-1] / width, y.shape[-1] / height])
        return bins / ratio, np.clip(score, 0, 1)

    def average(self, output: Profiles, mirrored: Profiles, flip: tuple[int, ...]) -> Profiles:
        """Joints are swapped by `flip` and the profile over x is reversed."""
        order = list(flip)
        x, y = mirrored
        return (output[0] + x[:, order, ::-1]) / 2, (output[1] + y[:, order]) / 2
