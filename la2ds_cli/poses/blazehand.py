"""BlazeHand (Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", CVPR workshops
2020): a detector of palms and a network that reads 21 landmarks from a square turned with the hand.

As with BlazePose, everything around the two networks works as in MediaPipe 0.10.21 on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.rotated_crop import Region, normalized, whole
from la2ds_cli.poses.ssd import Detection, anchor_centres, decode, suppress
from la2ds_cli.poses.tflite_model import TfliteModel
from la2ds_cli.video.reader import Image

LANDMARKS = 21  # in the order of the skeleton hand21
LEAST_DETECTION = 0.5  # score of a palm, MediaPipe's own default
LEAST_PRESENCE = 0.5  # probability that a hand is in the crop at all, likewise

_DETECTOR_SIZE, _SIZE = 192, 224  # pixels of the two inputs
_ANCHORS = anchor_centres(_DETECTOR_SIZE, (8, 16, 16, 16))
_WRIST, _MIDDLE = 0, 2  # points of a palm: the wrist, and the knuckle of the middle finger
_PALM_SCALE, _PALM_SHIFT = 2.6, -0.5  # from the box of a palm to the crop of a hand
_HAND_SCALE, _HAND_SHIFT = 2.0, -0.1  # likewise from the steady landmarks of the frame before
# Those that move little against each other: the wrist, and the lower joints of all fingers.
_STEADY = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
_KNUCKLES = (5, 9, 13)  # of index, middle and ring finger


@dataclass(frozen=True)
class Hand:
    """A hand in an image.

    xy: (21, 2) pixels. world: (21, 3) metres about the middle of the hand, x right, y down, z away
    from the camera. left: probability that it is the owner's left hand, in an image that is not
    mirrored. score: probability that the crop shows a hand.
    """

    xy: FloatArray
    world: FloatArray
    left: float
    score: float


class BlazeHand:
    """The two networks, from their files; one call at a time."""

    def __init__(self, detector: Path, landmarks: Path) -> None:
        """Raises UserError as TfliteModel does."""
        anchors = len(_ANCHORS)
        self._detector = TfliteModel(detector, _DETECTOR_SIZE, [(1, anchors, 18), (1, anchors, 1)])
        flat = (1, 3 * LANDMARKS)
        self._landmarks = TfliteModel(landmarks, _SIZE, [flat, (1, 1), (1, 1), flat])

    def detect(self, image: Image) -> list[Region]:
        """The squares to crop for the palms of an image (H, W, 3) uint8 RGB, best palm first."""
        letterbox = whole(image)
        crop = letterbox.crop(image, _DETECTOR_SIZE, black=True)
        raw, logit = self._detector(crop.astype(np.float32) / 255)
        palms = suppress(decode(raw, logit[:, 0], _ANCHORS, _DETECTOR_SIZE, LEAST_DETECTION))
        return [palm_region(palm, letterbox) for palm in palms]

    def landmarks(self, image: Image, region: Region) -> Hand:
        """The landmarks of the hand in a region of an image (H, W, 3) uint8 RGB."""
        crop = region.crop(image, _SIZE)
        flat, presence, handedness, world = self._landmarks(crop.astype(np.float32) / 255)
        return Hand(
            xy=region.to_image(flat.reshape(LANDMARKS, 3)[:, :2].astype(np.float64), _SIZE),
            world=region.turned(world.reshape(LANDMARKS, 3).astype(np.float64)),
            left=1 - float(handedness[0]),  # the network means mirrored images, as of a selfie
            score=float(presence[0]),
        )


def palm_region(palm: Detection, letterbox: Region) -> Region:
    """The square to crop for a detected palm, given in pixels of the crop `letterbox`."""
    box = letterbox.to_image(palm.box.reshape(2, 2), _DETECTOR_SIZE)
    points = letterbox.to_image(palm.points, _DETECTOR_SIZE)
    angle = _upwards(points[_WRIST], points[_MIDDLE])
    return _grown(box.mean(axis=0), box[1] - box[0], angle, _PALM_SCALE, _PALM_SHIFT)


def hand_region(xy: FloatArray) -> Region:
    """The square to crop for a hand with landmarks xy (21, 2), in pixels, in the previous frame."""
    index, middle, ring = xy[list(_KNUCKLES)]
    angle = _upwards(xy[0], ((index + ring) / 2 + middle) / 2)
    points = xy[list(_STEADY)]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    turned = _rotated(points - middle, -angle)
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = middle + _rotated((low + high) / 2, angle)
    return _grown(centre, high - low, angle, _HAND_SCALE, _HAND_SHIFT)


def _grown(
    centre: FloatArray, size: FloatArray, angle: float, scale: float, shift: float
) -> Region:
    """The square of a rotated box (width, height), moved along its height by the share `shift`,
    then enlarged."""
    x, y = centre + _rotated(np.array([0, shift * size[1]]), angle)
    return Region(float(x), float(y), scale * float(max(size)), angle)


def _upwards(start: FloatArray, end: FloatArray) -> float:
    """The rotation of a square in which `end` is straight above `start`."""
    dx, dy = end - start
    return normalized(np.pi / 2 - np.arctan2(-dy, dx))


def _rotated(vector: FloatArray, angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(vector) @ np.array([[cos, sin], [-sin, cos]])
