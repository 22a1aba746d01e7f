"""Top-down pose estimation with any network that maps a person crop to heatmaps or profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.decode import Decoder, HeatmapDecoder, crop_matrix, to_image
from la2ds_cli.video.reader import Image

# Channel statistics of ImageNet, RGB in [0, 1]; every published COCO pose network expects them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_QUARTER = HeatmapDecoder()


@dataclass(frozen=True)
class TopDownBackend:
    """A pose backend around `forward`.

    forward: (n, 3, H, W) float32, normalised RGB, to what `decoder` reads: heatmaps
    (n, K, H/s, W/s), or a tuple of profiles. input_size: (H, W). skeleton: name that orders the K
    joints. device: where it was built to run. batch_size: crops per forward pass. flip_test:
    average with the mirrored crop, twice the cost. mean, std: of the channels, RGB in [0, 1].
    """

    forward: Callable[[FloatArray], Any]
    input_size: tuple[int, int]
    skeleton: str
    device: str
    batch_size: int = 16
    flip_test: bool = False
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
            output = self._output(self._crops(images[part], matrix))
            pixel, score[part] = self.decoder.joints(output, self.input_size)
            xy[part] = to_image(pixel, matrix)
        return xy, score

    def _output(self, crop: FloatArray) -> Any:
        output = self.forward(crop)
        if not self.flip_test:
            return output
        mirrored = self.forward(np.ascontiguousarray(crop[..., ::-1]))
        return self.decoder.average(output, mirrored, get_skeleton(self.skeleton).flip)

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
