"""Clips whose frames tell their number, and alignments made to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.video.reader import Image, read_frames, write_video
from la2ds_cli.views.sync import side_by_side, timeline
from tests.alignments import matched
from tests.movement import sequence

STEP, DARKEST = 28, 16  # of brightness: coarse, so that two codings do not blur it
DIGITS = 8


def grey_frames(count: int, size: tuple[int, int] = (320, 240)) -> list[Image]:
    """At most 64 frames: the brightness of the left half is the first digit of the frame's number
    to base 8, that of the right half the second."""
    width, height = size
    images = []
    for t in range(count):
        image = np.empty((height, width, 3), np.uint8)
        image[:, : width // 2], image[:, width // 2 :] = map(_brightness, divmod(t, DIGITS))
        images.append(image)
    return images


def number(image: Image, greyed: bool = False) -> int:
    """The frame that a decoded picture was drawn as, by its upper quarter; greyed: whether
    sync.greyed has made it pale."""
    height, width = image.shape[:2]
    digits = []
    for left in (width // 8, 5 * width // 8):
        part = image[height // 16 : height // 4, left : left + width // 4]
        value = float(np.median(part))
        if greyed:
            value = (value - 55) / 0.35
        digit = (value - DARKEST) / STEP
        assert abs(digit - round(digit)) < 0.3, f"brightness {value} is no digit"
        digits.append(round(digit))
    return DIGITS * digits[0] + digits[1]


def _brightness(digit: int) -> int:
    return DARKEST + STEP * digit


def still_pose(count: int, fps: float = 20.0, **changed: object) -> PoseSequence:
    """A moving figure whose frames a grey film of `count` frames has."""
    pose = sequence(np.linspace(0, 1, count), fps=fps)
    return replace(pose, **changed)  # type: ignore[arg-type]


def add_film(
    project: StoredProject,
    name: str,
    pose: PoseSequence,
    images: Sequence[Image] | None,
    options="",
) -> Video:
    """A clip of the project, with a video where there are images."""
    path = f"{name}.mp4" if images else f"{name}.json"
    if images:
        write_video(project.root / path, images, pose.fps)
    project.write_pose(name, pose, Recipe("import", 1, {"format": "test"}, {"labels": name}))
    row = Video(name, path, f"digest {name}", len(pose), pose.fps, *pose.size, options=options)
    project.add_videos([row])
    return row


def aligned(
    project: StoredProject, names: tuple[str, str], position: Sequence[float], view: View = "filmed"
) -> Alignment:
    """An Alignment of two clips with this position (N,) of the frames of A."""
    rows_of = {video.id: video for video in project.videos()}
    videos = [rows_of[name] for name in names]
    poses = [project.read_pose(name)[0] for name in names]
    places = np.asarray(position, np.float64)
    sure = np.where(np.isnan(places), 0, np.linspace(0.2, 0.9, len(places)))
    return matched(
        places,
        poses[0],
        poses[1],
        a=videos[0],
        b=videos[1],
        confidence=sure,
        view=view,
        run="default",
        settings=project.config().align,
    )


def halves(project: StoredProject, result: Alignment, file: Path) -> list[tuple[Image, Image]]:
    """The pictures of A and of B in every frame of a video that write_sync wrote."""
    _, *rows = timeline(result)
    a, b = (side_by_side(project, result, (rows[0], rows[1])).region(side) for side in (0, 1))
    return [(frame.image[a], frame.image[b]) for frame in read_frames(file)]
