"""Person boxes to network crops, heatmaps to joints: numpy only, every map with its inverse.

The convention is that of the published HRNet code (Xiao et al., ECCV 2018; Sun et al., CVPR
2019): the centre of a box falls on (W/2, H/2) of the network input, and heatmap cell (u, v) stands
for the input pixel (stride u, stride v).
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.types import FloatArray

PADDING = 1.25  # crop side over box side, as in the published training code


def crop_matrix(
    box: FloatArray, input_size: tuple[int, int], padding: float = PADDING
) -> FloatArray:
    """Affine (2, 3) float64 from image pixels to input pixels for box (4,) xyxy.

    input_size: (H, W). The box is widened to the aspect of the input, never narrowed, and grown
    by `padding`; there is no rotation and one scale for both axes.
    """
    height, width = input_size
    x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
    side = max((x2 - x1) / width, (y2 - y1) / height) * padding  # image pixels per input pixel
    scale = 1 / max(side, 1e-6)
    shift_x = width / 2 - scale * (x1 + x2) / 2
    shift_y = height / 2 - scale * (y1 + y2) / 2
    return np.array([[scale, 0, shift_x], [0, scale, shift_y]])


def to_image(xy: FloatArray, matrix: FloatArray) -> FloatArray:
    """Input pixels xy (n, K, 2) back to image pixels by the inverses of matrix (n, 2, 3)."""
    linear, shift = matrix[:, :, :2], matrix[:, :, 2]
    return np.einsum("nij,nkj->nki", np.linalg.inv(linear), xy - shift[:, None])


def decode_heatmaps(heatmap: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Joints of heatmap (n, K, H, W): xy (n, K, 2) in cells and score (n, K) in [0, 1].

    The highest cell, moved a quarter cell towards its higher neighbour on each axis where both
    neighbours exist (Newell et al., ECCV 2016). A map without a positive value scores 0.
    """
    n, joints, height, width = heatmap.shape
    best = heatmap.reshape(n, joints, -1).argmax(axis=2)
    y, x = np.divmod(best, width)
    rows, columns = np.ogrid[:n, :joints]
    score = heatmap[rows, columns, y, x]

    def offset(at: FloatArray, length: int, before: FloatArray, after: FloatArray) -> FloatArray:
        inside = (at > 0) & (at < length - 1)
        return np.where(inside, 0.25 * np.sign(after - before), 0)

    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, width - 1)
    up, down = np.maximum(y - 1, 0), np.minimum(y + 1, height - 1)
    dx = offset(x, width, heatmap[rows, columns, y, left], heatmap[rows, columns, y, right])
    dy = offset(y, height, heatmap[rows, columns, up, x], heatmap[rows, columns, down, x])
    xy = np.stack([x + dx, y + dy], axis=-1)
    return xy, np.clip(score, 0, 1)


def unflip(heatmap: FloatArray, flip: tuple[int, ...]) -> FloatArray:
    """Heatmaps (n, K, H, W) of a mirrored crop, brought back to the unmirrored one.

    Joints are swapped by `flip`. The maps are shifted right by one cell, since an even number of
    input pixels mirrors about a cell border and not a cell centre (the published `SHIFT_HEATMAP`).
    """
    mirrored = heatmap[:, list(flip), :, ::-1].copy()
    mirrored[..., 1:] = mirrored[..., :-1].copy()
    return mirrored
