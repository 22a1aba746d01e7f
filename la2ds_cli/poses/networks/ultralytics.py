"""YOLO networks of Ultralytics (AGPL-3.0): `FILE.pt`, `ultralytics:FILE.pt` or
`ultralytics:NAME`.

Pose networks find people by themselves. Here they are shown the surroundings of each box; of the
people they find there, the one whose box overlaps the given box most counts. Joints are the 17 of
COCO. As a detector a pose network works as well: its boxes are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes as box_arithmetic
from la2ds_cli.poses.networks import Joints, PoseBackend, no_joints
from la2ds_cli.poses.top_down import GREY, crop_matrix, letterbox, to_image
from la2ds_cli.poses.ultralytics_model import (
    NOTICE,
    YoloModel,
    load_model,
    model_identity,
    model_name,
)
from la2ds_cli.video.reader import Image

POSES = ("ultralytics",)
DETECTORS = ("ultralytics",)
SUFFIXES = (".pt",)

_POSE, _DETECTOR = "yolo11n-pose", "yolo11n"  # where none is named
_JOINTS = len(get_skeleton("coco17").joints)
_ASPECT = 0.75  # width over height of a crop, as for the other networks
_STRIDE = 32
_LEAST_SCORE = 0.25  # of a person, Ultralytics' own default
_LEAST_OVERLAP = 0.1  # IoU with the given box below which it is somebody else


def pose_identity(name: str) -> str:
    """The digest of the weights."""
    return model_identity(model_name(name, _POSE))


def detector_identity(name: str) -> str:
    """The digest of the weights, and how pictures are scaled."""
    return f"{model_identity(model_name(name, _DETECTOR))},linear"


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> UltralyticsBackend:
    """The pose network; UserError as load_model, and exit 5 for one without COCO's joints."""
    called = model_name(name, _POSE)
    model = load_model(called, device, config.batch_size)
    if model.joints is None or model.joints[0] != _JOINTS:
        output = f"{model.joints[0]} joints" if model.joints else "only boxes"
        raise UserError(
            f"{called} finds {output}, but la2ds needs the {_JOINTS} joints of coco17",
            hint=f"use a pose network, such as --pose ultralytics:{_POSE}",
            exit_code=ExitCode.MISMATCH,
        )
    return UltralyticsBackend(model)


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> UltralyticsDetector:
    """The detector. Raises UserError as load_model."""
    model = load_model(model_name(name, _DETECTOR), device, config.batch_size)
    return UltralyticsDetector(model)


class UltralyticsBackend:
    """least_score: of a person in a crop; below it nobody is found there."""

    skeleton = "coco17"
    notice = NOTICE

    def __init__(self, model: YoloModel, least_score: float = _LEAST_SCORE) -> None:
        self.model = model
        self.least_score = least_score
        height = model.image_size
        self.input_size = height, -(-round(height * _ASPECT) // _STRIDE) * _STRIDE

    @property
    def device(self) -> str:
        return self.model.device

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """As PoseBackend.estimate; score is the network's visibility, 0 if nobody is found."""
        xy, score, world = no_joints(len(boxes), _JOINTS)
        matrix = [crop_matrix(box, self.input_size) for box in boxes]
        crop = [self._crop(image, m) for image, m in zip(images, matrix, strict=True)]
        for i, people in enumerate(self.model.detect(crop, self.least_score)):
            person = best_match(people, to_crop(boxes[i], matrix[i]))
            if person >= 0:
                joint, score[i] = read_joints(people[person])
                xy[i] = to_image(joint[None], matrix[i][None])[0]
        return xy, score, world

    def _crop(self, image: Image, matrix: FloatArray) -> Image:
        import cv2

        height, width = self.input_size
        grey = (GREY, GREY, GREY)
        cut = cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=grey
        )
        return np.asarray(cut, np.uint8)


def to_crop(box: FloatArray, matrix: FloatArray) -> FloatArray:
    """Box (4,) xyxy from pixels of the image to pixels of the crop, by the affine matrix (2, 3)."""
    corners = np.asarray(box, np.float64).reshape(2, 2)
    return (corners @ matrix[:, :2].T + matrix[:, 2]).reshape(4)


def best_match(people: FloatArray, box: FloatArray) -> int:
    """Row of `people` (n, 5 or more) whose box overlaps the given box (4,) most; -1 for none."""
    if not len(people):
        return -1
    overlap = box_arithmetic.iou(people[:, :4], box[None])
    row = int(overlap.argmax())
    return row if overlap[row] >= _LEAST_OVERLAP else -1


def read_joints(row: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Joints (K, 2) and scores (K,) of a person's row; the person's score if joints have none."""
    values = row[5:].reshape(_JOINTS, -1)
    if values.shape[1] == 2:
        return values, np.full(_JOINTS, row[4], np.float32)
    return values[:, :2], np.clip(values[:, 2], 0, 1)


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
