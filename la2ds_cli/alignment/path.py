"""Arithmetic on alignment paths: arrays in, arrays out, no features and no files.

A path is (P, 2) int64, rows (i, j): frame i of clip A shows the same moment as frame j of clip B.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, IntArray

SMOOTHING = 1.0  # frames of A, standard deviation
_KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / SMOOTHING) ** 2)


def speed_window(time_a: FloatArray) -> float:
    """Seconds of A over which speed_ratio fits its slope: 1/50 of the clip, at least 0.4."""
    return max(0.4, float(time_a[-1] - time_a[0]) / 50)


def invert(path: IntArray) -> IntArray:
    """The path of B against A, rows (j, i) sorted by j then i."""
    swapped = path[:, ::-1]
    return np.ascontiguousarray(swapped[np.lexsort((swapped[:, 1], swapped[:, 0]))])


def mean_match(path: IntArray, length: int) -> FloatArray:
    """(length,) float64: for each frame of A, the mean of the B indices it is paired with.

    NaN where a frame of A has no pair.
    """
    count = np.bincount(path[:, 0], minlength=length)
    total = np.bincount(path[:, 0], weights=path[:, 1], minlength=length)
    return np.divide(total, count, out=np.full(length, np.nan), where=count > 0)


def nearest_rows(position: FloatArray, length: int) -> tuple[BoolArray, IntArray]:
    """(N,) which positions are known, and (N,) the row of B nearest to each; 0 if unknown. length:
    number of rows of B."""
    known = ~np.isnan(position)
    rows = np.clip(np.rint(np.where(known, position, 0)), 0, length - 1).astype(np.int64)
    return known, rows


def smooth_match(path: IntArray, length: int) -> FloatArray:
    """(length,) float64: the position in B of each frame of A, with a resolution below one frame.

    It is mean_match, smoothed over neighbouring frames of A (Gaussian, SMOOTHING frames). A path
    moves by whole frames but the movement is continuous, so the mean over several steps is more
    accurate than a single one. A straight path does not change, and time never runs backwards. NaN
    where a frame of A has no pair.
    """
    position = mean_match(path, length)
    rows = np.flatnonzero(~np.isnan(position))
    last, middle = len(rows) - 1, len(_KERNEL) // 2
    reach = min(middle, last)
    if reach < 1:
        return position
    steps = position[rows]
    straight = steps[0] + np.arange(len(rows)) * ((steps[last] - steps[0]) / last)
    bent = steps - straight
    # Beyond the ends, the deviations from the straight line are reflected (odd symmetry).
    before, after = 2 * bent[0] - bent[reach:0:-1], 2 * bent[last] - bent[-2 : -2 - reach : -1]
    bent = np.concatenate([before, bent, after])
    weight = _KERNEL[middle - reach : middle + reach + 1]
    weight = weight / weight.sum()
    total = sum(bent[k : k + len(rows)] * weight[k] for k in range(len(weight)))
    position[rows] = np.clip(straight + total, steps[0], steps[last])
    return position


def matched_time(position: FloatArray, time_b: FloatArray) -> FloatArray:
    """(N,) float64 seconds in B of positions (N,) among B's frames; NaN stays NaN."""
    position = np.asarray(position, np.float64)
    seconds = np.interp(position, np.arange(len(time_b)), time_b)
    return np.where(np.isnan(position), np.nan, seconds)


def speed_ratio(
    position: FloatArray, time_a: FloatArray, time_b: FloatArray, window: float | None = None
) -> FloatArray:
    """(N,) float64 seconds of B that pass per second of A, around every frame of A.

    position: (N,) position of each frame of A among B's frames (smooth_match).
    0.5: B does this part in half the time; 2: B takes twice as long. The ratio is the slope of a
    straight line fitted to the matched times within +-window/2 seconds (at least two frames on each
    side); window None = speed_window. NaN for unmatched frames, and everywhere if only one is
    matched.
    """
    time_a = np.asarray(time_a, np.float64)
    matched = matched_time(position, np.asarray(time_b, np.float64))
    known = np.flatnonzero(~np.isnan(matched))
    ratio = np.full(len(time_a), np.nan)
    if len(known) < 2:
        return ratio
    window = speed_window(time_a) if window is None else window
    # Times relative to the first keep the running sums of squares exact for late clips.
    x = time_a[known] - time_a[known[0]]
    y = matched[known] - matched[known[0]]
    rank = np.arange(len(known))
    first = np.minimum(np.searchsorted(x, x - window / 2 - 1e-9), np.maximum(rank - 2, 0))
    last = np.maximum(
        np.searchsorted(x, x + window / 2 + 1e-9, side="right"),
        np.minimum(rank + 3, len(known)),
    )
    sums = [np.concatenate([[0.0], np.cumsum(v)]) for v in (x, y, x * x, x * y)]
    sum_x, sum_y, sum_xx, sum_xy = (s[last] - s[first] for s in sums)
    count = last - first
    spread = sum_xx - sum_x**2 / count
    ratio[known] = (sum_xy - sum_x * sum_y / count) / spread
    return ratio
