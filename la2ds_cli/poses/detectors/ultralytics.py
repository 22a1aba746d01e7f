"""YOLO detectors of Ultralytics (AGPL-3.0): `FILE.pt`, `ultralytics:FILE.pt` or
`ultralytics:NAME`. A pose network works as well: its boxes are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.detectors.onnx import letterbox
from la2ds_cli.poses.ultralytics_model import (
    NOTICE,
    YoloModel,
    load_model,
    model_identity,
    model_name,
)
from la2ds_cli.video.reader import Image

NAMES = ("ultralytics",)
SUFFIXES = (".pt",)

_DEFAULT = "yolo11n"
_STRIDE = 32


def identity(name: str) -> str:
    """The digest of the weights, and how pictures are scaled."""
    return f"{model_identity(model_name(name, _DEFAULT))},linear"


def build(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> UltralyticsDetector:
    """The detector. Raises UserError as load_model."""
    return UltralyticsDetector(load_model(model_name(name, _DEFAULT), device, config.batch_size))


class UltralyticsDetector:
    """Pictures of one size go through together."""

    notice = NOTICE

    def __init__(self, model: YoloModel) -> None:
        self.model = model

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        detected = []
        for shape, group in groupby(images, key=lambda image: image.shape):
            size = input_size((shape[0], shape[1]), self.model.image_size)
            boxed = [letterbox(image, size, area=False) for image in group]  # as in training
            rows = self.model.detect([canvas for canvas, _, _ in boxed])
            for row, (_, scale, shift) in zip(rows, boxed, strict=True):
                row[:, :4] = (row[:, :4] - np.tile(shift, 2)) / np.tile(scale, 2)
                detected.append(row[:, :5])
        return detected


def input_size(shape: tuple[int, int], longest: int) -> tuple[int, int]:
    """Sides (H, W) of the network's input for a picture (H, W): the longer one is `longest`
    pixels, the other as small as the aspect allows, both multiples of the network's stride."""
    scale = longest / max(shape)
    height, width = (-(-round(side * scale) // _STRIDE) * _STRIDE for side in shape)
    return max(height, _STRIDE), max(width, _STRIDE)
