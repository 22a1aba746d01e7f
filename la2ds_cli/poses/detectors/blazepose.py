"""BlazePose as a detector: the people of the whole frame by their landmarks.

It sees the frame at 224 x 224 pixels, so people must fill a large part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.backends import blazepose as joints
from la2ds_cli.poses.blazepose import LEAST_PRESENCE, BlazePose, body_region, detected_axis
from la2ds_cli.poses.threads import SharedCores
from la2ds_cli.video.reader import Image

NAMES = ("blazepose",)

_MARGIN = 0.05  # share of the longer side; hands, feet and face are among the landmarks
_MOST_PEOPLE = 5  # of a frame, best first; each costs a pass of the landmark network
_SAME = 0.6  # intersection over union from which two boxes are one person


def identity(name: str) -> str:
    """As the pose backend: the boxes are those around its landmarks."""
    return joints.identity(name)


def build(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> BlazePoseDetector:
    """The detector, with the networks of the pose backend if that is BlazePose, too.

    Raises UserError (exit 6) for missing weights.
    """
    shared = isinstance(pose, joints.BlazePoseBackend)
    return BlazePoseDetector(pose.networks if shared else joints.open_networks(name))


class BlazePoseDetector:
    """Boxes around the visible landmarks of each person, with the score of the detection."""

    def __init__(self, networks: SharedCores[BlazePose]) -> None:
        self.networks = networks

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        with self.networks.borrow() as network:
            return [people_boxes(network, image) for image in images]


def people_boxes(network: BlazePose, image: Image) -> FloatArray:
    """Boxes and scores (n, 5) float32 of the people of an image (H, W, 3), best first."""
    size = image.shape[1], image.shape[0]
    rows: list[FloatArray] = []
    for found in network.detect(image)[:_MOST_PEOPLE]:
        person = network.landmarks(image, body_region(detected_axis(found)))
        box = joints.person_box(person, size, _MARGIN)
        known = np.array(rows).reshape(-1, 5)[:, :4]
        if person.score < LEAST_PRESENCE or boxes.area(np.nan_to_num(box)) <= 1:
            continue
        if not (boxes.iou(known, box[None]) >= _SAME).any():
            rows.append(np.array([*box, found.score]))
    return np.array(rows, np.float32).reshape(-1, 5)
