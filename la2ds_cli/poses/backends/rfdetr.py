"""RF-DETR's keypoint network (Apache-2.0) through the package rfdetr, as `rfdetr:FILE.pth`.

It finds people and their 17 joints of COCO at once. Here it is shown the surroundings of each box;
of the people it finds there, the one whose box overlaps the given box most counts. The package
calls the network a preview, so its version range is narrow. A checkpoint is data: a file that holds
more is refused.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# (rfdetr is an optional package, and this file has its name)

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends.ultralytics import best_match, to_crop
from la2ds_cli.poses.top_down import crop_matrix, to_image
from la2ds_cli.poses.weights import existing_file
from la2ds_cli.video.reader import Image

NAMES = ("rfdetr",)

INSTALL = "pip install 'la2ds[rfdetr]'"
_JOINTS = len(get_skeleton("coco17").joints)
_LEAST_SCORE = 0.25  # of a person in a crop, as for the other networks that find people


def identity(name: str) -> str:
    """The digest of the weights."""
    return f"rfdetr:{artifact.file_digest(_file(name))}"


def build(name: str, device: DeviceName, config: PosesConfig) -> RfdetrBackend:
    """The network of a checkpoint.

    Raises UserError: no file named or a flip test (exit 2), no such file (exit 3), another network
    or a file that holds more than data (exit 5), a missing package (exit 6).
    """
    if config.flip_test:
        raise UserError(
            "rfdetr has no flip test", hint="set flip_test = false under [poses] in project.toml"
        )
    path, where = _file(name), resolve_device(device)
    with optional_import(["rfdetr"], "the package {package} is not installed", INSTALL):
        from rfdetr import RFDETRKeypointPreview
    logging.getLogger("rf-detr").setLevel(logging.ERROR)  # advice for programmers
    try:
        network = RFDETRKeypointPreview.from_checkpoint(path, device=where.type)
    except (ValueError, RuntimeError, OSError, KeyError, EOFError, UnpicklingError) as error:
        raise _unfit(path, first_line(error)) from error
    if not isinstance(network, RFDETRKeypointPreview):
        raise _unfit(path, f"it is a {type(network).__name__}, which finds no joints")
    joints = list(network.model_config.num_keypoints_per_class)
    if [count for count in joints if count] != [_JOINTS]:
        raise _unfit(path, f"it finds {joints} joints, but la2ds needs the {_JOINTS} of coco17")
    return RfdetrBackend(network, joints.index(_JOINTS), where.type, config.batch_size)


class RfdetrBackend:
    """network: RFDETRKeypointPreview. person: number of the class that has joints. least_score: of
    a person in a crop; below it nobody is found there."""

    skeleton = "coco17"

    def __init__(
        self,
        network: Any,
        person: int,
        device: str,
        batch_size: int,
        least_score: float = _LEAST_SCORE,
    ) -> None:
        self.network = network
        self.person = person
        self.device = device
        self.batch_size = batch_size
        self.least_score = least_score
        self._lock = Lock()

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As PoseBackend.estimate; score is the network's confidence in each joint, 0 if nobody is
        found."""
        xy = np.zeros((len(boxes), _JOINTS, 2), np.float32)
        score = np.zeros((len(boxes), _JOINTS), np.float32)
        side = int(self.network.model_config.resolution)
        matrix = [crop_matrix(box, (side, side)) for box in boxes]
        for start in range(0, len(boxes), self.batch_size):
            part = range(start, min(start + self.batch_size, len(boxes)))
            for i, people in zip(
                part, self._people([_crop(images[i], matrix[i], side) for i in part]), strict=True
            ):
                found, joints, values = people
                row = best_match(found, to_crop(boxes[i], matrix[i]))
                if row >= 0:
                    xy[i] = to_image(joints[row][None], matrix[i][None])[0]
                    score[i] = np.clip(values[row], 0, 1)
        return xy, score

    def _people(self, crops: list[Image]) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Boxes (n, 4), joints (n, K, 2) in pixels of the crop and their scores (n, K) of each."""
        with self._lock:
            found = self.network.predict(
                crops, threshold=self.least_score, include_source_image=False
            )
        people = found if isinstance(found, list) else [found]
        rows = [np.flatnonzero(one.class_id == self.person) for one in people]
        return [
            (one.data["xyxy"][row], one.xy[row], one.keypoint_confidence[row])
            for one, row in zip(people, rows, strict=True)
        ]


def _crop(image: Image, matrix: FloatArray, side: int) -> Image:
    import cv2

    cut = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(cut, np.uint8)


def _file(name: str) -> Path:
    file = name.partition(":")[2]
    if not file:
        raise UserError("rfdetr needs a file of weights", hint="--pose rfdetr:FILE.pth")
    return existing_file(file).absolute()


def _unfit(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} is not an RF-DETR keypoint checkpoint that la2ds can use: {what}",
        hint="use weights of RFDETRKeypointPreview, trained on COCO's joints",
        exit_code=ExitCode.MISMATCH,
    )
