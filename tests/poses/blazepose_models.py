"""BlazePose's two networks, standing in: each sees one person, at the same place of what it is
shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.tflite_models import write_constant_model

HIPS, REACH = (112.0, 112.0), (112.0, 56.0)  # pixels of the 224 that the detector sees
ANCHOR = 1568 + 14 * 2 * 7 + 2 * 7  # of stride 16, with its centre at (120, 120)


def write_detector(path: Path, score: float = 3.0) -> Path:
    """Sees one person with its hips in the middle that reaches half way up; score: a logit."""
    raw = np.zeros((1, 2254, 12))
    logit = np.full((1, 2254, 1), -20.0)
    origin = np.array([120.0, 120.0])
    raw[0, ANCHOR, :4] = [-8, -40, 30, 30]
    raw[0, ANCHOR, 4:8] = np.concatenate([np.subtract(HIPS, origin), np.subtract(REACH, origin)])
    logit[0, ANCHOR] = score
    return write_constant_model(path, (1, 224, 224, 3), [raw, logit])


def write_landmarks(path: Path, presence: float = 0.9, visible: float = 2.0) -> Path:
    """Sees 33 landmarks on a line from (64, 32) to (192, 224) of its 256 pixels, hips and reach as
    in the middle of its crop; visible: the logit of their visibility."""
    table = np.zeros((39, 5))
    table[:33, 0], table[:33, 1] = np.linspace(64, 192, 33), np.linspace(32, 224, 33)
    table[:, 3], table[:, 4] = visible, 1.0
    table[33, :2], table[34, :2] = (128, 128), (128, 128 - 128 / 1.25)
    world = np.zeros((39, 3))
    world[:33, 1] = np.linspace(-0.8, 0.8, 33)
    outputs = [
        table.reshape(1, -1),
        np.full((1, 1), presence),
        np.zeros((1, 256, 256, 1)),
        np.full((1, 64, 64, 39), -10.0),
        world.reshape(1, -1),
    ]
    return write_constant_model(path, (1, 256, 256, 3), outputs)
