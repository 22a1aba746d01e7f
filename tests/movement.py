"""A small moving figure for tests: known joints, known phase, no video."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence

FPS = 20.0


def figure(phase: np.ndarray, *, scale: float = 60.0, tilt: float = 0.0) -> np.ndarray:
    """Joints (T, 13, 2) of penn13 in pixels: at phase 0 arms down, then a squat with the left arm
    raised, at phase 1 standing with both arms overhead. Distinct at every phase."""
    phase = np.asarray(phase, dtype=np.float64)
    dip = 0.6 * np.sin(np.pi * phase) ** 2
    left, right = np.pi * np.minimum(2 * phase, 1), np.pi * np.maximum(2 * phase - 1, 0)
    hip_y, zero = 1.0 - dip, np.zeros_like(phase)
    shoulder_y = hip_y + 1.0

    def arm(side: float, angle: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        return side * (0.4 + reach * np.sin(angle)), shoulder_y - reach * np.cos(angle)

    points = {
        "head": (zero, shoulder_y + 0.4),
        "left_shoulder": (zero + 0.4, shoulder_y),
        "right_shoulder": (zero - 0.4, shoulder_y),
        "left_elbow": arm(1, left, 0.5),
        "right_elbow": arm(-1, right, 0.5),
        "left_wrist": arm(1, left, 1.0),
        "right_wrist": arm(-1, right, 1.0),
        "left_hip": (zero + 0.25, hip_y),
        "right_hip": (zero - 0.25, hip_y),
        "left_knee": (0.3 + 0.4 * dip, 0.5 * hip_y),
        "right_knee": (-0.3 - 0.4 * dip, 0.5 * hip_y),
        "left_ankle": (zero + 0.3, zero),
        "right_ankle": (zero - 0.3, zero),
    }
    xy = np.stack([np.stack(points[name], -1) for name in get_skeleton("penn13").joints], axis=1)
    cos, sin = np.cos(tilt), np.sin(tilt)
    turned = xy @ np.array([[cos, sin], [-sin, cos]])
    return turned * np.array([scale, -scale]) + np.array([160.0, 200.0])


def pose_of(xy: np.ndarray, *, fps: float = FPS, **fields: Any) -> PoseSequence:
    """Joints (T, K, 2) that are all seen, at even steps and without boxes, but for `fields`."""
    length = len(xy)
    plain = {
        "score": np.ones(xy.shape[:2]),
        "box": np.full((length, 4), np.nan),
        "frame": np.arange(length),
        "time": np.arange(length) / fps,
        "size": (320, 240),
        "skeleton": "penn13",
    }
    return PoseSequence(xy=xy, fps=fps, **(plain | fields))


def sequence(phase: np.ndarray, *, fps: float = FPS, **view: float) -> PoseSequence:
    """PoseSequence of `figure`."""
    return pose_of(figure(phase, **view), fps=fps)


def cycle(frames: int, start: float = 0.0, stop: float = 1.0) -> np.ndarray:
    """Phase of one repetition: from rest into the movement and back, share start..stop of it."""
    return (1 - np.cos(2 * np.pi * np.linspace(start, stop, frames, endpoint=False))) / 2


def shaken(pose: PoseSequence, deviation: float, seed: int = 0) -> PoseSequence:
    """With noise of so many pixels."""
    noise = np.random.default_rng(seed).normal(0, deviation, pose.xy.shape)
    return replace(pose, xy=pose.xy + noise)


def without(pose: PoseSequence, rows: Any = slice(None), joints: Any = slice(None)) -> PoseSequence:
    """Without these joints, or all, in these rows, or all."""
    xy = pose.xy.copy()
    xy[rows, joints] = np.nan
    return replace(pose, xy=xy)


def in_space(phase: np.ndarray, *, turn: float = 0.0, fps: float = FPS) -> PoseSequence:
    """The figure as a camera sees it from `turn` radians aside, far away, with joints in metres:
    the arms come forward as they rise, so that another side shows another movement."""
    flat = figure(phase, scale=0.5) - [160.0, 200.0]
    forward = np.zeros(flat.shape[:2])
    for side in ("left", "right"):
        at = get_skeleton("penn13").joints.index(f"{side}_wrist")
        forward[:, at] = -0.5 * np.sin(np.pi * np.asarray(phase)) * (1.0 if side == "left" else 0.6)
    x, y, z = flat[..., 0], flat[..., 1], forward
    cos, sin = np.cos(turn), np.sin(turn)
    world = np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)
    pose = sequence(phase, fps=fps)
    return replace(pose, xy=120 * world[..., :2] + [160.0, 200.0], world=world)


def in_skeleton(pose: PoseSequence, name: str, *, far: bool = True) -> PoseSequence:
    """The joints of penn13 in another skeleton of a body, by name (the nose is where the head was),
    and its other joints far away, where nothing may look for them, or where the head is."""
    joints, known = get_skeleton(name).joints, get_skeleton(pose.skeleton).joints
    xy = np.full((len(pose), len(joints), 2), 1e4, dtype=np.float32)
    if not far:
        xy[:] = pose.xy[:, [known.index("head")]]
    score = np.full((len(pose), len(joints)), 0.3, dtype=np.float32)
    for k, joint in enumerate(joints):
        joint = "head" if joint == "nose" and "head" not in joints else joint
        if joint in known:
            xy[:, k] = pose.xy[:, known.index(joint)]
            score[:, k] = pose.score[:, known.index(joint)]
    return replace(pose, xy=xy, score=score, skeleton=name)


def warped_phase(length: int, seed: int, start: float = 0.0, stop: float = 1.0) -> np.ndarray:
    """A smooth strictly increasing phase (length,) from start to stop."""
    rng = np.random.default_rng(seed)
    speed = np.exp(np.interp(np.linspace(0, 3, length - 1), np.arange(4), rng.normal(0, 0.5, 4)))
    passed = np.concatenate([[0], np.cumsum(speed)]) / speed.sum()
    return start + (stop - start) * passed


def add_sequence(
    project: StoredProject, name: str, pose: PoseSequence, split: str = "", **row: Any
) -> None:
    """Put a pose sequence into a project as an imported clip would be. row: other values of its row
    in videos.csv."""
    recipe = Recipe("import", 1, {"format": "test"}, {"labels": f"digest of {name}"})
    project.write_pose(name, pose, recipe)
    digest = hashlib.sha256(name.encode()).hexdigest()  # every clip has a source of its own
    video = Video(name, f"{name}.mat", digest, len(pose), pose.fps, *pose.size, split)
    project.add_videos([replace(video, **row)])


# --- uneven times ---------------------------------------------------------------------------------

SLOWER = np.concatenate([np.arange(120) / 60, 2 + np.arange(21) / 10])
"""(T,) seconds of a camera that films at 60 frames a second for 2 s, then at 10 for 2 s."""
PAUSED = np.concatenate([np.arange(60) / 30, 12 + np.arange(60) / 30])
"""(T,) seconds of a camera that films at 30 frames a second, with a pause of 10 s."""


def filmed(time: np.ndarray, seed: int, **fields: Any) -> PoseSequence:
    """The figure at these seconds, in a movement with a tempo of its own that lasts as long as the
    clip; while the camera pauses, the figure rests."""
    return pose_of(figure(filmed_phase(time, seed)), time=time, fps=30.0, **fields)


def filmed_phase(time: np.ndarray, seed: int) -> np.ndarray:
    """The phase (T,) of the figure in a film."""
    passed = np.concatenate([[0.0], np.cumsum(np.minimum(np.diff(time), 0.5))])
    return np.interp(passed / passed[-1], np.linspace(0, 1, 2000), warped_phase(2000, seed))
