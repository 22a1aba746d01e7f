"""BlazePose (Bazarevsky et al., CVPR workshops 2020): 33 joints, feet and hands among them, in
pixels and in metres, on the CPU; and the people of the whole frame by these joints.

`blazepose` is the full model; `blazepose-lite` and `blazepose-heavy` are the other two. As a
detector it sees the frame at 224 x 224 pixels, so people must fill a large part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.blazepose import (
    LANDMARKS,
    LEAST_PRESENCE,
    BlazePose,
    Person,
    Region,
    SteadyAxis,
    body_region,
    detected_axis,
)
from la2ds_cli.poses.networks import Joints, PoseBackend, no_joints
from la2ds_cli.poses.threads import SharedCores
from la2ds_cli.poses.tracking import MIN_IOU
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Image

POSES = ("blazepose", "blazepose-lite", "blazepose-heavy")
DETECTORS = ("blazepose",)

DETECTOR = "blazepose-detector"  # its entry in the list of weights
_VERSION = 1  # raised when the same networks give other joints
_PADDING = 1.25  # side of the square that is searched over that of the box
_VISIBLE = 0.5  # landmarks less visible than this are guesses that may lie far off
_MARGIN = 0.05  # of a detected box, share of the longer side; hands, feet and face are landmarks
_MOST_PEOPLE = 5  # of a frame, best first; each costs a pass of the landmark network
_SAME = 0.6  # intersection over union from which two boxes are one person


def pose_identity(name: str) -> str:
    """The name and the digests of the two networks."""
    detector = weights_identity(DETECTOR).partition(":")[2]
    return f"{weights_identity(name)}:{detector}:{_VERSION}"


def detector_identity(name: str) -> str:
    """As the pose network: the boxes are those around its landmarks."""
    return pose_identity(name)


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> BlazePoseBackend:
    """The pose network. Raises UserError (exit 6) for missing weights or CUDA."""
    if device == "cuda":
        raise UserError(
            "blazepose runs only on the CPU",
            hint="use --device auto or --device cpu, or --pose hrnet-w32-msra for the GPU",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return BlazePoseBackend(open_networks(name))


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> BlazePoseDetector:
    """The detector, with the networks of the pose network if that is BlazePose, too.

    Raises UserError (exit 6) for missing weights.
    """
    shared = isinstance(pose, BlazePoseBackend)
    return BlazePoseDetector(pose.networks if shared else open_networks(name))


def open_networks(name: str = "blazepose") -> SharedCores[BlazePose]:
    """The networks of a setting for any number of threads, opened once to check them."""
    landmarks = fetch_weights(name)
    networks = SharedCores(partial(BlazePose, fetch_weights(DETECTOR), landmarks))
    with networks.borrow():
        return networks


class BlazePoseBackend:
    """Joints of the person in a box, or with `tracker` of one person from frame to frame."""

    skeleton = "mediapipe33"
    device = "cpu"

    def __init__(self, networks: SharedCores[BlazePose]) -> None:
        self.networks = networks

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """As PoseBackend.estimate; every image is treated as a still. score is the mean of
        BlazePose's visibility and presence: about a half for a hidden joint, 0 outside the image
        and if nobody is found."""
        with self.networks.borrow() as network:
            return _estimates(images, boxes, lambda image, box: find(network, image, box))

    def tracker(self) -> BlazePoseTracker:
        """An estimator of one person's joints in consecutive frames."""
        return BlazePoseTracker(self.networks)


class BlazePoseTracker:
    """Looks for the person where the landmarks of the previous frame were. If these are outside the
    box of the frame, or show nobody, it looks for the person in the box."""

    def __init__(self, networks: SharedCores[BlazePose]) -> None:
        self._networks = networks
        self.reset()

    def reset(self) -> None:
        """Forget the previous frame: the next one does not follow it."""
        self._region: Region | None = None
        self._steady = SteadyAxis()

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """As BlazePoseBackend.estimate, for consecutive frames."""
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
    """The person in a box (4,) xyxy of an image, None if there is none.

    The first crop comes from the detection that fits the box best or, if there is none, is an
    upright one around the box. Its landmarks give the crop that is read.
    """
    side = _PADDING * max(float(max(box[2] - box[0], box[3] - box[1])), 1)
    around = Region(float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2, side)
    bodies = [detected_axis(found) for found in network.detect(image, around)]
    region = around
    if bodies:
        circle = np.stack([_circle(axis) for axis in bodies])
        region = body_region(bodies[int(boxes.iou(circle, box[None]).argmax())])
    person = network.landmarks(image, region)
    if person.score < LEAST_PRESENCE:
        return None
    person = network.landmarks(image, body_region(person.axis))
    return person if person.score >= LEAST_PRESENCE else None


def _circle(axis: FloatArray) -> FloatArray:
    """Box (4,) of the circle around a body."""
    reach = np.linalg.norm(axis[1] - axis[0])
    return np.concatenate([axis[0] - reach, axis[0] + reach])


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
            # By visibility alone a quarter of the frames of golf lose a hidden joint to the least
            # score, and events are transferred less well: 4.3 against 4.2 % of a clip.
            score[i] = np.where(inside, (person.visibility + person.presence) / 2, 0)
    return xy, score, world


class BlazePoseDetector:
    """Boxes around the visible landmarks of each person, with the score of the detection."""

    def __init__(self, networks: SharedCores[BlazePose]) -> None:
        self.networks = networks

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        with self.networks.borrow() as network:
            return [people_boxes(network, image) for image in images]


def people_boxes(network: BlazePose, image: Image) -> FloatArray:
    """Boxes and scores (n, 5) float32 of the people of an image (H, W, 3), best first."""
    rows: list[FloatArray] = []
    for found in network.detect(image)[:_MOST_PEOPLE]:
        person = network.landmarks(image, body_region(detected_axis(found)))
        box = person_box(person, (image.shape[1], image.shape[0]))
        known = np.array(rows).reshape(-1, 5)[:, :4]
        if person.score < LEAST_PRESENCE or boxes.area(np.nan_to_num(box)) <= 1:
            continue
        if not (boxes.iou(known, box[None]) >= _SAME).any():
            rows.append(np.array([*box, found.score]))
    return np.array(rows, np.float32).reshape(-1, 5)


def person_box(person: Person, size: tuple[int, int]) -> FloatArray:
    """Box (4,) around the visible landmarks, cut to an image of (width, height); NaN if fewer than
    three are visible."""
    around = boxes.around_joints(person.xy[None], person.visibility[None], _VISIBLE, _MARGIN)
    return boxes.clip(around, size)[0]
