"""No detector: the pose network sees the whole frame, then the box around its joints.

For one person who fills a large part of the frame, as in the demo clips; it mixes up several
people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.video.reader import Image

NAMES = ("full-frame",)

_PASSES = 3  # the first sees a small person, the later ones correct its scale
_VERSION = 1
_JOINT_THRESHOLD = 0.2
_MARGIN = 0.05  # share of the longer side; the crop of the pose network adds its own


def identity(name: str) -> str:
    """The name and the version of the refinement; the network is the pose identity."""
    return f"{name}:{_VERSION}"


def build(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> FullFrameDetector:
    return FullFrameDetector(pose)


class FullFrameDetector:
    """At most one box per image, scored by the mean score of its joints."""

    def __init__(self, pose: PoseBackend) -> None:
        self.pose = pose

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        box = np.array([[0, 0, width - 1, height - 1] for width, height in sizes], np.float64)
        score = np.zeros(len(images))
        for _ in range(_PASSES):
            xy, joint_score = self.pose.estimate(images, box)
            score = joint_score.mean(axis=1)
            around = boxes.around_joints(xy, joint_score, _JOINT_THRESHOLD, _MARGIN)
            inside = np.stack([boxes.clip(b, size) for b, size in zip(around, sizes, strict=True)])
            # A frame without joints keeps its box and, by its low score, drops out later.
            usable = boxes.area(np.nan_to_num(inside)) > 1
            box = np.where(usable[:, None], inside, box)
        rows = np.concatenate([box, score[:, None]], axis=1).astype(np.float32)
        return [rows[t : t + 1] for t in range(len(images))]
