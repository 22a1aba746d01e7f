"""Top-down pose estimation: person box to crop, any network, and heatmaps to joints.

Crops and cells follow the convention of the published HRNet code (Xiao et al., ECCV 2018; Sun et
al., CVPR 2019): the centre of a box is at (W/2, H/2) of the network input, and heatmap cell (u, v)
represents the input pixel (stride u, stride v).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses.networks import Joints, no_joints
from la2ds_cli.video.reader import Image

PADDING = 1.25  # crop side over box side, as in the published training code
GREY = 114  # around a picture, as detectors see it in training


def crop_matrix(box: FloatArray, input_size: tuple[int, int]) -> FloatArray:
    """Affine (2, 3) float64 from image pixels to input pixels for box (4,) xyxy.

    input_size: (H, W). The box is widened to the aspect of the input, never narrowed, and grown by
    PADDING; there is no rotation.
    """
    height, width = input_size
    x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
    side = max((x2 - x1) / width, (y2 - y1) / height) * PADDING  # image pixels per input pixel
    size = np.array([width, height])
    scale = size / (max(side, 1e-6) * size)
    shift = size / 2 - scale * [(x1 + x2) / 2, (y1 + y2) / 2]
    return np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])


def to_image(xy: FloatArray, matrix: FloatArray) -> FloatArray:
    """Input pixels xy (n, K, 2) back to image pixels by the inverses of matrix (n, 2, 3)."""
    linear, shift = matrix[:, :, :2], matrix[:, :, 2]
    return np.einsum("nij,nkj->nki", np.linalg.inv(linear), xy - shift[:, None])


def decode_heatmaps(
    heatmap: FloatArray, input_size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Joints of heatmap (n, K, H/s, W/s): xy (n, K, 2) in input pixels and score (n, K) in [0, 1].

    The highest cell, moved a quarter cell towards its higher neighbour on each axis (Newell et al.,
    ECCV 2016). A map without a positive value shows no joint: it scores 0 and gives the cell
    (-1, -1), as in the published decoder.
    """
    n, joints, height, width = heatmap.shape
    maps = heatmap.reshape(n * joints, height, width)
    y, x = np.divmod(maps.reshape(n * joints, height * width).argmax(axis=1), width)
    score = maps[np.arange(len(maps)), y, x]
    cell = np.stack([x, y], axis=-1) + _quarter_offset(maps, x, y)
    xy = np.where(score[:, None] > 0, cell, -1).reshape(n, joints, 2)
    step = np.array([input_size[1] / width, input_size[0] / height])
    return xy * step, np.clip(score, 0, 1).reshape(n, joints)


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


# Channel statistics of ImageNet, RGB in [0, 1]; every published COCO pose network expects them.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TopDownBackend:
    """A pose backend around `forward`.

    forward: from (n, 3, H, W) float32, normalised RGB, to heatmaps (n, K, H/s, W/s). input_size:
    (H, W). skeleton: name that orders the K joints. device: where it was built to run. batch_size:
    crops per forward pass.

    A batch is always full: it is padded with copies of its last crop. The last bits of a network's
    output depend on the shape of its batch; without padding, a crop's result would depend on the
    other crops, and an interrupted run would differ from another one (docs/decisions/0005).
    """

    forward: Callable[[FloatArray], FloatArray]
    input_size: tuple[int, int]
    skeleton: str
    device: str
    batch_size: int = 16

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """As PoseBackend.estimate."""
        xy, score, world = no_joints(len(boxes), len(get_skeleton(self.skeleton).joints))
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            matrix = np.stack([crop_matrix(box, self.input_size) for box in boxes[part]])
            crop = self._crops(images[part], matrix)
            padding = np.repeat(crop[-1:], self.batch_size - len(crop), axis=0)
            output = self.forward(np.concatenate([crop, padding]))
            pixel, certain = decode_heatmaps(output, self.input_size)
            xy[part] = to_image(pixel[: len(crop)], matrix)
            score[part] = certain[: len(crop)]
        return xy, score, world

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
        mean, std = np.array(_MEAN, np.float32), np.array(_STD, np.float32)
        normalised = (cut.astype(np.float32) / 255 - mean) / std
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


def letterbox(
    image: Image, size: tuple[int, int], *, area: bool = True
) -> tuple[Image, FloatArray, FloatArray]:
    """Image scaled into (H, W) with its aspect kept, on grey; the scale and the shift, (x, y) each.

    The scales differ a little, since both sides are rounded to whole pixels. area: average the
    pixels of a larger image, which hides no detail; otherwise interpolate between the nearest.
    """
    import cv2

    height, width = size
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    interpolation = cv2.INTER_AREA if area and scale < 1 else cv2.INTER_LINEAR
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=interpolation
    )
    scales = np.array([inner[0] / image.shape[1], inner[1] / image.shape[0]], np.float32)
    return canvas, scales, np.array([left, top], np.float32)
