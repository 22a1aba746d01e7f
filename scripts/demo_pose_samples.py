"""Crops of random rendered people, to train and to test the demo's pose network.

train_demo_pose.py trains on them; the tests measure the weights that are shipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.performer import (
    COCO17,
    DOF,
    POINT,
    SIDES,
    Body,
    forward_kinematics,
    mirror_pose,
    movement,
    pose_vector,
    random_appearance,
    random_body,
    random_style,
)
from la2ds_cli.demo.render import Camera, add_shadow, draw_person, look_at, random_background
from la2ds_cli.poses.top_down import decode_heatmaps
from la2ds_cli.video.reader import Image

JOINTS = len(COCO17.joints)
_UNJITTERED = ("yaw", "lift")  # left to the caller
_HELD_OUT = 0x1A2D  # second seed word that training never uses
_TORSO = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))


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
    appearance = random_appearance(rng)
    if rng.random() < 0.12:
        _draw_bystander(rng, image, world, camera)
    draw_person(image, world, body, appearance, camera)
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
        draw_person(image, other, body, random_appearance(rng), camera)


def _draw_occluder(rng: np.random.Generator, image: Image) -> None:
    height, width = image.shape[:2]
    at = rng.uniform(0, 1, 2) * (width, height)
    extent = rng.uniform(0.08, 0.3, 2) * (width, height)
    low, high = (at - extent / 2).astype(int), (at + extent / 2).astype(int)
    red, green, blue = rng.uniform(0, 255, 3)
    cv2.rectangle(image, low.tolist(), high.tolist(), (red, green, blue), -1)


# --- random poses ------------------------------------------------------------------------------


def random_pose(rng: np.random.Generator) -> FloatArray:
    """One plausible pose (D,): standing, striding, squatting, bending, lying or tilted."""
    kind = rng.choice(
        ["movement", "stand", "stride", "squat", "bend", "sit", "lie"],
        p=[0.4, 0.19, 0.13, 0.11, 0.08, 0.05, 0.04],
    )
    if kind == "movement":
        pose = movement(rng.uniform(0, 1, 1), random_style(rng))[0]
    else:
        pose = _torso_and_legs(kind, rng)
        _set_arms(pose, rng)
    jitter = rng.normal(0.0, 0.12, pose.shape)
    jitter[[DOF[name] for name in _UNJITTERED]] = 0
    jitter[[DOF["pitch"], DOF["roll"]]] *= 0.6
    pose = pose + jitter
    pose[DOF["neck_turn"]] += rng.normal(0, 0.3)
    pose[DOF["neck_nod"]] += rng.normal(0, 0.15)
    for side in SIDES:
        for name in ("knee", "elbow"):
            pose[DOF[f"{side}_{name}"]] = np.clip(pose[DOF[f"{side}_{name}"]], 0.02, 2.5)
    return mirror_pose(pose) if rng.random() < 0.5 else pose


def _torso_and_legs(kind: str, rng: np.random.Generator) -> FloatArray:
    pose = pose_vector()

    def put(name: str, value: float) -> None:
        pose[DOF[name]] = value

    put("spine_twist", rng.normal(0, 0.25))
    put("spine_side", rng.normal(0, 0.12))
    for side in SIDES:
        put(f"{side}_hip_abduct", abs(rng.normal(0.08, 0.15)))
        put(f"{side}_hip_twist", rng.normal(0.1, 0.2))
    if kind == "stride":
        reach = rng.uniform(0.2, 1.5)
        put("left_hip_flex", reach)
        put("left_knee", rng.uniform(0.1, 1.0) * reach + 0.05)
        put("right_hip_flex", -rng.uniform(0.0, 0.5))
        put("right_knee", rng.uniform(0.05, 1.0))
        put("pitch", rng.normal(0.15, 0.2))
    elif kind == "squat":
        depth = rng.uniform(0.3, 1.0)
        put("pitch", rng.uniform(0.2, 0.8) * depth)
        put("spine_flex", rng.uniform(0.0, 0.6) * depth)
        for side in SIDES:
            put(f"{side}_hip_flex", (1.9 + rng.normal(0, 0.2)) * depth)
            put(f"{side}_knee", (2.1 + rng.normal(0, 0.15)) * depth)
            put(f"{side}_hip_abduct", rng.uniform(0.05, 0.6) * depth)
            put(f"{side}_ankle", 0.45 * depth)
    elif kind == "bend":
        put("pitch", rng.uniform(0.2, 1.0))
        put("spine_flex", rng.uniform(0.1, 1.1))
        for side in SIDES:
            put(f"{side}_hip_flex", pose[DOF["pitch"]] + rng.normal(0, 0.15))
            put(f"{side}_knee", rng.uniform(0.0, 0.4))
    elif kind == "sit":
        put("pitch", rng.normal(0, 0.15))
        for side in SIDES:
            put(f"{side}_hip_flex", rng.normal(1.5, 0.2))
            put(f"{side}_knee", rng.normal(1.4, 0.4))
    elif kind == "lie":
        put("pitch", rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.6))
        put("roll", rng.normal(0, 0.4))
        for side in SIDES:
            put(f"{side}_hip_flex", rng.normal(0.2, 0.35))
            put(f"{side}_knee", abs(rng.normal(0.2, 0.4)))
    if kind in ("stand", "stride") and rng.random() < 0.3:
        put("spine_flex", rng.normal(0.1, 0.25))
    return pose


def _set_arms(pose: FloatArray, rng: np.random.Generator) -> None:
    """Arms anywhere in their range, mirrored on both sides in half of the poses."""

    def arm() -> dict[str, float]:
        hanging = rng.random() < 0.25
        return {
            "arm_flex": rng.normal(0.1, 0.25) if hanging else rng.uniform(-0.6, 3.0),
            "arm_abduct": abs(rng.normal(0.15, 0.12)) if hanging else rng.uniform(-0.2, 1.6),
            "arm_twist": rng.uniform(-0.7, 0.9),
            "elbow": abs(rng.normal(0.0, 0.5)) if rng.random() < 0.5 else rng.uniform(0.0, 2.4),
        }

    left = arm()
    right = left if rng.random() < 0.5 else arm()
    for side, angle in zip(SIDES, (left, right), strict=True):
        for name, value in angle.items():
            pose[DOF[f"{side}_{name}"]] = value


# --- camera faults -----------------------------------------------------------------------------


def degrade(image: Image, rng: np.random.Generator) -> Image:
    """Exposure, blur, motion blur, sensor noise and JPEG blocks as in cheap footage."""
    gain, bias = rng.uniform(0.75, 1.25), rng.normal(0, 10)
    tint = rng.normal(1, 0.04, 3)
    look_up = np.clip(np.arange(256)[:, None] * gain * tint + bias, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, look_up[None])  # type: ignore[assignment]
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))  # type: ignore
    if rng.random() < 0.2:
        image = cv2.filter2D(image, -1, _motion_kernel(rng))  # type: ignore[assignment]
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(1, 7), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(25, 95))
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(code, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    return image


def _motion_kernel(rng: np.random.Generator) -> FloatArray:
    length = int(rng.choice([3, 5]))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    step = np.linspace(-0.5, 0.5, 2 * length) * (length - 1)
    row = np.round(step * np.sin(angle) + length // 2).astype(int)
    column = np.round(step * np.cos(angle) + length // 2).astype(int)
    kernel[row, column] = 1
    return kernel / kernel.sum()


# --- how well a network finds the joints of people it never saw --------------------------------


def held_out_samples(count: int, size: tuple[int, int], seed: int = 0) -> list[PoseSample]:
    """``count`` fixed crops of ``size`` (H, W), alternately demo movement and random poses."""
    return [
        random_sample(np.random.default_rng([seed, _HELD_OUT, index]), size, index % 2 == 0)
        for index in range(count)
    ]


def pck(predicted: FloatArray, true: FloatArray, counted: FloatArray, share: float = 0.2) -> float:
    """Percentage of correct keypoints, in [0, 1], after Yang & Ramanan (2013).

    A joint of ``predicted`` (N, 17, 2) is correct within ``share`` of its person's torso size:
    the mean distance from shoulder to opposite hip in ``true`` (N, 17, 2). Only joints with
    ``counted`` (N, 17) count; NaN where none does.
    """
    torso = np.mean(
        [
            np.linalg.norm(true[:, COCO17.index(one)] - true[:, COCO17.index(other)], axis=-1)
            for one, other in _TORSO
        ],
        axis=0,
    )
    error = np.linalg.norm(predicted - true, axis=-1)
    correct = error <= share * torso[:, None]
    return float(correct[counted].mean()) if counted.any() else float("nan")


def network_pck(network: Any, samples: Sequence[PoseSample]) -> tuple[float, float]:
    """PCK@0.2 of a pose network on the demo-movement and on the random poses.

    ``samples`` alternate as ``held_out_samples`` makes them; joints outside the crop do not count.
    """
    import torch

    from la2ds_models.pose import normalise

    image = torch.from_numpy(np.stack([sample.image for sample in samples]))
    with torch.inference_mode():
        heatmap = torch.cat([network(normalise(part)) for part in image.split(32)])
    height, width = samples[0].image.shape[:2]
    predicted, _ = decode_heatmaps(heatmap.float().numpy(), (height, width))
    true = np.stack([sample.xy for sample in samples])
    inside = np.stack([sample.inside for sample in samples])
    return (
        pck(predicted[::2], true[::2], inside[::2]),
        pck(predicted[1::2], true[1::2], inside[1::2]),
    )
