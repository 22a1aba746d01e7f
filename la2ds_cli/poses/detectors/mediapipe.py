"""MediaPipe Pose as a detector: the most prominent person of the whole frame, one box at most.

Works where one person fills a good part of the picture; its detector looks at 224 x 224 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.backends import mediapipe as joints
from la2ds_cli.poses.threads import Instances
from la2ds_cli.video.reader import Image

NAMES = ("mediapipe",)

_VISIBLE = 0.5  # landmarks less visible than this are guesses that may lie far off
_MARGIN = 0.05  # share of the longer side; hands, feet and face are among the landmarks


def identity(name: str) -> str:
    """As the pose backend: the box is that around its landmarks."""
    return joints.identity(name)


def build(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> MediapipeDetector:
    """The detector; UserError (exit 6) where the package is missing or of another version."""
    return MediapipeDetector(joints.open_graphs(device))


class MediapipeDetector:
    """One box or none per image, around the visible landmarks, with the score of the detection."""

    def __init__(self, graphs: Instances[joints.PoseGraph]) -> None:
        self.graphs = graphs

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        with self.graphs.borrow() as graph:
            return [person_box(graph.find(image), image.shape) for image in images]


def person_box(person: joints.Person | None, shape: tuple[int, ...]) -> FloatArray:
    """Box and score (1, 5) float32 of a person in an image of shape (H, W, ...), (0, 5) without.

    A person of whom fewer than three landmarks are visible has no box.
    """
    if person is None:
        return np.zeros((0, 5), np.float32)
    around = boxes.around_joints(person.xy[None], person.visibility[None], _VISIBLE, _MARGIN)
    box = boxes.clip(around, (shape[1], shape[0]))
    row = np.concatenate([box, [[person.score]]], axis=1).astype(np.float32)
    return row[boxes.area(np.nan_to_num(box)) > 1]
