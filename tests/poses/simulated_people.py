"""Detections and posed tracks of people whose true ways are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.tracking import Track, make_track

SIZE = (640, 480)
COCO = get_skeleton("coco17")

# A standing figure of height 1 about its middle, in the order of coco17.
FIGURE = np.array(
    [
        *((0, -0.44), (0.02, -0.46), (-0.02, -0.46), (0.04, -0.45), (-0.04, -0.45)),
        *((0.11, -0.32), (-0.11, -0.32), (0.14, -0.16), (-0.14, -0.16)),
        *((0.15, -0.02), (-0.15, -0.02), (0.08, -0.02), (-0.08, -0.02)),
        *((0.08, 0.22), (-0.08, 0.22), (0.08, 0.46), (-0.08, 0.46)),
    ]
)


def with_joints(track: Track, xy: FloatArray, joint_score: FloatArray) -> Track:
    """The track with joints xy (M, K, 2) and their scores (M, K)."""
    return replace(track, xy=xy, joint_score=joint_score)


def person(x: float, height: float = 200, score: float = 0.9, y: float = 240) -> list[float]:
    """A detection of width height / 3 centred on (x, y)."""
    return [x - height / 6, y - height / 2, x + height / 6, y + height / 2, score]


def frames(*rows: list[list[float]]) -> list[np.ndarray]:
    """Detections of each frame from lists of rows."""
    width = max((len(row) for found in rows for row in found), default=5)
    return [np.array(found, np.float32).reshape(-1, width) for found in rows]


def moving(x: float, height: float, count: int, sway: float, start: int = 0) -> Track:
    """A track whose joints sway by `sway` heights."""
    at = np.arange(start, start + count)
    box = np.array([person(x, height)[:4]] * count)
    xy = np.tile([x, 240.0], (count, 3, 1)) + np.array([(0, -0.4), (0, 0), (0, 0.4)]) * height
    xy[:, :, 0] += sway * height * np.sin(at / 3)[:, None]
    return with_joints(make_track(at, box, np.full(count, 0.9)), xy, np.full((count, 3), 0.8))


def walker(
    x: FloatArray, height: float = 200, y: float = 240, start: int = 0, phase: float = 0.0
) -> Track:
    """A posed coco17 track of somebody who walks along x (T,), arms and legs swinging."""
    x = np.asarray(x, np.float64)
    at = np.arange(start, start + len(x))
    xy = np.stack([x, np.full(len(x), y)], axis=1)[:, None] + FIGURE * height
    swing = 0.08 * height * np.sin(at / 5 + phase)[:, None]
    xy[:, [9, 15], 0] += swing
    xy[:, [10, 16], 0] -= swing
    middle = np.array([person(value, height, y=y)[:4] for value in x])
    track = make_track(at, middle, np.ones(len(x)))
    return with_joints(track, xy, np.full((len(x), 17), 0.8))
