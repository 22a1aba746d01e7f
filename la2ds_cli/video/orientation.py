"""Upright images: display matrices of videos, EXIF of photos, options of the user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Matrix = tuple[int, int, int, int]

IDENTITY: Matrix = (1, 0, 0, 1)

# The display matrix that undoes each EXIF orientation (Exif 2.32, tag 0x0112).
EXIF_MATRICES: dict[int, Matrix] = {
    1: IDENTITY,
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
# Clockwise turns as display matrices.
_TURNS: dict[int, Matrix] = {
    0: IDENTITY,
    90: EXIF_MATRICES[6],
    180: EXIF_MATRICES[3],
    270: EXIF_MATRICES[8],
}


def orient(image: Image, matrix: Matrix) -> Image:
    """image (H, W, 3) rotated and mirrored by a display matrix, to the nearest quarter turn.

    matrix: (a, b, c, d) with x' = a x + c y and y' = b x + d y (ISO/IEC 14496-12, x right, y
    down); only signs and the larger pair matter.
    """
    import cv2

    a, b, c, d = matrix
    if abs(b) > abs(a):
        image = np.asarray(cv2.transpose(image), np.uint8)
        across, down = c, b
    else:
        across, down = a, d
    if across < 0 or down < 0:
        # cv2.flip's codes: 1 mirrors left and right, 0 top and bottom, -1 both.
        code = (-1 if down < 0 else 1) if across < 0 else 0
        image = np.asarray(cv2.flip(image, code), np.uint8)
    return np.ascontiguousarray(image)


def turn(image: Image, rotate: int, mirror: bool) -> Image:
    """image (H, W, 3) rotated clockwise by `rotate` (0, 90, 180, 270), then mirrored left-right."""
    a, b, c, d = _TURNS[rotate]
    return orient(image, (-a, b, -c, d) if mirror else (a, b, c, d))


def swaps_sides(matrix: Matrix) -> bool:
    """Whether `orient` exchanges the width and the height of an image."""
    return abs(matrix[1]) > abs(matrix[0])
