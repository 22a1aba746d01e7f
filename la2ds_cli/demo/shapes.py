"""Antialiased convex shapes; outlines are (V, 2) in pixels, pixel centres at integers."""

import cv2
import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image

_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates


def fill(image: Image, outline: FloatArray, colour: FloatArray) -> None:
    """Fill a convex outline (V, 2) in pixels, antialiased."""
    fixed = np.round(np.clip(outline, -4000, 4000) * (1 << _SHIFT)).astype(np.int32)
    red, green, blue = (float(value) for value in np.clip(colour, 0, 255))
    cv2.fillConvexPoly(image, fixed, (red, green, blue), cv2.LINE_AA, _SHIFT)


_ANGLE = np.linspace(0, 2 * np.pi, 17)[:-1]
_UNIT = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)


def circle(centre: FloatArray, radius: float) -> FloatArray:
    return centre + _UNIT * radius


def capsule(start: FloatArray, wide: float, end: FloatArray, narrow: float) -> FloatArray:
    return hull([circle(start, wide), circle(end, narrow)])


def hull(outline: list[FloatArray]) -> FloatArray:
    """Convex hull (V, 2) of several outlines."""
    return cv2.convexHull(np.concatenate(outline).astype(np.float32))[:, 0].astype(float)
