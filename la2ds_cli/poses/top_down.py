"""Top-down pose estimation with any network that maps a person crop to one heatmap per joint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.poses.decode import crop_matrix, decode_heatmaps, to_image, unflip
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import FloatArray
from la2ds_cli.video import Image

# Channel statistics of ImageNet in [0, 1] RGB; every published COCO pose network expects them.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class TopDownBackend:
    """A pose backend around `forward`.

    forward: (n, 3, H, W) float32, ImageNet-normalised RGB, to heatmaps (n, K, H/s, W/s).
    input_size: (H, W). skeleton: name that orders the K joints. device: where it runs.
    batch_size: crops per forward pass. flip_test: average with the mirrored crop, twice the cost.
    """

    forward: Callable[[FloatArray], FloatArray]
    input_size: tuple[int, int]
    skeleton: str
    device: str
    batch_size: int = 16
    flip_test: bool = False

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Joints of the person in boxes[i] (xyxy, pixels) of images[i] (H, W, 3) uint8 RGB.

        Returns xy (n, K, 2) float32 in pixels of the image and score (n, K) float32 in [0, 1].
        """
        joints = len(get_skeleton(self.skeleton).joints)
        xy = np.zeros((len(boxes), joints, 2), np.float32)
        score = np.zeros((len(boxes), joints), np.float32)
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            matrix = np.stack([crop_matrix(box, self.input_size) for box in boxes[part]])
            heatmap = self._heatmaps(_crops(images[part], matrix, self.input_size))
            stride = self.input_size[0] / heatmap.shape[2]
            cells, score[part] = decode_heatmaps(heatmap)
            xy[part] = to_image(cells * stride, matrix)
        return xy, score

    def _heatmaps(self, crop: FloatArray) -> FloatArray:
        heatmap = self.forward(crop)
        if not self.flip_test:
            return heatmap
        flip = get_skeleton(self.skeleton).flip
        return (heatmap + unflip(self.forward(np.ascontiguousarray(crop[..., ::-1])), flip)) / 2


def _crops(images: Sequence[Image], matrix: FloatArray, input_size: tuple[int, int]) -> FloatArray:
    """Normalised crops (n, 3, H, W) float32; pixels outside an image are black."""
    import cv2

    height, width = input_size
    cut = np.stack(
        [
            cv2.warpAffine(image, m, (width, height), flags=cv2.INTER_LINEAR)
            for image, m in zip(images, matrix, strict=True)
        ]
    )
    normalised = (cut.astype(np.float32) / 255 - _MEAN) / _STD
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))
