"""YOLO pose networks of Ultralytics (AGPL-3.0): `FILE.pt`, `ultralytics:FILE.pt` or
`ultralytics:NAME`.

They find people by themselves. Here they are shown the surroundings of each box; of the people they
find there, the one whose box overlaps the given box most counts. Joints are the 17 of COCO.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes as box_arithmetic
from la2ds_cli.poses.top_down import crop_matrix, to_image
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

_DEFAULT = "yolo11n-pose"
_JOINTS = len(get_skeleton("coco17").joints)
_ASPECT = 0.75  # width over height of a crop, as for the other networks
_STRIDE = 32
_GREY = 114  # around the picture, as in training
_LEAST_SCORE = 0.25  # of a person, Ultralytics' own default
_LEAST_OVERLAP = 0.1  # IoU with the given box below which it is somebody else


def identity(name: str) -> str:
    """The digest of the weights."""
    return model_identity(model_name(name, _DEFAULT))


def build(name: str, device: DeviceName, config: PosesConfig) -> UltralyticsBackend:
    """The backend; UserError as load_model, and exit 5 for a network without COCO's joints."""
    called = model_name(name, _DEFAULT)
    model = load_model(called, device, config.batch_size)
    if model.joints is None or model.joints[0] != _JOINTS:
        output = f"{model.joints[0]} joints" if model.joints else "only boxes"
        raise UserError(
            f"{called} finds {output}, but la2ds needs the {_JOINTS} joints of coco17",
            hint=f"use a pose network, such as --pose ultralytics:{_DEFAULT}",
            exit_code=ExitCode.MISMATCH,
        )
    return UltralyticsBackend(model)


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

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As PoseBackend.estimate; score is the network's visibility, 0 if nobody is found."""
        xy = np.zeros((len(boxes), _JOINTS, 2), np.float32)
        score = np.zeros((len(boxes), _JOINTS), np.float32)
        matrix = [crop_matrix(box, self.input_size) for box in boxes]
        crop = [self._crop(image, m) for image, m in zip(images, matrix, strict=True)]
        for i, people in enumerate(self.model.detect(crop, self.least_score)):
            person = best_match(people, to_crop(boxes[i], matrix[i]))
            if person >= 0:
                joint, score[i] = read_joints(people[person])
                xy[i] = to_image(joint[None], matrix[i][None])[0]
        return xy, score

    def _crop(self, image: Image, matrix: FloatArray) -> Image:
        import cv2

        height, width = self.input_size
        grey = (_GREY, _GREY, _GREY)
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
