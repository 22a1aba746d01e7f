"""The networks of tests.poses.grey_people, with bodies that lie: head left, feet right, unsure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image
from tests.poses.grey_people import GreyDetector, GreyPose, find

# Places of the COCO joints in the unit rectangle: head, shoulders, elbows, wrists, hips, knees,
# ankles, left ones above.
_HEAD = [(0.05, 0.5), (0.04, 0.45), (0.04, 0.55), (0.06, 0.4), (0.06, 0.6)]
_BODY = [(x, y) for x in (0.2, 0.35, 0.5, 0.52, 0.75, 0.95) for y in (0.3, 0.7)]
PLACES = np.array(_HEAD + _BODY)


class LyingPose(GreyPose):
    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        xy, score = super().estimate(images, boxes)
        for n, image in enumerate(images):
            box = find(image, 200)
            assert box is not None
            xy[n] = box[:2] + PLACES * (box[2:] - box[:2])
            score[n] = 0.6
        return xy, score


def identity(name: str) -> str:
    return name


def build(name: str, device: str, config: object, pose: object = None) -> object:
    """The detector when it is given the pose backend, else the pose backend."""
    return LyingPose() if pose is None else GreyDetector()
