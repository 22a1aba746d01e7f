"""Person boxes to network crops, heatmaps to joints: every map with its inverse.

Two conventions, which must match the training of the network. The biased one is that of the
published HRNet code (Xiao et al., ECCV 2018; Sun et al., CVPR 2019): the centre of a box falls on
(W/2, H/2) of the network input, and heatmap cell (u, v) stands for the input pixel
(stride u, stride v). UDP (Huang et al., "The Devil Is in the Details: Delving Into Unbiased Data
Processing for Human Pose Estimation", CVPR 2020) measures lengths between pixel centres: the
centre of a box falls on ((W - 1)/2, (H - 1)/2), and the last cell stands for the last pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses.dark import dark_offset

PADDING = 1.25  # crop side over box side, as in the published training code

Refinement = Literal["quarter", "dark"]


class Decoder(Protocol):
    """How the output of one kind of network becomes joints. input_size: (H, W)."""

    @property
    def udp(self) -> bool:
        """Whether crops are cut by the UDP convention."""
        ...

    def joints(self, output: Any, input_size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """xy (n, K, 2) in input pixels and score (n, K) in [0, 1]."""
        ...

    def average(self, output: Any, mirrored: Any, flip: tuple[int, ...]) -> Any:
        """Mean of the output for a crop and that for the mirrored crop, brought back."""
        ...


@dataclass(frozen=True)
class HeatmapDecoder:
    """Output: heatmap (n, K, H/s, W/s).

    refinement: how a joint is placed between cells. udp: the crop and cell convention, for which
    a mirrored map needs no shift. kernel: cells, odd; side of DARK's Gaussian.
    """

    refinement: Refinement = "quarter"
    udp: bool = False
    kernel: int = 11

    def joints(
        self, output: FloatArray, input_size: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        xy, score = decode_heatmaps(output, self.refinement, udp=self.udp, kernel=self.kernel)
        height, width = output.shape[2:]
        return xy * cell_size(input_size, (height, width), udp=self.udp), score

    def average(
        self, output: FloatArray, mirrored: FloatArray, flip: tuple[int, ...]
    ) -> FloatArray:
        return (output + unflip(mirrored, flip, shift=not self.udp)) / 2


def crop_matrix(
    box: FloatArray, input_size: tuple[int, int], padding: float = PADDING, *, udp: bool = False
) -> FloatArray:
    """Affine (2, 3) float64 from image pixels to input pixels for box (4,) xyxy.

    input_size: (H, W). The box is widened to the aspect of the input, never narrowed, and grown
    by `padding`; there is no rotation. One scale serves both axes, except under UDP, where the
    W - 1 and H - 1 steps between pixels have not quite the aspect of the input.
    """
    height, width = input_size
    x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
    side = max((x2 - x1) / width, (y2 - y1) / height) * padding  # image pixels per input pixel
    size = np.array([width, height])
    steps = size - 1 if udp else size
    scale = steps / (max(side, 1e-6) * size)
    shift = steps / 2 - scale * [(x1 + x2) / 2, (y1 + y2) / 2]
    return np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])


def to_image(xy: FloatArray, matrix: FloatArray) -> FloatArray:
    """Input pixels xy (n, K, 2) back to image pixels by the inverses of matrix (n, 2, 3)."""
    linear, shift = matrix[:, :, :2], matrix[:, :, 2]
    return np.einsum("nij,nkj->nki", np.linalg.inv(linear), xy - shift[:, None])


def cell_size(
    input_size: tuple[int, int], heatmap_size: tuple[int, int], *, udp: bool = False
) -> FloatArray:
    """Input pixels (x, y) from one heatmap cell to the next; both sizes (H, W)."""
    lost = 1 if udp else 0
    return np.array(
        [(input_size[axis] - lost) / (heatmap_size[axis] - lost) for axis in (1, 0)], np.float64
    )


def decode_heatmaps(
    heatmap: FloatArray, refinement: Refinement = "quarter", *, udp: bool = False, kernel: int = 11
) -> tuple[FloatArray, FloatArray]:
    """Joints of heatmap (n, K, H, W): xy (n, K, 2) in cells and score (n, K) in [0, 1].

    The highest cell, refined: `quarter` moves it a quarter cell towards its higher neighbour on
    each axis (Newell et al., ECCV 2016), `dark` to the top of a Gaussian around it
    (`la2ds_cli.poses.dark`). A map without a positive value scores 0 and keeps its highest cell.
    """
    n, joints, height, width = heatmap.shape
    maps = heatmap.reshape(n * joints, height, width)
    best = maps.reshape(n * joints, height * width).argmax(axis=1)
    y, x = np.divmod(best, width)
    score = maps[np.arange(len(maps)), y, x]
    if refinement == "dark":
        offset = dark_offset(maps, x, y, kernel=kernel, udp=udp)
    else:
        offset = _quarter_offset(maps, x, y)
    xy = np.stack([x, y], axis=-1) + np.where(score[:, None] > 0, offset, 0)
    return xy.reshape(n, joints, 2), np.clip(score, 0, 1).reshape(n, joints)


def _quarter_offset(maps: FloatArray, x: IntArray, y: IntArray) -> FloatArray:
    """(m, 2) of maps (m, H, W) around (x, y). The margins of the published decoder are not
    symmetric, and are kept: joints must not depend on who decodes."""
    _, height, width = maps.shape
    row = np.arange(len(maps))
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, width - 1)
    up, down = np.maximum(y - 1, 0), np.minimum(y + 1, height - 1)
    dx = np.sign(maps[row, y, right] - maps[row, y, left])
    dy = np.sign(maps[row, down, x] - maps[row, up, x])
    dx = np.where((x > 1) & (x < width - 1) & (y > 0), dx, 0)
    dy = np.where((y > 1) & (y < height - 1) & (x > 0), dy, 0)
    return 0.25 * np.stack([dx, dy], axis=-1)


def unflip(heatmap: FloatArray, flip: tuple[int, ...], *, shift: bool = True) -> FloatArray:
    """Heatmaps (n, K, H, W) of a mirrored crop, brought back to the unmirrored one.

    Joints are swapped by `flip`. With `shift` the maps move right by one cell, since an even
    number of input pixels mirrors about a cell border and not a cell centre (the published
    `SHIFT_HEATMAP`); where the last cell stands for the last pixel (UDP) nothing has to move.
    """
    mirrored = heatmap[:, list(flip), :, ::-1].copy()
    if shift:
        mirrored[..., 1:] = mirrored[..., :-1].copy()
    return mirrored
