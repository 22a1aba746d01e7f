"""Joints cleaned over time: short gaps interpolated, and tracks smoothed.

Smoothing is off by default, since a network may need the raw movement.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes

_ELSEWHERE = 0.5  # body lengths: crop.py's measure of a stray, which no interpolation may hide
_ROUNDING = 1e-9  # seconds


def interpolate_gaps(
    xy: FloatArray,
    score: FloatArray,
    time: FloatArray,
    box: FloatArray,
    max_gap: float,
    cuts: Sequence[int] = (),
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(xy, score, box, filled) with the short gaps interpolated linearly in time.

    xy (T, K, 2) pixels or (T, K, 3) metres, NaN = not seen; score (T, K); time (T,) seconds,
    increasing; box (T, 4) xyxy pixels, NaN = not detected. A gap is filled when the two frames that
    bound it are at most `max_gap` seconds apart, lie in one shot (`cuts`: rows at which a new shot
    begins) and show the person in one place (box centres at most half a box's longer side apart).
    An interpolated joint has a position but score 0, so that it carries no weight; filled (T, K)
    bool marks it. Joints before the first and after the last sighting, and longer gaps, stay NaN.
    Inputs are not changed.
    """
    seen = np.asarray(np.isfinite(xy).all(axis=-1))
    bounds = _Bounds(time, box, max_gap, cuts)
    new_xy, filled = bounds.fill(xy, seen)
    detected = np.asarray(np.isfinite(box).all(axis=-1))
    new_box, _ = bounds.fill(box[:, None], detected[:, None])
    return new_xy, np.where(filled | ~seen, 0, score).astype(score.dtype), new_box[:, 0], filled


class _Bounds:
    """Decides which two rows may bound a gap that is interpolated."""

    def __init__(
        self, time: FloatArray, box: FloatArray, max_gap: float, cuts: Sequence[int]
    ) -> None:
        self.time = np.asarray(time, np.float64)
        self.max_gap = max_gap
        self.centre = boxes.centre(np.asarray(box, np.float64))
        self.side = (box[:, 2:] - box[:, :2]).max(axis=1)
        self.shot = np.searchsorted(np.sort(np.asarray(cuts, int)), np.arange(len(time)), "right")

    def fill(self, value: FloatArray, seen: np.ndarray) -> tuple[FloatArray, np.ndarray]:
        """value (T, K, C) interpolated where seen (T, K) has short gaps; and (T, K) bool that marks
        these."""
        length = len(value)
        row = np.arange(length)[:, None]
        before = np.maximum.accumulate(np.where(seen, row, -1), axis=0)
        after = np.minimum.accumulate(np.where(seen, row, length)[::-1], axis=0)[::-1]
        t, k = np.nonzero(~seen & (before >= 0) & (after < length))
        low, high = before[t, k], after[t, k]
        short = self._may_bound(low, high)
        t, k, low, high = t[short], k[short], low[short], high[short]
        share = (self.time[t] - self.time[low]) / (self.time[high] - self.time[low])
        filled = np.zeros(seen.shape, bool)
        filled[t, k] = True
        interpolated = np.array(value)
        start, end = value[low, k].astype(np.float64), value[high, k]
        interpolated[t, k] = start + share[:, None] * (end - start)
        return interpolated, filled

    def _may_bound(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        apart = np.linalg.norm(self.centre[high] - self.centre[low], axis=1)
        elsewhere = apart > _ELSEWHERE * np.fmax(self.side[low], self.side[high])
        short = self.time[high] - self.time[low] <= self.max_gap + _ROUNDING
        return short & (self.shot[low] == self.shot[high]) & ~elsewhere


Method = Literal["none", "savgol", "one-euro"]
_ORDER = 2  # Savitzky-Golay: parabolas keep the height of a peak, where a mean would cut it
_LEAST_WINDOW = 5  # frames; a parabola through three points changes nothing
_REGULAR = 0.01  # share by which the time steps of a regular run may differ
_EAGER = 5.0  # one-euro `beta`: Hz of cutoff for each body length per second of speed


def smooth(
    xy: FloatArray,
    time: FloatArray,
    method: Method = "none",
    seconds: float = 0.3,
    cuts: Sequence[int] = (),
) -> FloatArray:
    """xy (T, K, 2) pixels or (T, K, 3) metres, NaN = not seen, with less noise; NaN stays NaN and
    never spreads.

    Each joint is smoothed over each run of frames in which it is seen, so neither over gaps nor
    over `cuts` (rows at which a new shot begins). time (T,): seconds, increasing.

    savgol: a parabola fitted around each frame over `seconds`, the nearest odd number of frames
    (Savitzky and Golay 1964; scipy.signal.savgol_filter); white noise of n frames falls to about
    1.5 / sqrt(n). Runs with irregular time steps are filtered on a regular grid. A run or a window
    shorter than five frames stays as it is. one-euro: low-pass with cutoff 1 / `seconds` Hz that
    rises with speed (Casiez et al., CHI 2012; the authors' package), run in both directions and
    averaged to avoid lag. none: a copy. Raises ValueError for another method and for `seconds` that
    is not positive.
    """
    if method not in ("none", "savgol", "one-euro"):
        raise ValueError(f"smooth: method must be none, savgol or one-euro, got {method!r}")
    if not seconds > 0:
        raise ValueError(f"smooth: seconds must be positive, got {seconds}")
    smoothed = np.array(xy)
    if method == "none":
        return smoothed
    clock = np.asarray(time, np.float64)
    filtered = _savgol if method == "savgol" else _one_euro(_body_length(xy))
    for rows, k in _runs(xy, cuts):
        track = np.asarray(xy[rows, k], np.float64)
        smoothed[rows, k] = filtered(track, clock[rows], seconds)
    return smoothed


def _runs(xy: FloatArray, cuts: Sequence[int]) -> Iterator[tuple[slice, int]]:
    """Rows and joint of every run without a gap and without a cut."""
    seen = np.asarray(np.isfinite(xy).all(axis=-1))
    for k in range(seen.shape[1]):
        edges = np.flatnonzero(np.diff(seen[:, k].astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            inside = [cut for cut in sorted(cuts) if start < cut < stop]
            for low, high in itertools.pairwise([int(start), *inside, int(stop)]):
                yield slice(low, high), k


def _savgol(track: FloatArray, time: FloatArray, seconds: float) -> FloatArray:
    from scipy.interpolate import CubicSpline
    from scipy.signal import savgol_filter

    if len(track) < _LEAST_WINDOW:
        return track
    steps = np.diff(time)
    period = float(np.median(steps))
    window = 2 * round((seconds / period - 1) / 2) + 1
    window = min(window, len(track) - (len(track) + 1) % 2)
    if window < _LEAST_WINDOW:
        return track
    if np.abs(steps - period).max() <= _REGULAR * period:
        return np.asarray(savgol_filter(track, window, _ORDER, axis=0))
    grid = np.linspace(time[0], time[-1], round((time[-1] - time[0]) / period) + 1)
    if len(grid) < window:
        return track
    even = savgol_filter(CubicSpline(time, track)(grid), window, _ORDER, axis=0)
    return CubicSpline(grid, even)(time)


def _one_euro(body: float) -> Callable[[FloatArray, FloatArray, float], FloatArray]:
    """The filter for a person `body` pixels long."""
    from OneEuroFilter import OneEuroFilter

    def one_way(value: FloatArray, time: FloatArray, seconds: float) -> FloatArray:
        rate = 1 / float(np.median(np.diff(time)))
        apply = OneEuroFilter(rate, mincutoff=1 / seconds, beta=_EAGER / body, dcutoff=1.0)
        return np.array([apply(float(v), float(t)) for v, t in zip(value, time, strict=True)])

    def both_ways(track: FloatArray, time: FloatArray, seconds: float) -> FloatArray:
        if len(track) < 2:
            return track
        forward = [one_way(axis, time, seconds) for axis in track.T]
        reverse = time[-1] - time[::-1]
        backward = [one_way(axis[::-1], reverse, seconds)[::-1] for axis in track.T]
        return (np.stack(forward, axis=1) + np.stack(backward, axis=1)) / 2

    return both_ways


def _body_length(xy: FloatArray) -> float:
    """Median over frames of the larger side of the joints' extent, pixels; 1 for a point."""
    seen = np.asarray(np.isfinite(xy).all(axis=-1))
    shown = np.where(seen[..., None], xy, np.nan)[seen.any(axis=1)]
    if not len(shown):
        return 1.0
    extent = (np.nanmax(shown, axis=1) - np.nanmin(shown, axis=1)).max(axis=1)
    return float(np.median(extent)) or 1.0
