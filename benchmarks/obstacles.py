"""Obstacles for trust.py: they hide joints of rendered performers whose true position is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.performer import COCO17
from la2ds_cli.video.reader import Image

KINDS = ("none", "still", "follows", "bar")
_COVERED = tuple(
    COCO17.index(f"{side}_{joint}")
    for joint in ("elbow", "wrist", "knee", "ankle")
    for side in ("left", "right")
)
_GRAIN = 6.0  # grey levels


def obstacle(rng: np.random.Generator, xy: FloatArray, kind: str) -> FloatArray:
    """Boxes (T, 4) xyxy in pixels in front of the joints xy (T, 17, 2) of a clip; NaN = no box.

    still: a box about the size of a torso, placed over a limb for a quarter to three fifths of the
    clip. follows: the same, but it moves with a joint. bar: a post that passes from left to right.
    none: no box. Raises ValueError for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"no such obstacle: {kind}")
    length = len(xy)
    boxes = np.full((length, 4), np.nan)
    trunk = xy[:, [5, 6]].mean(axis=1) - xy[:, [11, 12]].mean(axis=1)
    torso = float(np.median(np.linalg.norm(trunk, axis=1)))
    if kind == "bar":
        low, high = xy[..., 0].min(), xy[..., 0].max()
        middle = np.linspace(low, high, length)
        half = rng.uniform(0.15, 0.35) * torso
        boxes[:, 0], boxes[:, 2] = middle - half, middle + half
        boxes[:, 1], boxes[:, 3] = xy[..., 1].min() - torso, xy[..., 1].max() + torso
    elif kind != "none":
        joint = int(rng.choice(_COVERED))
        start = int(rng.uniform(0, 0.4) * length)
        rows = slice(start, start + int(rng.uniform(0.25, 0.6) * length))
        half = rng.uniform(0.25, 0.55, 2) * torso
        middle = xy[rows, joint]
        if kind == "still":
            middle = np.broadcast_to(np.median(middle, axis=0), middle.shape)
        boxes[rows] = np.concatenate([middle - half, middle + half], axis=1)
    return boxes


def covered(
    images: Iterator[Image], boxes: FloatArray, rng: np.random.Generator
) -> Iterator[Image]:
    """The images of a clip with the boxes (T, 4) drawn on them in one colour with grain."""
    colour = rng.uniform(20, 235, 3)
    for image, box in zip(images, boxes, strict=True):
        if np.isfinite(box).all():
            height, width = image.shape[:2]
            left, top, right, bottom = np.clip(
                np.round(box), 0, [width, height, width, height]
            ).astype(int)
            part = image[top:bottom, left:right]
            part[:] = np.clip(colour + rng.normal(0, _GRAIN, part.shape), 0, 255)
        yield image
