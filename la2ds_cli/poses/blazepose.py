"""BlazePose (Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", CVPR workshops
2020): a detector that finds a person's hips and the extent of the body, and a network that reads 33
landmarks from a square rotated with the body.

Everything around the two networks works as in MediaPipe 0.10.21 on the CPU, and the landmarks equal
its own to a fraction of a pixel; pixels are as there, x times the width of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.rotated_crop import Region, around_axis, whole
from la2ds_cli.poses.ssd import Detection, anchor_centres, decode, sigmoid, suppress
from la2ds_cli.poses.tflite_model import TfliteModel
from la2ds_cli.video.reader import Image

LANDMARKS = 33  # in the order of the skeleton mediapipe33
LEAST_DETECTION = 0.5  # score of a person, MediaPipe's own default
LEAST_PRESENCE = 0.5  # probability that a person is in the crop at all, likewise

_DETECTOR_SIZE, _SIZE = 224, 256  # pixels of the two inputs
_ANCHORS = anchor_centres(_DETECTOR_SIZE, (8, 16, 32, 32, 32))
_HIPS, _REACH = 0, 1  # points of a detection: mid-hip, and a point of the circle around the body
_MARGIN = 1.25  # side of the crop over the diameter of that circle
_AUXILIARY = slice(
    LANDMARKS, LANDMARKS + 2
)  # the same two points as the landmark network sees them
_ALL = 39  # landmarks of the network; the last four are not used
_CELLS = 64  # of a heatmap's side
_AROUND = 4  # cells on each side of a landmark that refine it
_LEAST_CELL = 0.5  # of the highest of these cells, below which the heatmap is not believed


@dataclass(frozen=True)
class Person:
    """What BlazePose sees in an image.

    xy: (33, 2) pixels. visibility: (33,) in [0, 1], in the image and not hidden. presence: (33,) in
    [0, 1], in the image. world: (33, 3) metres about the middle of the hips, x right, y down, z
    away from the camera, rotated with the image. axis: (2, 2) pixels, the middle of the hips and
    the end of the circle around the body above it. score: in [0, 1], that the crop shows a person.
    """

    xy: FloatArray
    visibility: FloatArray
    presence: FloatArray
    world: FloatArray
    axis: FloatArray
    score: float


class BlazePose:
    """The two networks, from their files; one call at a time."""

    def __init__(self, detector: Path, landmarks: Path, threads: int = 1) -> None:
        """threads: of a call. Raises UserError as TfliteModel does."""
        anchors = len(_ANCHORS)
        boxes = [(1, anchors, 12), (1, anchors, 1)]
        self._detector = TfliteModel(detector, _DETECTOR_SIZE, boxes, threads)
        joints = [(1, 5 * _ALL), (1, 1), (1, _CELLS, _CELLS, _ALL), (1, 3 * _ALL)]
        self._landmarks = TfliteModel(landmarks, _SIZE, joints, threads)

    def detect(self, image: Image, within: Region | None = None) -> list[Detection]:
        """People in an image (H, W, 3) uint8 RGB, or in a square of it, best first.

        points: mid-hip, the end of the circle around the body, and the same for the upper body.
        box: of the face. Pixels of the image.
        """
        region = within or whole(image)
        crop = region.crop(image, _DETECTOR_SIZE, black=True)
        raw, logit = self._detector(crop.astype(np.float32) / 127.5 - 1)
        return [
            Detection(
                region.to_image(found.box.reshape(2, 2), _DETECTOR_SIZE).ravel(),
                region.to_image(found.points, _DETECTOR_SIZE),
                found.score,
            )
            for found in suppress(
                decode(raw, logit[:, 0], _ANCHORS, _DETECTOR_SIZE, LEAST_DETECTION)
            )
        ]

    def landmarks(self, image: Image, region: Region) -> Person:
        """The landmarks of the person in a region of an image (H, W, 3) uint8 RGB."""
        crop = region.crop(image, _SIZE)
        flat, presence, heatmap, world = self._landmarks(crop.astype(np.float32) / 255)
        table = flat.reshape(_ALL, 5)  # x, y, z, visibility, presence
        xy = region.to_image(refine(table[:, :2], heatmap), _SIZE)
        return Person(
            xy=xy[:LANDMARKS],
            visibility=sigmoid(table[:LANDMARKS, 3]),
            presence=sigmoid(table[:LANDMARKS, 4]),
            world=region.turned(world.reshape(_ALL, 3)[:LANDMARKS].astype(np.float64)),
            axis=xy[_AUXILIARY],
            score=float(presence[0]),
        )


def body_region(axis: FloatArray) -> Region:
    """The square to crop for a body whose hips and reach are `axis` (2, 2) pixels."""
    return around_axis(axis[0], axis[1], _MARGIN)


def detected_axis(detection: Detection) -> FloatArray:
    """Hips and reach (2, 2) of a detection."""
    return detection.points[[_HIPS, _REACH]]


def refine(xy: FloatArray, heatmap: FloatArray) -> FloatArray:
    """Landmarks xy (K, 2), in pixels of the crop, moved to the centre of mass of the nine by nine
    cells around them in the logits heatmap (H, W, K).

    Those outside the crop, and those without a likely cell nearby, stay.
    """
    rows, columns, _ = heatmap.shape
    cell = _SIZE / columns, _SIZE / rows
    refined = np.array(xy, np.float64)
    for k, (x, y) in enumerate(refined / cell):
        if not (0 <= x < columns and 0 <= y < rows):
            continue
        left, top = max(int(x) - _AROUND, 0), max(int(y) - _AROUND, 0)
        patch = heatmap[top : int(y) + _AROUND + 1, left : int(x) + _AROUND + 1, k]
        mass = sigmoid(patch)
        if mass.max() < _LEAST_CELL:
            continue
        column = left + np.arange(mass.shape[1])
        row = top + np.arange(mass.shape[0])
        centre = np.array([(mass.sum(axis=0) * column).sum(), (mass.sum(axis=1) * row).sum()])
        refined[k] = centre / mass.sum() * cell
    return refined


class SteadyAxis:
    """Hips and extent of one person over the frames, smoothed before they place the next crop.

    The one-euro filter (Casiez et al., CHI 2012) with MediaPipe's numbers: a person who stands
    still keeps the crop, one who moves is followed at once. Speed is counted in sizes of the body
    per second at 30 frames per second, whatever the clip has, as MediaPipe's video mode does it.
    """

    _RATE, _MIN_CUTOFF, _BETA, _SPEED_CUTOFF = 30.0, 0.01, 10.0, 1.0

    def __init__(self) -> None:
        self._value: FloatArray | None = None

    def add(self, axis: FloatArray) -> FloatArray:
        """The smoothed axis (2, 2) after one more frame."""
        if self._value is None:
            self._value, self._last, self._speed = axis, axis, np.zeros_like(axis)
            return axis
        size = max(2 * float(np.linalg.norm(axis[1] - axis[0])), 1e-6)
        speed = (axis - self._last) / size * self._RATE
        share = self._share(np.full_like(axis, self._SPEED_CUTOFF))
        self._speed = share * speed + (1 - share) * self._speed
        share = self._share(self._MIN_CUTOFF + self._BETA * np.abs(self._speed))
        self._value = share * axis + (1 - share) * self._value
        self._last = axis
        return self._value

    def _share(self, cutoff: FloatArray) -> FloatArray:
        return 1 / (1 + self._RATE / (2 * np.pi * cutoff))
