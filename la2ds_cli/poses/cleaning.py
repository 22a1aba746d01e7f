"""Short gaps of the joints, interpolated over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes

_ELSEWHERE = 0.5  # body lengths: crop.py's measure of a stray, which no interpolation may hide
_ROUNDING = 1e-9  # seconds
BRIDGE = 0.25  # seconds; shorter gaps of a joint are interpolated, with score 0


def interpolate_gaps(
    xy: FloatArray,
    score: FloatArray,
    time: FloatArray,
    box: FloatArray,
    max_gap: float,
    cuts: Sequence[int] = (),
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(xy, score, box) with the short gaps interpolated linearly in time.

    xy (T, K, 2) pixels or (T, K, 3) metres, NaN = not seen; score (T, K); time (T,) seconds,
    increasing; box (T, 4) xyxy pixels, NaN = not detected. A gap is filled when the two frames that
    bound it are at most `max_gap` seconds apart, lie in one shot (`cuts`: rows at which a new shot
    begins) and show the person in one place (box centres at most half a box's longer side apart).
    An interpolated joint has a position but score 0, so that it carries no weight. Joints before
    the first and after the last sighting, and longer gaps, stay NaN. Inputs are not changed.
    """
    time = np.asarray(time, np.float64)
    centre, side = boxes.centre(np.asarray(box, np.float64)), (box[:, 2:] - box[:, :2]).max(axis=1)
    shot = np.searchsorted(np.sort(np.asarray(cuts, int)), np.arange(len(time)), "right")

    def fill(value: FloatArray, seen: np.ndarray) -> FloatArray:
        """value (T, K, C) interpolated where seen (T, K) has short gaps."""
        row = np.arange(len(value))[:, None]
        before = np.maximum.accumulate(np.where(seen, row, -1), axis=0)
        after = np.minimum.accumulate(np.where(seen, row, len(value))[::-1], axis=0)[::-1]
        t, k = np.nonzero(~seen & (before >= 0) & (after < len(value)))
        low, high = before[t, k], after[t, k]
        apart = np.linalg.norm(centre[high] - centre[low], axis=1)
        short = time[high] - time[low] <= max_gap + _ROUNDING
        short &= ~(apart > _ELSEWHERE * np.fmax(side[low], side[high])) & (shot[low] == shot[high])
        t, k, low, high = t[short], k[short], low[short], high[short]
        share = (time[t] - time[low]) / (time[high] - time[low])
        interpolated = np.array(value)
        start, end = value[low, k].astype(np.float64), value[high, k]
        interpolated[t, k] = start + share[:, None] * (end - start)
        return interpolated

    seen = np.asarray(np.isfinite(xy).all(axis=-1))
    detected = np.asarray(np.isfinite(box).all(axis=-1))
    new_box = fill(box[:, None], detected[:, None])[:, 0]
    return fill(xy, seen), np.where(seen, score, 0).astype(score.dtype), new_box
