"""Distances between the frames of two sequences, and arithmetic on paths through them.

A path is (P, 2) int64, rows (i, j): frame i of clip A shows the same moment as frame j of clip B.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.features.resample import at_positions

BLOCK_ROWS = 256  # rows per product: 256 x 1000 float32 costs stay in the second-level cache
SMOOTHING = 1.0  # frames of A, standard deviation
Axes = tuple[TimeAxis, TimeAxis]  # of A and of B
_KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / SMOOTHING) ** 2)


def as_features(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both sequences (N, D), (M, D) as contiguous arrays: float32 if both are, else float64.

    Raises ValueError for shapes that do not fit together and for empty sequences.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features: expected (N, D) and (M, D), got {a.shape} and {b.shape}")
    if not len(a) or not len(b):
        raise ValueError(f"features: expected at least one frame each, got {len(a)} and {len(b)}")
    both_single = a.dtype == np.float32 and b.dtype == np.float32
    dtype = np.float32 if both_single else np.float64
    return np.ascontiguousarray(a, dtype), np.ascontiguousarray(b, dtype)


def check_finite(square_a: FloatArray, square_b: FloatArray) -> None:
    """Raise ValueError if the squared norms of two sequences contain NaN or infinity."""
    if not (np.isfinite(square_a).all() and np.isfinite(square_b).all()):
        raise ValueError("features: expected finite values, got NaN or infinity")


def centred(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both sequences (N, D) and (M, D) minus A's mean frame.

    Distances stay the same, but |a|^2 + |b|^2 - 2ab would cancel in float32 if all frames shared a
    large mean. Raises ValueError as `as_features` does, and for values that are not finite.
    """
    a, b = as_features(a, b)
    mean = a.mean(axis=0, dtype=np.float64).astype(a.dtype)
    a, b = a - mean, b - mean
    check_finite(square_norm(a), square_norm(b))
    return a, b


def square_norm(x: FloatArray) -> FloatArray:
    """Return (T,) squared Euclidean norms of the rows of x (T, D)."""
    return np.einsum("td,td->t", x, x)


def squared_blocks(a: FloatArray, b: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Yield the squared distances (N, M) in blocks: the first row, and (R, M), R <= BLOCK_ROWS."""
    a, b = centred(a, b)
    square_b = square_norm(b)[None]
    for first in range(0, len(a), BLOCK_ROWS):
        rows = a[first : first + BLOCK_ROWS]
        squared = square_norm(rows)[:, None] + square_b - 2 * (rows @ b.T)
        yield first, np.maximum(squared, 0, out=squared)


def squared_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return (N, M) squared Euclidean distances of a (N, D) and b (M, D).

    The dtype and the errors are those of `centred`.
    """
    return np.concatenate([block for _, block in squared_blocks(a, b)])


def pair_distance(a: FloatArray, b: FloatArray, path: IntArray) -> FloatArray:
    """Return the Euclidean distances (P,) float64 of a (N, D) and b (M, D) along path (P, 2)."""
    difference = np.subtract(a[path[:, 0]], b[path[:, 1]], dtype=np.float64)
    return np.sqrt(square_norm(difference))


def squared_at(a: FloatArray, b: FloatArray, position: FloatArray) -> FloatArray:
    """Return (N,) float64 squared distances of a (N, D) to b (M, D) at fractional rows (N,) of b,
    which are clipped to it."""
    there = at_positions(b, np.clip(position, 0, len(b) - 1))
    return square_norm(np.subtract(a, there, dtype=np.float64))


def mean_pair_squared(a: FloatArray, b: FloatArray, path: IntArray) -> float:
    """Return the mean squared Euclidean distance of a (N, D) and b (M, D) along path (P, 2)."""
    return float(np.mean(pair_distance(a, b, path) ** 2))


def mean_nearest_squared(a: FloatArray, b: FloatArray) -> float:
    """Return the mean squared distance of a frame to the nearest frame of the other clip.

    It is the average of the means over A's frames and over B's: the unit of skip costs and of
    soft-DTW's gamma.
    """
    row = np.full(len(a), np.inf)
    column = np.full(len(b), np.inf)
    for first, block in squared_blocks(a, b):
        row[first : first + len(block)] = block.min(axis=1)
        np.minimum(column, block.min(axis=0), out=column)
    return float((row.mean() + column.mean()) / 2)


def speed_window(time_a: FloatArray) -> float:
    """Return the seconds of A over which speed_ratio fits its slope: 1/50 of A, at least 0.4."""
    return max(0.4, float(time_a[-1] - time_a[0]) / 50)


def invert(path: IntArray) -> IntArray:
    """Return the path of B against A, rows (j, i) sorted by j then i."""
    swapped = path[:, ::-1]
    return np.ascontiguousarray(swapped[np.lexsort((swapped[:, 1], swapped[:, 0]))])


def mean_match(path: IntArray, length: int, axes: Axes | None = None) -> FloatArray:
    """Return (length,) float64, the mean of the B indices that each frame of A is paired with.

    NaN = no pair. A frame beside a pause stands for more time on one side than on the other: it
    then gets the moment that divides its counterparts in B in the same proportion.

    Parameters
    ----------
    path: (P, 2).
    length: frames of A.
    axes: when the frames of A and of B were filmed; None = at even intervals.
    """
    count = np.bincount(path[:, 0], minlength=length)
    total = np.bincount(path[:, 0], weights=path[:, 1], minlength=length)
    mean = np.divide(total, count, out=np.full(length, np.nan), where=count > 0)
    if axes is None or all(axis.is_even for axis in axes):
        return mean
    of_a, of_b = axes
    rows, place = np.unique(path[:, 0], return_inverse=True)
    tick = of_b.ticks_at(path[:, 1])
    begin, end = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    np.minimum.at(begin, place, tick)
    np.maximum.at(end, place, tick)
    share = ((of_a.seconds - of_a.edges[:-1]) / of_a.steps)[rows]
    mean[rows] = of_b.rows_at_ticks(begin + share * (end - begin))
    return mean


def nearest_rows(position: FloatArray, length: int) -> tuple[BoolArray, IntArray]:
    """Return (N,) bool, which positions are not NaN, and (N,) the nearest row of B, 0 for NaN.

    Parameters
    ----------
    position: (N,) in rows of B, NaN = no counterpart.
    length: number of rows of B.
    """
    matched = ~np.isnan(position)
    rows = np.clip(np.rint(np.where(matched, position, 0)), 0, length - 1).astype(np.int64)
    return matched, rows


def never_backwards(position: FloatArray) -> FloatArray:
    """Return positions (N,) of an ordered path without steps back, which rounding causes in rests.

    NaN stays NaN.
    """
    matched = ~np.isnan(position)
    ordered = position.copy()
    ordered[matched] = np.maximum.accumulate(position[matched])
    return ordered


def smooth_match(path: IntArray, length: int, axes: Axes | None = None) -> FloatArray:
    """Return (length,) float64, the position in B of each frame of A, finer than whole frames.

    It is mean_match, smoothed over neighbouring frames of A (Gaussian, SMOOTHING frames). A path
    moves by whole frames but the movement is continuous, so the mean over several steps is more
    accurate than a single one. A path that is straight in time does not change, and on an ordered
    path time never runs backwards. NaN = no pair.

    Parameters
    ----------
    path: (P, 2).
    length: frames of A.
    axes: when the frames of A and of B were filmed; None = at even intervals.
    """
    position = mean_match(path, length, axes)
    rows = np.flatnonzero(~np.isnan(position))
    last, middle = len(rows) - 1, len(_KERNEL) // 2
    reach = min(middle, last)
    if reach < 1:
        return position
    of_a, of_b = axes or (TimeAxis.even(length), TimeAxis.even(int(path[:, 1].max()) + 1))
    passed, steps = of_a.ticks_at(rows), of_b.ticks_at(position[rows])
    passed = passed - passed[0]
    straight = steps[0] + passed * ((steps[last] - steps[0]) / passed[last])
    bent = steps - straight
    # Beyond the ends, the deviations from the straight line are reflected (odd symmetry).
    before, after = 2 * bent[0] - bent[reach:0:-1], 2 * bent[last] - bent[-2 : -2 - reach : -1]
    bent = np.concatenate([before, bent, after])
    weight = _KERNEL[middle - reach : middle + reach + 1, None]
    if not of_a.is_even:  # what was filmed long before or after a frame is not near it
        before, after = (
            2 * passed[0] - passed[reach:0:-1],
            2 * passed[-1] - passed[-2 : -2 - reach : -1],
        )
        around = (
            np.lib.stride_tricks.sliding_window_view(
                np.concatenate([before, passed, after]), 2 * reach + 1
            ).T
            - passed
        )
        nearest = np.minimum(around[reach + 1], -around[reach - 1])
        weight = np.exp(-0.5 * (around / nearest / SMOOTHING) ** 2)
    weight = weight / weight.sum(axis=0)
    total = sum(bent[k : k + len(rows)] * weight[k] for k in range(len(weight)))
    position[rows] = of_b.rows_at_ticks(np.clip(straight + total, steps[0], steps[last]))
    return never_backwards(position) if (np.diff(steps) >= 0).all() else position


def path_through(position: FloatArray) -> IntArray:
    """Return the path (P, 2) int64 of whole frames nearest to `position` (N,), with DTW's steps.

    No step skips a frame of either clip between the first and the last match.
    """
    rows = np.flatnonzero(~np.isnan(position))
    columns = np.rint(position[rows]).astype(np.int64)
    pairs = [(rows[:1], columns[:1])]
    for n in range(1, len(rows)):
        skipped = np.arange(columns[n - 1] + 1, columns[n])
        early = len(skipped) // 2
        row = np.where(np.arange(len(skipped)) < early, rows[n - 1], rows[n])
        pairs += [(row, skipped), (rows[n : n + 1], columns[n : n + 1])]
    return np.stack([np.concatenate(side) for side in zip(*pairs, strict=True)], axis=1)


def matched_time(position: FloatArray, time_b: FloatArray) -> FloatArray:
    """Return (N,) float64 seconds of positions (N,) in B, whose frames have the times time_b (M,).

    NaN stays NaN.
    """
    position = np.asarray(position, np.float64)
    seconds = np.interp(position, np.arange(len(time_b)), time_b)
    return np.where(np.isnan(position), np.nan, seconds)


def speed_ratio(position: FloatArray, time_a: FloatArray, time_b: FloatArray) -> FloatArray:
    """Return (N,) float64 seconds of B that pass per second of A, around every frame of A.

    0.5 = B does this part in half the time; 2 = B takes twice as long. The ratio is the slope of a
    straight line fitted to the matched times within half of `speed_window` before and after (at
    least two frames on each side). NaN for unmatched frames, and everywhere if only one is matched.

    Parameters
    ----------
    position: (N,) position in B of each frame of A (smooth_match).
    time_a, time_b: (N,) and (M,) seconds of the frames.
    """
    time_a = np.asarray(time_a, np.float64)
    matched = matched_time(position, np.asarray(time_b, np.float64))
    rows = np.flatnonzero(~np.isnan(matched))
    ratio = np.full(len(time_a), np.nan)
    if len(rows) < 2:
        return ratio
    half = speed_window(time_a) / 2 + 1e-9
    # Times relative to the first keep the running sums of squares exact for late clips.
    x = time_a[rows] - time_a[rows[0]]
    y = matched[rows] - matched[rows[0]]
    rank = np.arange(len(rows))
    first = np.minimum(np.searchsorted(x, x - half), np.maximum(rank - 2, 0))
    last = np.searchsorted(x, x + half, side="right")
    last = np.maximum(last, np.minimum(rank + 3, len(rows)))
    sums = [np.concatenate([[0.0], np.cumsum(v)]) for v in (x, y, x * x, x * y)]
    sum_x, sum_y, sum_xx, sum_xy = (s[last] - s[first] for s in sums)
    count = last - first
    spread = sum_xx - sum_x**2 / count
    ratio[rows] = (sum_xy - sum_x * sum_y / count) / spread
    return ratio
