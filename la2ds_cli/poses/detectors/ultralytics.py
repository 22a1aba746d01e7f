"""YOLO detectors of Ultralytics (AGPL-3.0), with or without a tracker that follows people.

`FILE.pt`, `ultralytics:FILE.pt` or `ultralytics:NAME`; with `,bytetrack` (Zhang et al., ECCV 2022)
or `,botsort` (Aharon et al., 2022) appended, people keep their number from frame to frame. A pose
network works as well: its boxes are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.detectors.onnx import letterbox
from la2ds_cli.poses.ultralytics_model import (
    NOTICE,
    YoloModel,
    import_part,
    load_model,
    model_identity,
    parse_setting,
)
from la2ds_cli.video.reader import Image

NAMES = ("ultralytics",)
SUFFIXES = (".pt",)

_DEFAULT = "yolo11n"
_STRIDE = 32
_SCALING = "linear"  # la2ds 0.1 averaged pixels, and found other boxes


def identity(name: str) -> str:
    """The digest of the weights, how pictures are scaled, and the tracker, if any."""
    setting = parse_setting(name, _DEFAULT)
    return ",".join(filter(None, (model_identity(setting), _SCALING, setting.tracker)))


def build(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> UltralyticsDetector:
    """The detector. Raises UserError as load_model."""
    setting = parse_setting(name, _DEFAULT)
    model = load_model(setting, device, config.batch_size)
    if setting.tracker:
        return TrackingDetector(model, setting.tracker)
    return UltralyticsDetector(model)


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


class TrackingDetector(UltralyticsDetector):
    """Adds the tracker's number of each person, -1 for boxes that it does not follow (yet)."""

    sequential = True

    def __init__(self, model: YoloModel, tracker: str) -> None:
        super().__init__(model)
        self.tracker: Any = make_tracker(tracker)
        self.lock = Lock()

    def reset(self) -> None:
        """Forget everybody: the next frame begins a clip."""
        with self.lock:
            self.tracker.reset()

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        boxes = super().detect(images)
        with self.lock:
            return [
                follow(self.tracker, image, box) for image, box in zip(images, boxes, strict=True)
            ]


def make_tracker(name: str) -> Any:
    """A tracker with Ultralytics' own settings, which need no further network."""
    part = {"bytetrack": "trackers.byte_tracker", "botsort": "trackers.bot_sort"}[name]
    cls = {"bytetrack": "BYTETracker", "botsort": "BOTSORT"}[name]
    utils = import_part("utils")
    settings = utils.YAML.load(utils.ROOT / "cfg" / "trackers" / f"{name}.yaml")
    return getattr(import_part(part), cls)(utils.IterableSimpleNamespace(**settings))


def follow(tracker: Any, image: Image, box: FloatArray) -> FloatArray:
    """Boxes (n, 6) of the next frame: those given (n, 5) and the tracker's number of each."""
    boxes = import_part("engine.results").Boxes
    person = np.zeros((len(box), 1), np.float32)
    given = boxes(np.concatenate([box, person], axis=1), image.shape[:2])
    number = np.full((len(box), 1), -1, np.float32)
    for track in tracker.update(given, np.ascontiguousarray(image[:, :, ::-1])):
        number[int(track[7])] = track[4]
    return np.concatenate([box, number], axis=1)
