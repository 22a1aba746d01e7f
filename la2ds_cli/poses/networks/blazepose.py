"""BlazePose (Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", CVPR workshops
2020) on the CPU: a detector that finds a person's hips and the extent of the body, and a network
that reads 33 landmarks, feet and hands among them, from a square rotated with the body, in pixels
and in metres.

All code around the two networks works as in MediaPipe 0.10.21 on the CPU, and the landmarks agree
to a fraction of a pixel; as there, a pixel coordinate is x times the width of the image.

`blazepose` is the full model; `blazepose-lite` and `blazepose-heavy` are the other two. As a
detector it sees the frame at 224 x 224 pixels, so people must fill a large part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unavailable, silent
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.networks import Instances, Joints, PoseBackend, no_joints
from la2ds_cli.poses.tracking import MIN_IOU
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Image

POSES = ("blazepose", "blazepose-lite", "blazepose-heavy")
DETECTORS = ("blazepose",)

DETECTOR = "blazepose-detector"  # entry in the list of weights
_VERSION = 1  # raised when the same networks give other joints
_MOST_THREADS = 4  # per call; the output is the same with any number
_PADDING = 1.25  # side of the searched square over that of the box
_VISIBLE = 0.5  # landmarks less visible than this are guesses that may be far off
_BOX_MARGIN = 0.05  # share of the longer side; small, since hands, feet and face are landmarks
_MOST_PEOPLE = 5  # per frame, best first; each costs a pass of the landmark network
_SAME = 0.6  # intersection over union from which two boxes are one person

LANDMARKS = 33  # in the order of the skeleton mediapipe33
LEAST_DETECTION = 0.5  # score of a person, MediaPipe's own default
LEAST_PRESENCE = 0.5  # probability that a person is in the crop, MediaPipe's own default

_DETECTOR_SIZE, _SIZE = 224, 256  # pixels of the two inputs
_GRIDS = ((28, 2), (14, 2), (7, 6))  # cells of a side, and anchors in each
_OVERLAP = 0.3  # intersection over union from which two boxes are one person
_CLIP = 100.0  # logits are clipped to this before the sigmoid
_MARGIN = 1.25  # side of the crop over the diameter of the circle around the body
_ALL = 39  # landmarks of the network; the last four are not used
_AXIS = slice(LANDMARKS, LANDMARKS + 2)  # mid-hip, and a point of that circle
_AROUND = 4  # cells on each side of a landmark that refine it
_LEAST_CELL = 0.5  # if the highest of these cells is lower, the heatmap is ignored


def pose_identity(name: str) -> str:
    """Return the name and the digests of the two networks."""
    detector = weights_identity(DETECTOR).partition(":")[2]
    return f"{weights_identity(name)}:{detector}:{_VERSION}"


def detector_identity(name: str) -> str:
    """Return the identity of the pose network, since boxes are made from its landmarks."""
    return pose_identity(name)


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> BlazePoseBackend:
    """Build the pose network. Raises UserError (exit 6) for missing weights or CUDA."""
    if device == "cuda":
        raise Unavailable(
            "blazepose runs only on the CPU",
            hint="use --device auto or --device cpu, or la2ds extract-poses --pose hrnet-w32-msra "
            "for the GPU",
        )
    return BlazePoseBackend(open_networks(name))


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> BlazePoseDetector:
    """Build the detector, with the networks of the pose network if that is BlazePose, too.

    Raises UserError (exit 6) for missing weights.
    """
    shared = isinstance(pose, BlazePoseBackend)
    return BlazePoseDetector(pose.networks if shared else open_networks(name))


def open_networks(name: str = "blazepose") -> Instances[BlazePose]:
    """Return the networks of a setting for any number of threads; one is opened to check them."""
    landmarks = fetch_weights(name)
    make = partial(BlazePose, fetch_weights(DETECTOR), landmarks)
    networks = Instances(make, most_threads=_MOST_THREADS)
    with networks.borrow():
        return networks


class BlazePoseBackend:
    """Estimates the joints of the person in a box or, with `tracker`, from frame to frame."""

    skeleton = "mediapipe33"
    device = "cpu"

    def __init__(self, networks: Instances[BlazePose]) -> None:
        self.networks = networks

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate as PoseBackend.estimate; every image is treated as a still.

        score is the mean of BlazePose's visibility and presence: about a half for a hidden joint, 0
        outside the image and if nobody is found.
        """
        with self.networks.borrow() as network:
            return _estimates(images, boxes, lambda image, box: find(network, image, box))

    def tracker(self) -> BlazePoseTracker:
        """Return an estimator of one person's joints in consecutive frames."""
        return BlazePoseTracker(self.networks)


class BlazePoseTracker:
    """Looks for the person around the landmarks of the previous frame, or in the box of the frame
    if the landmarks are outside it or show nobody."""

    def __init__(self, networks: Instances[BlazePose]) -> None:
        self._networks = networks
        self.reset()

    def reset(self) -> None:
        """Forget the previous frame: the next one does not follow it."""
        self._region: Region | None = None
        self._steady = SteadyAxis()

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate as BlazePoseBackend.estimate, for consecutive frames."""
        with self._networks.borrow() as network:
            return _estimates(images, boxes, lambda image, box: self._next(network, image, box))

    def _next(self, network: BlazePose, image: Image, box: FloatArray) -> Person | None:
        person = network.landmarks(image, self._region) if self._region else None
        if person is None or person.score < LEAST_PRESENCE or not _lies_in(person, box):
            self.reset()
            person = find(network, image, box)
        if person is not None:
            self._region = body_region(self._steady.add(person.axis))
        return person


def find(network: BlazePose, image: Image, box: FloatArray) -> Person | None:
    """Return the person in a box (4,) xyxy of an image, None if there is none.

    The first crop comes from the detection that fits the box best or, if there is none, is an
    upright one around the box. Its landmarks give the crop that is read.
    """
    side = _PADDING * max(float(max(box[2] - box[0], box[3] - box[1])), 1)
    around = Region(float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2, side)
    bodies, _ = network.detect(image, around)
    region = around
    if len(bodies):
        middle, reach = bodies[:, 0], np.linalg.norm(bodies[:, 1] - bodies[:, 0], axis=1)[:, None]
        circle = np.concatenate([middle - reach, middle + reach], axis=1)
        region = body_region(bodies[int(boxes.iou(circle, box[None]).argmax())])
    person = network.landmarks(image, region)
    if person.score < LEAST_PRESENCE:
        return None
    person = network.landmarks(image, body_region(person.axis))
    return person if person.score >= LEAST_PRESENCE else None


def _lies_in(person: Person, box: FloatArray) -> bool:
    around = boxes.around_joints(person.xy[None], person.visibility[None], _VISIBLE)[0]
    return bool(np.isnan(around).any() or boxes.iou(around, box) >= MIN_IOU)


def _estimates(
    images: Sequence[Image],
    box: FloatArray,
    find_person: Callable[[Image, FloatArray], Person | None],
) -> Joints:
    xy, score, world = no_joints(len(box), LANDMARKS, depth=True)
    for i, (image, where) in enumerate(zip(images, np.asarray(box, np.float64), strict=True)):
        person = find_person(image, where)
        if person is not None:
            height, width = image.shape[:2]
            inside = np.all((person.xy >= 0) & (person.xy <= (width, height)), axis=1)
            xy[i], world[i] = person.xy, person.world
            # By visibility alone, a hidden joint is dropped in a quarter of the frames of golf, and
            # events are transferred less well: 4.3 against 4.2 % of a clip.
            score[i] = np.where(inside, (person.visibility + person.presence) / 2, 0)
    return xy, score, world


class BlazePoseDetector:
    """Finds boxes around the visible landmarks of each person, with the score of the detection."""

    def __init__(self, networks: Instances[BlazePose]) -> None:
        self.networks = networks

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        with self.networks.borrow() as network:
            return [people_boxes(network, image) for image in images]


def people_boxes(network: BlazePose, image: Image) -> FloatArray:
    """Return the boxes and scores (n, 5) float32 of people in an image (H, W, 3), best first."""
    rows: list[FloatArray] = []
    bodies, scores = network.detect(image)
    for body, score in zip(bodies[:_MOST_PEOPLE], scores, strict=False):
        person = network.landmarks(image, body_region(body))
        box = person_box(person, (image.shape[1], image.shape[0]))
        earlier = np.array(rows).reshape(-1, 5)[:, :4]
        if person.score < LEAST_PRESENCE or boxes.area(np.nan_to_num(box)) <= 1:
            continue
        if not (boxes.iou(earlier, box[None]) >= _SAME).any():
            rows.append(np.array([*box, score]))
    return np.array(rows, np.float32).reshape(-1, 5)


def person_box(person: Person, size: tuple[int, int]) -> FloatArray:
    """Return the box (4,) around the visible landmarks, clipped to an image of (width, height); NaN
    if fewer than three are visible."""
    around = boxes.around_joints(person.xy[None], person.visibility[None], _VISIBLE, _BOX_MARGIN)
    return boxes.clip(around, size)[0]


# --- the two networks ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """A person as BlazePose sees them in an image.

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
        """threads: number per call."""
        self._detector = _Network(detector, threads)
        self._landmarks = _Network(landmarks, threads)

    def detect(self, image: Image, within: Region | None = None) -> tuple[FloatArray, FloatArray]:
        """Return bodies (n, 2, 2) and their scores (n,) in an image, or in a square of it, best
        first.

        image: (H, W, 3) uint8 RGB. A body is its mid-hip, and the end of the circle around the body
        above it, in pixels of the image.
        """
        region = within or whole(image)
        crop = region.crop(image, _DETECTOR_SIZE, black=True)
        raw, logit = self._detector(crop.astype(np.float32) / 127.5 - 1)
        bodies, score = suppress(*decode(raw, logit[:, 0]))
        return region.to_image(bodies, _DETECTOR_SIZE), score

    def landmarks(self, image: Image, region: Region) -> Person:
        """Return the landmarks of the person in a region of an image (H, W, 3) uint8 RGB."""
        crop = region.crop(image, _SIZE)
        flat, presence, _, heatmap, world = self._landmarks(crop.astype(np.float32) / 255)
        table = flat.reshape(_ALL, 5)  # x, y, z, visibility, presence
        xy = region.to_image(refine(table[:, :2], heatmap), _SIZE)
        return Person(
            xy=xy[:LANDMARKS],
            visibility=sigmoid(table[:LANDMARKS, 3]),
            presence=sigmoid(table[:LANDMARKS, 4]),
            world=region.turned(world.reshape(_ALL, 3)[:LANDMARKS].astype(np.float64)),
            axis=xy[_AXIS],
            score=float(presence[0]),
        )


def body_region(axis: FloatArray) -> Region:
    """Return the square to crop for a body whose mid-hip and reach are `axis` (2, 2) pixels; the
    body is upright in the crop."""
    dx, dy = np.asarray(axis[1], np.float64) - axis[0]
    angle = np.pi / 2 - np.arctan2(-dy, dx)
    angle = float(angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi)))  # in [-pi, pi)
    side = 2 * _MARGIN * float(np.hypot(dx, dy))
    return Region(float(axis[0, 0]), float(axis[0, 1]), side, angle)


def refine(xy: FloatArray, heatmap: FloatArray) -> FloatArray:
    """Move landmarks xy (K, 2) to the centre of mass of the nine by nine cells around them.

    Landmarks outside the crop, and those without a likely cell nearby, stay. xy: in pixels of the
    crop; heatmap: logits (H, W, K).
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
    """Smooths the hips and extent of one person over the frames, before they place the next crop.

    This is the one-euro filter (Casiez et al., CHI 2012) with MediaPipe's numbers: the crop of a
    person who stands still stays, that of one who moves follows at once. Speed is in body sizes per
    second at 30 frames per second, whatever the rate of the clip, as in MediaPipe's video mode.
    """

    _RATE, _MIN_CUTOFF, _BETA, _SPEED_CUTOFF = 30.0, 0.01, 10.0, 1.0

    def __init__(self) -> None:
        self._value: FloatArray | None = None

    def add(self, axis: FloatArray) -> FloatArray:
        """Return the smoothed axis (2, 2) after one more frame."""
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
        """Return the affine (2, 3) float64 from a crop of `size` pixels to pixels of the image."""
        scale = self.side / size
        cos, sin = scale * np.cos(self.angle), scale * np.sin(self.angle)
        half = size / 2
        return np.array(
            [[cos, -sin, self.x - half * (cos - sin)], [sin, cos, self.y - half * (sin + cos)]]
        )

    def crop(self, image: Image, size: int, *, black: bool = False) -> Image:
        """Return the region as an image (size, size, 3) uint8, which outside the image repeats its
        border, or is black."""
        import cv2

        border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REPLICATE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = self.matrix(size)
        return np.asarray(
            cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border), np.uint8
        )

    def to_image(self, xy: FloatArray, size: int) -> FloatArray:
        """Map pixels xy (..., 2) of a crop of `size` pixels to pixels of the image."""
        matrix = self.matrix(size)
        return xy @ matrix[:, :2].T + matrix[:, 2]

    def turned(self, vector: FloatArray) -> FloatArray:
        """Rotate vectors (..., 2 or 3) of the crop into the image; a third axis is kept."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = vector[..., 0], vector[..., 1]
        return np.concatenate(
            [np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1), vector[..., 2:]], axis=-1
        )


def whole(image: Image) -> Region:
    """Return the smallest upright square around an image (H, W, ...)."""
    height, width = image.shape[:2]
    return Region(width / 2, height / 2, float(max(height, width)))


# --- single-shot detection (Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016) ---------


@cache
def anchor_centres() -> FloatArray:
    """Return the centres (A, 2) of the detector's anchors, as shares of its input.

    The boxes are relative only to the centres, so anchors have no size.
    """
    parts = []
    for cells, anchors in _GRIDS:
        line = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(line, line)
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        parts.append(np.repeat(grid, anchors, axis=0))
    return np.concatenate(parts)


def decode(raw: FloatArray, logit: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return face boxes (n, 4), bodies (n, 2, 2) and scores (n,) of the likely detections.

    They are in pixels of the detector's input, before suppression. raw: (A, 8 or more), centre,
    width and height, then the points, in pixels from the anchor. logit: (A,).
    """
    score = sigmoid(np.clip(logit, -_CLIP, _CLIP))
    kept = np.flatnonzero(score >= LEAST_DETECTION)
    raw, origin = raw[kept].astype(np.float64), anchor_centres()[kept] * _DETECTOR_SIZE
    centre, half = raw[:, :2] + origin, raw[:, 2:4] / 2
    box = np.concatenate([centre - half, centre + half], axis=1)
    return box, raw[:, 4:8].reshape(-1, 2, 2) + origin[:, None], score[kept]


def suppress(box: FloatArray, body: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return one body (m, 2, 2) and score (m,) for each person, best first.

    Bodies whose boxes overlap the best one are averaged with it, weighted by their scores, and get
    its score (Bazarevsky et al., "BlazeFace", 2019, sec. 4).
    """
    rest = np.argsort(-score, kind="stable")
    bodies, scores = [], []
    while len(rest):
        same = boxes.pairwise_iou(box[rest[:1]], box[rest])[0] > _OVERLAP
        same[0] = True
        weight = score[rest[same]] / score[rest[same]].sum()
        bodies.append(np.tensordot(weight, body[rest[same]], 1))
        scores.append(score[rest[0]])
        rest = rest[~same]
    return np.array(bodies).reshape(-1, 2, 2), np.array(scores)


def sigmoid(value: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-value)) in float64."""
    return 1 / (1 + np.exp(-np.asarray(value, np.float64)))


# --- networks as files ---------------------------------------------------------------------------


class _Network:
    """A TensorFlow Lite network that reads one image, run by LiteRT on the CPU, one call at a time.

    The digest of its file is checked, so its inputs and outputs need no check.
    """

    def __init__(self, path: Path, threads: int) -> None:
        """threads: number per call; the output is the same with any, since no sum is divided."""
        with silent():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        self._entry = entry["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, image: np.ndarray) -> list[FloatArray]:
        """Return the outputs for an input (size, size, 3), without their first axis."""
        self._interpreter.set_tensor(self._entry, image[None].astype(np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]
