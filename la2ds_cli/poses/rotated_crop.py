"""Square crops that rotate with a person, for the networks of BlazePose.

A region is a square of the image, rotated so that the body is upright in the crop. A
crop of `side` pixels puts the corner of the region at its pixel (0, 0) and the opposite one at
(side, side), as in MediaPipe's converter for the CPU; joints are mapped back by the same map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image


@dataclass(frozen=True)
class Region:
    """A rotated square of an image: centre x, y and side in pixels; angle in radians, clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def matrix(self, size: int) -> FloatArray:
        """Affine (2, 3) float64 from a crop of `size` pixels to pixels of the image."""
        scale = self.side / size
        cos, sin = scale * np.cos(self.angle), scale * np.sin(self.angle)
        half = size / 2
        return np.array(
            [
                [cos, -sin, self.x - half * (cos - sin)],
                [sin, cos, self.y - half * (sin + cos)],
            ]
        )

    def crop(self, image: Image, size: int, *, black: bool = False) -> Image:
        """The region as an image (size, size, 3) uint8.

        Outside the image it repeats the border, or is black.
        """
        import cv2

        border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REPLICATE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = self.matrix(size)
        return np.asarray(
            cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border), np.uint8
        )

    def to_image(self, xy: FloatArray, size: int) -> FloatArray:
        """Pixels xy (..., 2) of a crop of `size` pixels in pixels of the image."""
        matrix = self.matrix(size)
        return xy @ matrix[:, :2].T + matrix[:, 2]

    def turned(self, vector: FloatArray) -> FloatArray:
        """Vectors (..., 2 or 3) of the crop, rotated into the image; a third axis is kept."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = vector[..., 0], vector[..., 1]
        return np.concatenate(
            [np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1), vector[..., 2:]], axis=-1
        )

    def scaled(self, factor: float) -> Region:
        """The same square with its side multiplied."""
        return replace(self, side=self.side * factor)


def whole(image: Image) -> Region:
    """The smallest upright square around an image (H, W, ...): its letterbox."""
    height, width = image.shape[:2]
    return Region(width / 2, height / 2, float(max(height, width)))


def around_axis(centre: FloatArray, end: FloatArray, scale: float) -> Region:
    """The square around `centre` (2,) with `end` (2,) straight above it in the crop.

    The side is `scale` times twice their distance.
    """
    dx, dy = np.asarray(end, np.float64) - centre
    angle = normalized(np.pi / 2 - np.arctan2(-dy, dx))
    return Region(float(centre[0]), float(centre[1]), 2 * scale * float(np.hypot(dx, dy)), angle)


def normalized(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return float(angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi)))
