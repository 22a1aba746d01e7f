"""Rendered performers without the rendering: true joints of the demo movement under one camera,
with one thing changed about them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo import performer
from la2ds_cli.demo.render import Camera, draw_person, look_at, random_background
from la2ds_cli.video.reader import Image, write_video
from tests.movement import add_sequence, pose_of

FPS = 30.0
SIZE = (480, 640)
AZIMUTH = -1.2  # radians: from the body's left, where knees and elbows bend across the picture
STARTS = dict(performer.PHASES)
PLAIN = performer.Style(np.ones(len(performer.DOF)), np.zeros(len(performer.DOF)))


def body(seed: int = 1) -> performer.Body:
    return performer.random_body(np.random.default_rng(seed))


def steady(frames: int = 91) -> FloatArray:
    """Phase of the whole movement at constant speed."""
    return np.linspace(0, 1, frames)


def slowed(phase: str, times: float, frames: int = 91) -> FloatArray:
    """`steady`, but one phase of the movement takes so many times as long."""
    starts = [*STARTS.values(), 1.0]
    at = list(STARTS).index(phase)
    low, high = starts[at], starts[at + 1]
    value = np.array([0.0, low, high, 1.0])
    clock = np.cumsum([0.0, low, (high - low) * times, 1 - high])
    count = round((frames - 1) * clock[-1]) + 1
    return np.interp(np.linspace(0, clock[-1], count), clock, value)


def bump(phase: FloatArray, middle: float, width: float) -> FloatArray:
    """1 at `middle`, falling smoothly to 0 at `width` of the phase to either side."""
    away = np.clip((phase - middle) / width, -1, 1)
    return (1 + np.cos(np.pi * away)) / 2


@dataclass(frozen=True)
class Performance:
    """What is filmed and how. change: a degree of freedom of the body that is `degrees` larger at
    phase `middle`. style: seed of the performer's habits, None = none."""

    phase: FloatArray
    change: str = ""
    degrees: float = 0.0
    middle: float = 0.36
    width: float = 0.2
    build: performer.Body | None = None
    style: int | None = 3
    azimuth: float = AZIMUTH
    distance: float = 5.0

    def world(self) -> FloatArray:
        """Points (T, P, 3) of the body in metres."""
        habits = PLAIN
        if self.style is not None:
            habits = performer.random_style(np.random.default_rng(self.style))
        pose = performer.movement(self.phase, habits)
        if self.change:
            by = np.radians(self.degrees) * bump(self.phase, self.middle, self.width)
            pose[:, performer.DOF[self.change]] += by
        return performer.forward_kinematics(self.build or body(), pose)

    def camera(self, size: tuple[int, int] = SIZE) -> Camera:
        middle, focal = np.array([0, 0.2, 0.9]), 200.0 * self.distance * size[1] / SIZE[1]
        return look_at(middle, self.azimuth, 0.05, self.distance, focal, size)


def performance(
    phase: FloatArray,
    *,
    fps: float = FPS,
    noise: float = 0.0,
    seed: int = 0,
    deep: bool = False,
    **how: Any,
) -> PoseSequence:
    """coco17 joints of one Performance in pixels, with so many pixels of noise; deep: and in
    metres, with a two-hundredth of it."""
    shown = Performance(phase, **how)
    camera, points = shown.camera(), shown.world()[:, :17]
    xy = camera.project(points)
    xy = xy + np.random.default_rng(seed).normal(0, noise, xy.shape)
    world = (points - points[:, [11, 12]].mean(axis=1, keepdims=True)) @ camera.rotation.T
    world = world + np.random.default_rng([seed, 3]).normal(0, noise / 200, world.shape)
    metres = world if deep else None
    return pose_of(xy, fps=fps, size=SIZE, skeleton="coco17", world=metres)


def film(path: Path, phase: FloatArray, *, fps: float = FPS, seed: int = 0, **how: Any) -> None:
    """A video of one Performance; clothes, background and grain by `seed`."""
    rng = np.random.default_rng(seed)
    shown = Performance(phase, **how)
    size = (240, 320)
    world, camera = shown.world(), shown.camera(size)
    background, appearance = random_background(rng, size, 230), performer.random_appearance(rng)

    def frames() -> Iterator[Image]:
        for points in world:
            image = background.copy()
            draw_person(image, points, shown.build or body(), appearance, camera)
            grain = rng.normal(0, 2, image.shape[:2])[..., None]
            yield np.clip(image + grain, 0, 255).astype(np.uint8)

    write_video(path, frames(), fps)


def project_of(root: Path, **clips: PoseSequence) -> StoredProject:
    """A project of these clips."""
    project = StoredProject.create(root, {"preset": "demo"})
    for name, pose in clips.items():
        add_sequence(project, name, pose)
    return project


def label(project: StoredProject, **phases: FloatArray) -> None:
    """phases.csv with the true phases of clips, given the phase of each of their frames."""
    lines = ["video,start,end,phase"]
    for video, value in phases.items():
        names = [performer.phase_name(at + 1e-9) for at in value]
        edges = [0, *(t for t in range(1, len(names)) if names[t] != names[t - 1]), len(names)]
        lines += [
            f"{video},{first},{stop},{names[first]}" for first, stop in itertools.pairwise(edges)
        ]
    project.phases_path.write_text("\n".join(lines) + "\n")
