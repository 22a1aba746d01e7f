"""Single-shot detection (Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016) as used by
the detector of BlazePose: anchors, boxes with key points, and non-maximum
suppression by averaging.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes

OVERLAP = 0.3  # intersection over union from which two boxes are one person
_CLIP = 100.0  # logits are cut here before the sigmoid


@dataclass(frozen=True)
class Detection:
    """box (4,) xyxy and points (P, 2) in pixels of the searched image; score in [0, 1]."""

    box: FloatArray
    points: FloatArray
    score: float


def anchor_centres(size: int, strides: tuple[int, ...]) -> FloatArray:
    """Centres (A, 2) of the anchors of an input of `size` pixels, as shares of it.

    Every stride puts two anchors in each cell of its grid; equal strides share a grid. The boxes
    are relative only to the centres, so anchors have no size.
    """
    parts = []
    for stride in dict.fromkeys(strides):
        cells = -(-size // stride)
        line = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(line, line)
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        parts.append(np.repeat(grid, 2 * strides.count(stride), axis=0))
    return np.concatenate(parts)


def decode(
    raw: FloatArray, logit: FloatArray, anchors: FloatArray, size: int, least: float
) -> list[Detection]:
    """Detections with scores of at least `least`, in pixels of the input, before suppression.

    raw: (A, 4 + 2 P): centre, width and height, then the points, in pixels from the anchor.
    logit: (A,). anchors: (A, 2). size: pixels of the square input.
    """
    score = sigmoid(np.clip(logit, -_CLIP, _CLIP))
    kept = np.flatnonzero(score >= least)
    raw, origin = raw[kept].astype(np.float64), anchors[kept] * size
    centre, half = raw[:, :2] + origin, raw[:, 2:4] / 2
    box = np.concatenate([centre - half, centre + half], axis=1)
    points = raw[:, 4:].reshape(len(kept), (raw.shape[1] - 4) // 2, 2) + origin[:, None]
    return [Detection(b, p, float(s)) for b, p, s in zip(box, points, score[kept], strict=True)]


def suppress(detections: list[Detection], overlap: float = OVERLAP) -> list[Detection]:
    """One detection for each object, best first: those that overlap the best one are averaged with
    it, weighted by their scores, and get its score (Bazarevsky et al., "BlazeFace", 2019, sec.
    4)."""
    rest = sorted(detections, key=lambda detection: -detection.score)
    result = []
    while rest:
        box = np.stack([detection.box for detection in rest])
        same = boxes.pairwise_iou(box[:1], box)[0] > overlap
        same[0] = True
        group = [detection for detection, is_same in zip(rest, same, strict=True) if is_same]
        weight = np.array([detection.score for detection in group])
        weight /= weight.sum()
        result.append(
            Detection(
                np.tensordot(weight, [detection.box for detection in group], 1),
                np.tensordot(weight, [detection.points for detection in group], 1),
                rest[0].score,
            )
        )
        rest = [detection for detection, is_same in zip(rest, same, strict=True) if not is_same]
    return result


def sigmoid(value: FloatArray) -> FloatArray:
    """1 / (1 + exp(-value)) in float64."""
    return 1 / (1 + np.exp(-np.asarray(value, np.float64)))
