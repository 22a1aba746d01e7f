"""A detector and a pose backend for drawn scenes, exact and quick; used by their dotted name.

A person is a filled rectangle; its grey tells who it is. Joints lie on fixed places of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import Joints, no_joints
from la2ds_cli.video.reader import Image, write_video

SIZE = (240, 160)  # (W, H)
GREYS = (100, 150, 200, 250)
NAMES = ("tests.poses.grey_people",)
CONFIG = PosesConfig(detector=NAMES[0], pose=NAMES[0])

# A large person who walks in the middle and a small one who stands on the right.
DUET = [{100: (180, 70, 200, 120), 200: (60 + t, 20, 110 + t, 150)} for t in range(30)]

# Places of the 17 joints in the unit rectangle: corners, middle and points on the edges.
PLACES = np.array(
    [(0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5)]
    + [(x, y) for x in (0.25, 0.5, 0.75) for y in (0.2, 0.4, 0.6, 0.8)]
)


def scene(people: dict[int, tuple[int, int, int, int]]) -> Image:
    """Image (H, W, 3) of people given as grey -> x1 y1 x2 y2, later ones in front."""
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for grey, (x1, y1, x2, y2) in people.items():
        image[max(y1, 0) : y2, max(x1, 0) : x2] = grey
    return image


def film(path, scenes: Sequence[dict[int, tuple[int, int, int, int]]], fps: float = 25) -> None:
    """A video of drawn scenes."""
    write_video(path, [scene(people) for people in scenes], fps)


def walk(count: int, *, start: int = 40, step: int = 2, grey: int = 200) -> list[dict]:
    """One person, 40 x 90, who walks to the right."""
    return [{grey: (start + step * t, 40, start + step * t + 40, 130)} for t in range(count)]


def squats(count: int, times: int = 1) -> list[dict]:
    """One person who goes down and comes up again."""
    way = np.sin(np.linspace(0, np.pi * times, count)) ** 2
    return [{200: (60, int(40 + 50 * at), 100, 140)} for at in way]


def same_poses(a: StoredProject, b: StoredProject, videos: Sequence[str]) -> None:
    for video in videos:
        assert a.pose_path(video).read_bytes() == b.pose_path(video).read_bytes()


def find(image: Image, grey: int) -> FloatArray | None:
    """Box of the person of one grey, None where it is not there."""
    y, x = np.nonzero(np.abs(image[:, :, 1].astype(int) - grey) < 15)
    if len(x) < 60:
        return None
    # Single pixels of coding noise must not widen the box.
    low, high = np.percentile([x, y], [1, 99], axis=1)
    return np.array([*low, *high])


class GreyDetector:
    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        found = []
        for image in images:
            boxes = [box for grey in GREYS if (box := find(image, grey)) is not None]
            rows = [[*box, 0.9] for box in boxes]
            found.append(np.array(rows, np.float32).reshape(-1, 5))
        return found


class GreyPose:
    """Joints of the person who fills most of the box; score 0 where the box is empty."""

    skeleton = "coco17"
    device = "cpu"

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        xy, score, world = no_joints(len(images), 17)
        for n, (image, box) in enumerate(zip(images, boxes, strict=True)):
            x1, y1, x2, y2 = np.round(box).astype(int)
            inside = np.zeros_like(image)
            part = slice(max(y1, 0), max(y2, 0) + 1), slice(max(x1, 0), max(x2, 0) + 1)
            inside[part] = image[part]
            seen = [b for grey in GREYS if (b := find(inside, grey)) is not None]
            if seen:
                best = max(seen, key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
                xy[n] = best[:2] + PLACES * (best[2:] - best[:2])
                score[n] = 0.9
        return xy, score, world


def pose_identity(name: str) -> str:
    return name


def detector_identity(name: str) -> str:
    return name


def build_pose(name: str, device: str, config: object) -> GreyPose:
    return GreyPose()


def build_detector(name: str, device: str, config: object, pose: object) -> GreyDetector:
    return GreyDetector()
