"""Top-down pose estimation: person box to crop, any network, and heatmaps or profiles to joints.

There are two conventions, which must match the training of the network. The biased one is that of
the published HRNet code (Xiao et al., ECCV 2018; Sun et al., CVPR 2019): the centre of a box is at
(W/2, H/2) of the network input, and heatmap cell (u, v) represents the input pixel (stride u,
stride v). UDP (Huang et al., "The Devil Is in the Details: Delving Into Unbiased Data Processing
for Human Pose Estimation", CVPR 2020) measures lengths between pixel centres: the centre of a box
is at ((W - 1)/2, (H - 1)/2), and the last cell represents the last pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.video.reader import Image

PADDING = 1.25  # crop side over box side, as in the published training code

Refinement = Literal["quarter", "dark"]


class Decoder(Protocol):
    """How the output of one kind of network becomes joints. input_size: (H, W)."""

    @property
    def udp(self) -> bool:
        """Whether crops follow the UDP convention."""
        ...

    def joints(self, output: Any, input_size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """xy (n, K, 2) in input pixels and score (n, K) in [0, 1]."""
        ...


@dataclass(frozen=True)
class HeatmapDecoder:
    """Output: heatmap (n, K, H/s, W/s).

    refinement: how a joint is placed between cells. udp: the crop and cell convention. kernel:
    cells, odd; side of DARK's Gaussian.
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


def crop_matrix(
    box: FloatArray, input_size: tuple[int, int], padding: float = PADDING, *, udp: bool = False
) -> FloatArray:
    """Affine (2, 3) float64 from image pixels to input pixels for box (4,) xyxy.

    input_size: (H, W). The box is widened to the aspect of the input, never narrowed, and grown by
    `padding`; there is no rotation. Both axes have the same scale, except under UDP, where the W -
    1 and H - 1 steps between pixels do not quite have the aspect of the input.
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
    each axis (Newell et al., ECCV 2016), `dark` to the top of a Gaussian around it (`dark_offset`).
    A map without a positive value shows no joint: it scores 0 and gives the cell (-1, -1), as in
    the published decoders.
    """
    n, joints, height, width = heatmap.shape
    maps = heatmap.reshape(n * joints, height, width)
    y, x = np.divmod(maps.reshape(n * joints, height * width).argmax(axis=1), width)
    score = maps[np.arange(len(maps)), y, x]
    if refinement == "dark":
        offset = dark_offset(maps, x, y, kernel=kernel, udp=udp)
    else:
        offset = _quarter_offset(maps, x, y)
    xy = np.where(score[:, None] > 0, np.stack([x, y], axis=-1) + offset, -1)
    return xy.reshape(n, joints, 2), np.clip(score, 0, 1).reshape(n, joints)


def _quarter_offset(maps: FloatArray, x: IntArray, y: IntArray) -> FloatArray:
    """(m, 2) of maps (m, H, W) around (x, y). The asymmetric margins of the published decoder are
    kept, so that both give the same joints."""
    _, height, width = maps.shape
    row = np.arange(len(maps))
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, width - 1)
    up, down = np.maximum(y - 1, 0), np.minimum(y + 1, height - 1)
    dx = np.sign(maps[row, y, right] - maps[row, y, left])
    dy = np.sign(maps[row, down, x] - maps[row, up, x])
    dx = np.where((x > 1) & (x < width - 1) & (y > 0), dx, 0)
    dy = np.where((y > 1) & (y < height - 1) & (x > 0), dy, 0)
    return 0.25 * np.stack([dx, dy], axis=-1)


# DARK: the joint between heatmap cells, from the Gaussian around the highest one (Zhang et al.,
# "Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020, sec. 3.2).
# The map is smoothed by the Gaussian it was trained with, which removes side peaks (eq. 10), and a
# Taylor step of its logarithm, m - H^-1 g (eq. 9), leads from the highest cell to the top.


def dark_offset(
    maps: FloatArray, x: IntArray, y: IntArray, *, kernel: int, udp: bool = False
) -> FloatArray:
    """Offsets (m, 2) in cells from the highest cells (x, y), each (m,), of maps (m, H, W).

    kernel: side of the smoothing Gaussian, odd: 11 for targets of sigma 2, 17 for sigma 3. udp: the
    finite differences and bounds of the UDP decoder (Huang et al., CVPR 2020), which also refine at
    the border; otherwise joints less than two cells from the border stay on their cell. A map
    without a unique maximum, such as a flat one, has offset 0.
    """
    smooth = _modulated(maps, kernel)
    if udp:
        return _newton_step(*_udp_derivatives(np.log(np.clip(smooth, 1e-3, 50)), x, y))
    offset = _newton_step(*_derivatives(np.log(np.maximum(smooth, 1e-10)), x, y))
    height, width = maps.shape[1:]
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return np.where(inside[:, None], offset, 0)


def _newton_step(
    gradient: FloatArray, hessian: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """-H^-1 g (m, 2) from gradient (m, 2) and xx, xy, yy, each (m,); 0 if H has no inverse."""
    xx, xy, yy = hessian
    determinant = xx * yy - xy * xy
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.stack(
            [yy * gradient[:, 0] - xy * gradient[:, 1], xx * gradient[:, 1] - xy * gradient[:, 0]],
            axis=-1,
        )
        offset = -step / determinant[:, None]
    return np.where(np.isfinite(offset).all(axis=-1, keepdims=True), offset, 0)


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
    """Differences that reach one cell; beyond the border the last cell is repeated."""
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
    """Values of maps (m, H, W) at a distance from (x, y); beyond the border its cells are
    repeated."""

    def __init__(self, maps: FloatArray, x: IntArray, y: IntArray) -> None:
        self.maps, self.x, self.y = maps, x, y
        self.row = np.arange(len(maps))

    def __call__(self, dx: int, dy: int) -> FloatArray:
        _, height, width = self.maps.shape
        x = np.clip(self.x + dx, 0, width - 1)
        y = np.clip(self.y + dy, 0, height - 1)
        return self.maps[self.row, y, x]


Profiles = tuple[FloatArray, FloatArray]  # x (n, K, W * ratio), y (n, K, H * ratio)


@dataclass(frozen=True)
class SimccDecoder:
    """Output: a profile over x (n, K, W r) and one over y (n, K, H r) for r bins per pixel, as
    RTMPose models export them instead of a heatmap (Li et al., "SimCC: A Simple Coordinate
    Classification Perspective for Human Pose Estimation", ECCV 2022)."""

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


# Channel statistics of ImageNet, RGB in [0, 1]; every published COCO pose network expects them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_QUARTER = HeatmapDecoder()


@dataclass(frozen=True)
class TopDownBackend:
    """A pose backend around `forward`.

    forward: from (n, 3, H, W) float32, normalised RGB, to the input of `decoder`: heatmaps (n, K,
    H/s, W/s), or a tuple of profiles. input_size: (H, W). skeleton: name that orders the K joints.
    device: where it was built to run. batch_size: crops per forward pass. mean, std: of the
    channels, RGB in [0, 1].

    A batch is always full: it is padded with copies of its last crop. The last bits of a network's
    output depend on the shape of its batch; without padding, a crop's result would depend on the
    other crops, and an interrupted run would differ from another one (docs/decisions/0005).
    """

    forward: Callable[[FloatArray], Any]
    input_size: tuple[int, int]
    skeleton: str
    device: str
    batch_size: int = 16
    decoder: Decoder = _QUARTER
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Joints of the person in boxes[i] (xyxy, pixels) of images[i] (H, W, 3) uint8 RGB.

        Returns xy (n, K, 2) float32 in pixels of the image and score (n, K) float32 in [0, 1].
        """
        joints = len(get_skeleton(self.skeleton).joints)
        xy = np.zeros((len(boxes), joints, 2), np.float32)
        score = np.zeros((len(boxes), joints), np.float32)
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            matrix = np.stack(
                [crop_matrix(box, self.input_size, udp=self.decoder.udp) for box in boxes[part]]
            )
            crop = self._crops(images[part], matrix)
            padding = np.repeat(crop[-1:], self.batch_size - len(crop), axis=0)
            output = self.forward(np.concatenate([crop, padding]))
            pixel, certain = self.decoder.joints(output, self.input_size)
            xy[part] = to_image(pixel[: len(crop)], matrix)
            score[part] = certain[: len(crop)]
        return xy, score

    def _crops(self, images: Sequence[Image], matrix: FloatArray) -> FloatArray:
        """Normalised crops (n, 3, H, W) float32; pixels outside an image are black."""
        import cv2

        height, width = self.input_size
        cut = np.stack(
            [
                cv2.warpAffine(image, m, (width, height), flags=cv2.INTER_LINEAR)
                for image, m in zip(images, matrix, strict=True)
            ]
        )
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        normalised = (cut.astype(np.float32) / 255 - mean) / std
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))
