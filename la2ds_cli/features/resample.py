"""Sampling of pose sequences and features by time, never by frame number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import FloatArray, PoseSequence

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` of the items, evenly spaced among them, in their order."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[int(n)] for n in np.rint(chosen)]


def interpolate(value: FloatArray, time: FloatArray, at: FloatArray) -> FloatArray:
    """Interpolate linearly value (T, ...), sampled at `time` (T,), at seconds `at` (G,).

    The ends are held. A point is NaN only if a neighbour with a weight above zero is NaN.
    """
    if len(time) < 2:
        return np.repeat(value, len(at), axis=0)
    right = np.clip(np.searchsorted(time, at, side="left"), 1, len(time) - 1)
    left = right - 1
    weight = np.clip((at - time[left]) / (time[right] - time[left]), 0, 1)
    weight = weight.reshape(-1, *([1] * (value.ndim - 1)))
    low, high = value[left], value[right]
    mixed = low * (1 - weight) + high * weight
    # 0 * NaN is NaN, so a neighbour of weight zero is left out.
    return np.where(weight == 0, low, np.where(weight == 1, high, mixed)).astype(value.dtype)


def at_positions(value: FloatArray, position: FloatArray) -> FloatArray:
    """Interpolate linearly value (M, ...) at fractional positions (N,).

    A point is NaN only if a neighbour with a weight above zero is NaN.
    """
    low = np.floor(position).astype(np.int64)
    weight = position - low
    if not weight.any():
        return value[low].astype(np.float64)
    high = np.minimum(low + 1, len(value) - 1)
    weight = weight.reshape(-1, *([1] * (value.ndim - 1)))
    mixed = value[low] * (1 - weight) + value[high] * weight
    return np.where(weight == 0, value[low], mixed)


def smoothed(value: FloatArray, deviation: float) -> FloatArray:
    """Return value (T, ...) float64 smoothed along the first axis by a Gaussian with a standard
    deviation of `deviation` frames > 0; the ends are padded with their own values.

    The result is that of scipy.ndimage.gaussian_filter1d, whose import takes longer than smoothing
    hundreds of clips.
    """
    reach = int(4 * deviation + 0.5)
    weight = np.exp(-0.5 * (np.arange(reach + 1) / deviation) ** 2)
    weight /= weight[0] + 2 * weight[1:].sum()
    rows = np.clip(np.arange(-reach, len(value) + reach), 0, len(value) - 1)
    held = np.asarray(value, np.float64)[rows]
    length = len(value)
    total = weight[0] * held[reach : reach + length]
    for n in range(reach, 0, -1):
        before, after = held[reach - n :][:length], held[reach + n :][:length]
        total += weight[n] * (before + after)
    return total


def smoothed_in_time(value: FloatArray, axis: TimeAxis, seconds: float, least: float) -> FloatArray:
    """Return value (T, ...) `smoothed` by a Gaussian of a duration.

    Values that are not evenly sampled are interpolated at even steps first.

    Parameters
    ----------
    value: (T, ...).
    axis: times of the T samples.
    seconds: standard deviation of the Gaussian.
    least: its least standard deviation, frames.
    """
    if axis.is_even:
        return smoothed(value, max(seconds / axis.usual_step, least))
    grid = axis.fine_grid()
    even = interpolate(np.asarray(value, np.float64), axis.seconds, grid)
    step = float(grid[1] - grid[0])
    return interpolate(smoothed(even, max(seconds / step, least)), grid, axis.seconds)


def evenly_sampled(pose: PoseSequence) -> PoseSequence:
    """Return the sequence at even steps (`TimeAxis.fine_grid`); unchanged if it is even."""
    return pose if pose.axis.is_even else resample_pose(pose, pose.axis.fine_grid())


def at_rate(pose: PoseSequence, fps: float) -> PoseSequence:
    """Return the sequence at regular times, `fps` frames per second (`TimeAxis.grid`); unchanged if
    it has these times already."""
    grid = pose.axis.grid(fps)
    return pose if np.array_equal(grid, pose.time) else resample_pose(pose, grid)


def resample_pose(pose: PoseSequence, at: FloatArray) -> PoseSequence:
    """Return the sequence sampled at seconds `at` (G,); `frame` is the nearest source frame."""
    right = np.clip(np.searchsorted(pose.time, at), 1, max(len(pose.time) - 1, 1))
    left = np.minimum(right - 1, len(pose.time) - 1)
    right = np.minimum(right, len(pose.time) - 1)
    nearest = np.where(at - pose.time[left] <= pose.time[right] - at, left, right)
    xy = interpolate(pose.xy, pose.time, at)
    score = interpolate(pose.score, pose.time, at)
    return replace(
        pose,
        xy=xy,
        score=np.where(np.isnan(xy).any(axis=-1), 0, score),
        box=interpolate(pose.box, pose.time, at),
        world=None if pose.world is None else interpolate(pose.world, pose.time, at),
        trust=None if pose.trust is None else interpolate(pose.trust, pose.time, at),
        frame=pose.frame[nearest],
        time=at,
    )
