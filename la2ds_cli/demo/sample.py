"""Training and test crops of random rendered people for a top-down pose network."""

from dataclasses import dataclass

import cv2
import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.body import COCO17, POINT, Body, forward_kinematics, random_body
from la2ds_cli.demo.camera import Camera, look_at
from la2ds_cli.demo.look import random_look
from la2ds_cli.demo.movement import movement, random_pose, random_style
from la2ds_cli.demo.render import draw_person
from la2ds_cli.demo.scene import add_shadow, degrade, random_background
from la2ds_cli.video.reader import Image

JOINTS = len(COCO17.joints)


@dataclass(frozen=True)
class PoseSample:
    """``image`` (H, W, 3) uint8 RGB crop; ``xy`` (17, 2) COCO joints in its pixels (float32),
    also where hidden or outside; ``inside`` (17,) bool: the joint lies within the crop."""

    image: Image
    xy: FloatArray
    inside: FloatArray


def random_sample(
    rng: np.random.Generator, size: tuple[int, int], demo_movement: bool = False
) -> PoseSample:
    """One person in one sloppy crop of ``size`` (H, W).

    ``demo_movement`` takes the pose from the demo movement instead of the wide pose sampler.
    """
    body = random_body(rng)
    pose = (
        movement(rng.uniform(0, 1, 1), random_style(rng))[0] if demo_movement else random_pose(rng)
    )
    world = forward_kinematics(body, pose)
    camera = _random_camera(rng, world)
    box = _sloppy_box(rng, camera.project(world), size)
    # Drawn at another resolution first: footage is rarely as sharp as the crop.
    zoom = float(np.exp(rng.uniform(np.log(0.6), np.log(1.7))))
    drawn = camera.crop(box, (round(size[1] * zoom), round(size[0] * zoom)))
    image = degrade(_draw(rng, world, body, drawn), rng)
    method = cv2.INTER_AREA if zoom > 1.4 else cv2.INTER_LINEAR
    image = cv2.resize(image, (size[1], size[0]), interpolation=method)
    # cv2.resize maps pixel areas, so pixel centres move by half a pixel times the scale.
    factor = np.array([size[1] / drawn.size[0], size[0] / drawn.size[1]])
    xy = (drawn.project(world[:JOINTS]) + 0.5) * factor - 0.5
    inside = np.all((xy >= 0) & (xy <= (size[1] - 1, size[0] - 1)), axis=1)
    return PoseSample(np.asarray(image, np.uint8), xy.astype(np.float32), inside)


def flip_sample(sample: PoseSample) -> PoseSample:
    """The mirror image, with left and right joints exchanged."""
    flip = list(COCO17.flip)
    xy = sample.xy[flip].copy()
    xy[:, 0] = sample.image.shape[1] - 1 - xy[:, 0]
    return PoseSample(np.ascontiguousarray(sample.image[:, ::-1]), xy, sample.inside[flip])


def _random_camera(rng: np.random.Generator, world: FloatArray) -> Camera:
    middle = (world.min(axis=0) + world.max(axis=0)) / 2
    # Demo clips are filmed from the front half; views from behind are kept but not favoured.
    azimuth = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else rng.normal(0, 0.8)
    return look_at(
        middle,
        azimuth=float(azimuth),
        elevation=float(np.clip(rng.normal(0.12, 0.2), -0.25, 0.8)),
        distance=float(rng.uniform(2.6, 8.0)),
        focal=400.0,
        size=(640, 640),
        roll=float(rng.normal(0, 0.08)),
    )


def _sloppy_box(rng: np.random.Generator, xy: FloatArray, size: tuple[int, int]) -> FloatArray:
    """A box (x0, y0, x1, y1) of the crop's aspect near ``xy`` (P, 2): too big, off or cutting."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    extent = high - low
    height = max(extent[1], extent[0] * size[0] / size[1])
    height *= np.exp(rng.uniform(np.log(1.0), np.log(1.9)))
    if rng.random() < 0.03:
        height *= rng.uniform(0.6, 0.9)
    half = np.array([height * size[1] / size[0], height]) / 2
    slack = np.abs(half - extent / 2) + 0.06 * half
    centre = (low + high) / 2 + rng.uniform(-0.7, 0.7, 2) * slack
    return np.concatenate([centre - half, centre + half])


def _draw(rng: np.random.Generator, world: FloatArray, body: Body, camera: Camera) -> Image:
    feet = world[[POINT["left_ankle"], POINT["right_ankle"]]].mean(axis=0) * (1, 1, 0)
    floor = camera.project(feet)
    scale = float(np.mean(camera.focal) / camera.depth(feet))
    image = random_background(rng, camera.size, floor[1] - rng.uniform(0.1, 0.6) * scale)
    if rng.random() < 0.7:
        add_shadow(image, floor, scale * rng.uniform(0.25, 0.5), float(rng.uniform(0.1, 0.6)))
    look = random_look(rng)
    if rng.random() < 0.12:
        _draw_bystander(rng, image, world, camera)
    draw_person(image, world, body, look, camera)
    if rng.random() < 0.08:
        _draw_occluder(rng, image)
    return image


def _draw_bystander(
    rng: np.random.Generator, image: Image, world: FloatArray, camera: Camera
) -> None:
    """A second person behind and beside the subject."""
    body = random_body(rng)
    away = camera.rotation[2] * (1, 1, 0)
    side = np.array([away[1], -away[0], 0.0]) * rng.choice([-1, 1])
    shift = away * rng.uniform(1.0, 4.0) + side * rng.uniform(0.6, 2.0)
    other = forward_kinematics(body, random_pose(rng)) + world.mean(axis=0) * (1, 1, 0) + shift
    if camera.depth(other).min() > 1.0:
        draw_person(image, other, body, random_look(rng), camera)


def _draw_occluder(rng: np.random.Generator, image: Image) -> None:
    height, width = image.shape[:2]
    at = rng.uniform(0, 1, 2) * (width, height)
    extent = rng.uniform(0.08, 0.3, 2) * (width, height)
    low, high = (at - extent / 2).astype(int), (at + extent / 2).astype(int)
    red, green, blue = rng.uniform(0, 255, 3)
    cv2.rectangle(image, low.tolist(), high.tolist(), (red, green, blue), -1)
