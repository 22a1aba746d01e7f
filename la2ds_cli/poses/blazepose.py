"""BlazePose (Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", CVPR workshops
2020): a detector that finds a person's hips and the extent of the body, and a network that reads 33
landmarks from a square rotated with the body.

Everything around the two networks works as in MediaPipe 0.10.21 on the CPU, and the landmarks equal
its own to a fraction of a pixel; pixels are as there, x times the width of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from la2ds_cli.core.errors import silent
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.video.reader import Image

LANDMARKS = 33  # in the order of the skeleton mediapipe33
LEAST_DETECTION = 0.5  # score of a person, MediaPipe's own default
LEAST_PRESENCE = 0.5  # probability that a person is in the crop at all, likewise

_DETECTOR_SIZE, _SIZE = 224, 256  # pixels of the two inputs
_GRIDS = ((28, 2), (14, 2), (7, 6))  # cells of a side, and anchors in each
_OVERLAP = 0.3  # intersection over union from which two boxes are one person
_CLIP = 100.0  # logits are cut here before the sigmoid
_HIPS, _REACH = 0, 1  # points of a detection: mid-hip, and a point of the circle around the body
_MARGIN = 1.25  # side of the crop over the diameter of that circle
_AUXILIARY = slice(
    LANDMARKS, LANDMARKS + 2
)  # the same two points as the landmark network sees them
_ALL = 39  # landmarks of the network; the last four are not used
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
        """threads: of a call."""
        self._detector = _Network(detector, threads)
        self._landmarks = _Network(landmarks, threads)

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
            for found in suppress(decode(raw, logit[:, 0]))
        ]

    def landmarks(self, image: Image, region: Region) -> Person:
        """The landmarks of the person in a region of an image (H, W, 3) uint8 RGB."""
        crop = region.crop(image, _SIZE)
        flat, presence, _, heatmap, world = self._landmarks(crop.astype(np.float32) / 255)
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
    """The square to crop for a body whose hips and reach are `axis` (2, 2) pixels, upright in the
    crop."""
    dx, dy = np.asarray(axis[1], np.float64) - axis[0]
    angle = np.pi / 2 - np.arctan2(-dy, dx)
    angle = float(angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi)))  # in [-pi, pi)
    side = 2 * _MARGIN * float(np.hypot(dx, dy))
    return Region(float(axis[0, 0]), float(axis[0, 1]), side, angle)


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


# --- squares of an image that rotate with a person -----------------------------------------------
#
# A crop of `size` pixels puts the corner of the square at its pixel (0, 0) and the opposite one at
# (size, size), as in MediaPipe's converter for the CPU; joints are mapped back by the same map.


@dataclass(frozen=True)
class Region:
    """A rotated square of an image: centre x, y and side in pixels; angle in radians, clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def matrix(self, size: int) -> FloatArray:
        """Affine (2, 3) float64 from a crop of `size` pixels to pixels of the image."""
        scale = self.side / size
        cos, sin = scale * np.cos(self.angle), scale * np.sin(self.angle)
        half = size / 2
        return np.array(
            [
                [cos, -sin, self.x - half * (cos - sin)],
                [sin, cos, self.y - half * (sin + cos)],
            ]
        )

    def crop(self, image: Image, size: int, *, black: bool = False) -> Image:
        """The region as an image (size, size, 3) uint8.

        Outside the image it repeats the border, or is black.
        """
        import cv2

        border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REPLICATE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = self.matrix(size)
        return np.asarray(
            cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border), np.uint8
        )

    def to_image(self, xy: FloatArray, size: int) -> FloatArray:
        """Pixels xy (..., 2) of a crop of `size` pixels in pixels of the image."""
        matrix = self.matrix(size)
        return xy @ matrix[:, :2].T + matrix[:, 2]

    def turned(self, vector: FloatArray) -> FloatArray:
        """Vectors (..., 2 or 3) of the crop, rotated into the image; a third axis is kept."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = vector[..., 0], vector[..., 1]
        return np.concatenate(
            [np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1), vector[..., 2:]], axis=-1
        )


def whole(image: Image) -> Region:
    """The smallest upright square around an image (H, W, ...): its letterbox."""
    height, width = image.shape[:2]
    return Region(width / 2, height / 2, float(max(height, width)))


# --- single-shot detection (Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016) ---------


@dataclass(frozen=True)
class Detection:
    """box (4,) xyxy and points (P, 2) in pixels of the searched image; score in [0, 1]."""

    box: FloatArray
    points: FloatArray
    score: float


@cache
def anchor_centres() -> FloatArray:
    """Centres (A, 2) of the detector's anchors, as shares of its input.

    The boxes are relative only to the centres, so anchors have no size.
    """
    parts = []
    for cells, anchors in _GRIDS:
        line = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(line, line)
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        parts.append(np.repeat(grid, anchors, axis=0))
    return np.concatenate(parts)


def decode(raw: FloatArray, logit: FloatArray) -> list[Detection]:
    """Likely detections, in pixels of the detector's input, before suppression.

    raw: (A, 4 + 2 P): centre, width and height, then the points, in pixels from the anchor.
    logit: (A,).
    """
    score = sigmoid(np.clip(logit, -_CLIP, _CLIP))
    kept = np.flatnonzero(score >= LEAST_DETECTION)
    raw, origin = raw[kept].astype(np.float64), anchor_centres()[kept] * _DETECTOR_SIZE
    centre, half = raw[:, :2] + origin, raw[:, 2:4] / 2
    box = np.concatenate([centre - half, centre + half], axis=1)
    points = raw[:, 4:].reshape(len(kept), (raw.shape[1] - 4) // 2, 2) + origin[:, None]
    return [Detection(b, p, float(s)) for b, p, s in zip(box, points, score[kept], strict=True)]


def suppress(detections: list[Detection]) -> list[Detection]:
    """One detection for each person, best first: those that overlap the best one are averaged with
    it, weighted by their scores, and get its score (Bazarevsky et al., "BlazeFace", 2019, sec.
    4)."""
    rest = sorted(detections, key=lambda detection: -detection.score)
    result = []
    while rest:
        box = np.stack([detection.box for detection in rest])
        same = boxes.pairwise_iou(box[:1], box)[0] > _OVERLAP
        same[0] = True
        group = [detection for detection, is_same in zip(rest, same, strict=True) if is_same]
        weight = np.array([detection.score for detection in group])
        weight /= weight.sum()
        result.append(
            Detection(
                np.tensordot(weight, [detection.box for detection in group], 1),
                np.tensordot(weight, [detection.points for detection in group], 1),
                rest[0].score,
            )
        )
        rest = [detection for detection, is_same in zip(rest, same, strict=True) if not is_same]
    return result


def sigmoid(value: FloatArray) -> FloatArray:
    """1 / (1 + exp(-value)) in float64."""
    return 1 / (1 + np.exp(-np.asarray(value, np.float64)))


# --- networks as files ---------------------------------------------------------------------------


class _Network:
    """A TensorFlow Lite network that reads one image, run by LiteRT on the CPU; one call at a
    time. Its file is known by its digest, so what it reads and returns is not checked."""

    def __init__(self, path: Path, threads: int) -> None:
        """threads: of a call; its output is the same with any number, since they divide the work
        and no sum."""
        with silent():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        self._entry = entry["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, image: np.ndarray) -> list[FloatArray]:
        """The outputs for an input (size, size, 3), without their first axis."""
        self._interpreter.set_tensor(self._entry, image[None].astype(np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]
