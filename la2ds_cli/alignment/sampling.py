"""Choose the rows at which two clips are compared: not too many, and similarly spaced in both.

DTW sums costs over frames. If one clip has many more frames for the same movement, because it was
filmed at a higher rate or in slow motion, it outweighs the other: with open ends, a path that
leaves out nearly everything may then cost least. Such a pair is sampled so that both clips move
about as far from one row to the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.alignment.path import square_norm
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.features.resample import at_positions

MAX_FRAMES = 1500  # longer clips are thinned: the cost matrix grows with the product of lengths
UNLIKE = 2.5
"""Ratio of `frames_per_change` from which `matched_ratio` is computed. At equal rates, 1 % of the
pairs of golf swings and 3 % of those of squats (Penn Action, training clips) reach it."""
STEEP = 1.75
"""`matched_ratio`, or its inverse, from which a pair is sampled alike; at equal rates, it is below
1.45 in 95 % of those pairs."""
FINER = 2  # rows for each frame of the clip that has fewer
_WINDOW = 16  # the slope of a path is measured over its length divided by this
_CLOSED = AlignConfig(open_ends=False)


def thinned_rows(length: int, most: int | None = None) -> IntArray:
    """Return rows (n,) int64 of a clip of `length` frames for a DTW cost matrix.

    They are evenly spaced, include the first and the last, and are at most `most` and MAX_FRAMES.
    """
    rows = min(length, MAX_FRAMES, length if most is None else most)
    if rows == length:
        return np.arange(length)
    return np.rint(np.linspace(0, length - 1, rows)).astype(np.int64)


def frames_per_change(feature: FloatArray) -> float:
    """Return in how many frames the features (T, D) change by as much as they differ from their
    mean; 0 if they never change.

    Means are weighted by the squared change and the squared difference themselves, so rests before
    and after the movement count little. The frame rate is not used: twice as many frames for the
    same movement give twice the number.
    """
    moved = np.asarray(feature, np.float32)
    moved = moved - moved.mean(axis=0)
    square = square_norm(moved)
    spread = _self_weighted(square)
    if spread == 0:
        return 0.0
    before, lag = (0.0, 0.0), 1  # logarithms of a lag and of the change in it
    while lag < len(moved):
        product = np.einsum("td,td->t", moved[lag:], moved[:-lag])
        change = _self_weighted(np.maximum(square[lag:] + square[:-lag] - 2 * product, 0.0))
        here = math.log(lag), math.log(max(change, 1e-12 * spread) / spread)
        if here[1] >= 0:
            if lag == 1:
                return math.exp(-here[1] / 2)  # the change grows with the squared lag
            share = -before[1] / (here[1] - before[1])
            return math.exp(before[0] + share * (here[0] - before[0]))
        before, lag = here, 2 * lag
    return float(len(moved))


def _self_weighted(values: FloatArray) -> float:
    """Return the mean of values >= 0, weighted by the values themselves; 0 if all are 0."""
    total = float(values.sum())
    return float((values**2).sum()) / total if total > 0 else 0.0


def matched_ratio(a: FloatArray, b: FloatArray) -> float:
    """Return the number of frames of B (M, D) for a frame of A (N, D), where both move.

    It is the median over short pieces of the path with closed ends, weighted by the squared change
    of the features of the clip that changes less. On average it is nearer to 1 than the true ratio
    by a quarter. A joint that jumps, which makes a clip seem fast to `frames_per_change`, does not
    affect it.
    """
    path = align_each(a, [b], _CLOSED)[0]
    reach = max(4, len(path) // _WINDOW)
    if len(path) <= reach:
        return len(b) / len(a)
    changes, frames = [], []
    for clip, row in zip((a, b), path.T, strict=True):
        change = np.linalg.norm(np.diff(clip[row], axis=0), axis=1)
        total = np.concatenate([[0.0], np.cumsum(change)])
        changes.append(total[reach:] - total[:-reach])
        frames.append(row[reach:] - row[:-reach] + 0.5)  # a piece may stand still in one clip
    slope = frames[1] / frames[0]
    order = np.argsort(slope)
    weight = np.cumsum(np.minimum(*changes)[order] ** 2)
    return float(slope[order][np.searchsorted(weight, weight[-1] / 2)])


def compared_rows(
    a: FloatArray, clips: Sequence[FloatArray], config: AlignConfig
) -> list[tuple[FloatArray, FloatArray]]:
    """Return the rows (n,), (m,) at which DTW compares a (N, D) and each of the clips (M, D).

    They reach from the first to the last frame, and are fractions where frames are interpolated.
    With open ends, a pair of which one clip has many more frames for the same movement (UNLIKE,
    STEEP) is sampled alike. Otherwise all frames are compared, at most MAX_FRAMES.
    """
    thin = [(thinned_rows(len(a)), thinned_rows(len(b))) for b in clips]
    if not config.open_ends or not clips:
        return thin
    short_a = at_rows(a, thin[0][0])
    frames_a = frames_per_change(short_a)
    rows = []
    for b, pair in zip(clips, thin, strict=True):
        short_b = at_rows(b, pair[1])
        frames_b = frames_per_change(short_b)
        if max(frames_a, frames_b) >= UNLIKE * min(frames_a, frames_b) > 0:
            ratio = matched_ratio(short_a, short_b)
            if max(ratio, 1 / ratio) >= STEEP:
                steps_a = FINER * (len(short_a) - 1) * min(ratio, 1)
                steps_b = FINER * (len(short_b) - 1) * min(1 / ratio, 1)
                pair = _evenly(len(a), steps_a), _evenly(len(b), steps_b)
        rows.append(pair)
    return rows


def _evenly(length: int, steps: float) -> FloatArray:
    """Return at most MAX_FRAMES rows from the first to the last of `length` frames, in about
    `steps` steps."""
    return np.linspace(0, length - 1, min(max(round(steps), 1) + 1, MAX_FRAMES))


def at_rows(feature: FloatArray, row: FloatArray) -> FloatArray:
    """Return the features (n, D) of a clip (T, D) at rows (n,), interpolated between frames."""
    if np.issubdtype(row.dtype, np.integer):
        return feature if len(row) == len(feature) else feature[row]
    return at_positions(feature, row).astype(feature.dtype, copy=False)
