"""DARK: the joint between heatmap cells, from the Gaussian around the highest one (Zhang et al.,
"Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020, sec. 3.2).

The map is smoothed by the Gaussian it was trained with, which removes side peaks (eq. 10), and a
Taylor step of its logarithm, m - H^-1 g (eq. 9), leads from the highest cell to the top.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray


def dark_offset(
    maps: FloatArray, x: IntArray, y: IntArray, *, kernel: int, udp: bool = False
) -> FloatArray:
    """Offsets (m, 2) in cells from the highest cells (x, y), each (m,), of maps (m, H, W).

    kernel: side of the smoothing Gaussian, odd: 11 for targets of sigma 2, 17 for sigma 3. udp:
    the finite differences and bounds of the UDP decoder (Huang et al., CVPR 2020), which also
    refine at the border; otherwise joints less than two cells from the border stay on their cell.
    A map without a unique top, such as a flat one, has offset 0.
    """
    smooth = _modulated(maps, kernel)
    log = np.log(np.clip(smooth, 1e-3, 50) if udp else np.maximum(smooth, 1e-10))
    gradient, (xx, xy, yy) = (_udp_derivatives if udp else _derivatives)(log, x, y)
    determinant = xx * yy - xy * xy
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.stack(
            [yy * gradient[:, 0] - xy * gradient[:, 1], xx * gradient[:, 1] - xy * gradient[:, 0]],
            axis=-1,
        )
        offset = -step / determinant[:, None]
    usable = np.isfinite(offset[:, 0]) & np.isfinite(offset[:, 1])
    if not udp:
        height, width = maps.shape[1:]
        usable &= (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return np.where(usable[:, None], offset, 0)


def _modulated(maps: FloatArray, kernel: int) -> FloatArray:
    """Smoothed maps, zeros beyond the border, scaled to keep their maxima; float64."""
    import cv2

    smooth = np.empty(maps.shape, np.float64)
    for one, out in zip(maps, smooth, strict=True):
        # OpenCV's sigma for a kernel of this side: 2 for 11, 2.9 for 17.
        blurred = cv2.GaussianBlur(
            one.astype(np.float32), (kernel, kernel), 0, borderType=cv2.BORDER_CONSTANT
        )
        top = blurred.max()
        out[:] = blurred * (one.max() / top) if top > 0 else 0
    return smooth


Derivatives = tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray]]  # (m, 2); xx, xy, yy


def _derivatives(log: FloatArray, x: IntArray, y: IntArray) -> Derivatives:
    """Central differences; the second ones reach two cells, as published."""
    at = _Neighbours(log, x, y)
    gradient = 0.5 * np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=-1)
    xx = 0.25 * (at(2, 0) - 2 * at(0, 0) + at(-2, 0))
    yy = 0.25 * (at(0, 2) - 2 * at(0, 0) + at(0, -2))
    xy = 0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1))
    return gradient, (xx, xy, yy)


def _udp_derivatives(log: FloatArray, x: IntArray, y: IntArray) -> Derivatives:
    """Differences that reach one cell; beyond the border the last cell goes on."""
    at = _Neighbours(log, x, y)
    gradient = 0.5 * np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=-1)
    xx = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
    yy = at(0, 1) - 2 * at(0, 0) + at(0, -1)
    around = at(1, 0) + at(0, 1) + at(-1, 0) + at(0, -1)
    xy = 0.5 * (at(1, 1) + at(-1, -1) + 2 * at(0, 0) - around)
    # The published decoder inverts H + eps I, in float32.
    epsilon = float(np.finfo(np.float32).eps)
    return gradient, (xx + epsilon, xy, yy + epsilon)


class _Neighbours:
    """Values of maps (m, H, W) at a distance from (x, y); the border cells go on beyond it."""

    def __init__(self, maps: FloatArray, x: IntArray, y: IntArray) -> None:
        self.maps, self.x, self.y = maps, x, y
        self.row = np.arange(len(maps))

    def __call__(self, dx: int, dy: int) -> FloatArray:
        _, height, width = self.maps.shape
        x = np.clip(self.x + dx, 0, width - 1)
        y = np.clip(self.y + dy, 0, height - 1)
        return self.maps[self.row, y, x]
