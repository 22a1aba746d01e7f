"""The networks of tests.poses.grey_people, with bodies that lie: head left, feet right, unsure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import Joints
from la2ds_cli.video.reader import Image
from tests.poses.grey_people import GreyDetector, GreyPose, find

# Places of the COCO joints in the unit rectangle: head, shoulders, elbows, wrists, hips, knees,
# ankles, left ones above.
_HEAD = [(0.05, 0.5), (0.04, 0.45), (0.04, 0.55), (0.06, 0.4), (0.06, 0.6)]
_BODY = [(x, y) for x in (0.2, 0.35, 0.5, 0.52, 0.75, 0.95) for y in (0.3, 0.7)]
PLACES = np.array(_HEAD + _BODY)


class LyingPose(GreyPose):
    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        xy, score, world = super().estimate(images, boxes)
        for n, image in enumerate(images):
            box = find(image, 200)
            assert box is not None
            xy[n] = box[:2] + PLACES * (box[2:] - box[:2])
            score[n] = 0.6
        return xy, score, world


def pose_identity(name: str) -> str:
    return name


def detector_identity(name: str) -> str:
    return name


def build_pose(name: str, device: str, config: object) -> LyingPose:
    return LyingPose()


def build_detector(name: str, device: str, config: object, pose: object) -> GreyDetector:
    return GreyDetector()
