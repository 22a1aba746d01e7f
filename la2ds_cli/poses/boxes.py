"""Arithmetic of person boxes: arrays (..., 4) float, x1 y1 x2 y2 in pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from la2ds_cli.core.types import FloatArray


def area(box: FloatArray) -> FloatArray:
    """Return the area (...) of boxes (..., 4); 0 for an inverted box."""
    return np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), axis=-1)


def intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the common area of broadcastable boxes a, b (..., 4)."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., 2:], b[..., 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1)


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the intersection over union of broadcastable boxes; 0 for two empty boxes."""
    common = intersection(a, b)
    union = area(a) + area(b) - common
    return np.where(union > 0, common / np.maximum(union, 1e-9), 0)


def pairwise_iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the IoU (n, m) of boxes a (n, 4) and b (m, 4)."""
    return iou(a[:, None], b[None])


def centre(box: FloatArray) -> FloatArray:
    """Return the centres (..., 2) of boxes (..., 4)."""
    return (box[..., :2] + box[..., 2:]) / 2


def clip(box: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Clip boxes to a frame of size (width, height)."""
    width, height = size
    return np.clip(box, 0, [width - 1, height - 1, width - 1, height - 1])


def around_joints(
    xy: FloatArray, score: FloatArray, threshold: float, margin: float = 0.1
) -> FloatArray:
    """Return boxes (n, 4) around the joints that score at least `threshold`.

    A box is NaN where fewer than three joints pass.

    Parameters
    ----------
    xy, score
        Joints (n, K, 2) in pixels and their scores (n, K).
    threshold
        Least score of a joint that counts.
    margin
        Share of the longer side added on every side, since joints lie inside the body.
    """
    seen = score >= threshold
    shown = np.where(seen[..., None], xy, np.nan)
    box = np.full((len(xy), 4), np.nan)
    enough = seen.sum(axis=1) >= 3
    if enough.any():
        low, high = np.nanmin(shown[enough], axis=1), np.nanmax(shown[enough], axis=1)
        grow = margin * (high - low).max(axis=1, keepdims=True)
        box[enough] = np.concatenate([low - grow, high + grow], axis=1)
    return box


def union(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the smallest boxes that contain both; a NaN box counts as absent."""
    low = np.fmin(a[..., :2], b[..., :2])
    high = np.fmax(a[..., 2:], b[..., 2:])
    return np.concatenate([low, high], axis=-1)


def steady(box: FloatArray, window: int) -> FloatArray:
    """Smooth a gapless track of boxes (M, 4) for a pose network.

    Outliers, such as half a body, are dropped by a short median. Centres are averaged and half
    sides take their maximum over `window` frames, so that a raised arm does not change the scale
    from one frame to the next and a person who runs by is still followed.
    """
    short = max(window // 3, 1)
    middle = _running(centre(box), short, np.median)
    half = _running((box[:, 2:] - box[:, :2]) / 2, short, np.median)
    middle = _running(middle, max(window // 2, 1), np.mean)
    half = _running(_running(half, window, np.max), window, np.mean)
    return np.concatenate([middle - half, middle + half], axis=1)


def _running(value: FloatArray, window: int, reduce: Callable[..., FloatArray]) -> FloatArray:
    """Apply `reduce` over a centred window of value (M, C); the ends are repeated."""
    half = window // 2
    padded = np.pad(value, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    return reduce(windows, axis=-1)
