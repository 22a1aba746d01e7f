"""Compiled renderer of heatmaps: visits only the cells that a Gaussian reaches.

It is imported where it is called, since importing numba takes longer than most commands run.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Values below exp(-_CUTOFF) = 1.5e-8 stay zero: 6 sigma for a Gaussian.
_CUTOFF = 18.0


@njit(inline="always")
def _exp_minus(z):
    """Return exp(-z) for z in [0, 32], with a relative error of 2e-6 in float32.

    math.exp keeps LLVM from using vector instructions. Here the Taylor series of exp(-z / 32) about
    1/4 is evaluated, and the result is squared five times.
    """
    x = np.float32(0.25) - z * np.float32(1 / 32)
    y = np.float32(1 / 720)
    for c in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        y = y * x + np.float32(c)
    y = y * np.float32(0.7788007830714049)  # exp(-1/4)
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    return y * y


@njit(cache=True, nogil=True)
def fill_joints(xy, score, sigma, unit, maps):
    """Write the maps of joints (eq. 1) into maps[:, :K].

    Parameters
    ----------
    xy, score: (T, K, 2) in cells, and (T, K).
    sigma: standard deviation of the Gaussian.
    unit: (2,) float32, width and height of a cell in the unit of sigma.
    maps: (T, C, size, size) float32.
    """
    size = maps.shape[2]
    wide, high = unit[0], unit[1]
    reach = sigma * math.sqrt(2 * _CUTOFF)
    reach_x, reach_y = reach / wide, reach / high
    scale = np.float32(1.0 / (2 * sigma * sigma))
    across = np.empty(size, dtype=np.float32)
    down = np.empty(size, dtype=np.float32)
    for t in range(xy.shape[0]):
        for k in range(xy.shape[1]):
            plane = maps[t, k]
            plane[:] = 0
            x, y, weight = xy[t, k, 0], xy[t, k, 1], score[t, k]
            if not (weight > 0) or not (math.isfinite(x) and math.isfinite(y)):
                continue
            if not (-reach_x < x < size - 1 + reach_x and -reach_y < y < size - 1 + reach_y):
                continue
            left, right = max(math.ceil(x - reach_x), 0), min(math.floor(x + reach_x), size - 1) + 1
            top, bottom = max(math.ceil(y - reach_y), 0), min(math.floor(y + reach_y), size - 1) + 1
            for i in range(left, right):
                off = (np.float32(i) - x) * wide
                across[i] = _exp_minus(off * off * scale)
            for j in range(top, bottom):
                off = (np.float32(j) - y) * high
                down[j] = weight * _exp_minus(off * off * scale)
            for j in range(top, bottom):
                row = plane[j]
                for i in range(left, right):
                    row[i] = down[j] * across[i]


@njit(cache=True, nogil=True)
def fill_limbs(xy, score, limbs, sigma, squared, unit, maps):
    """Write the maps of limbs (eq. 2) into the last L maps of each frame.

    Parameters
    ----------
    xy, score: see fill_joints.
    limbs: (L, 2) joint indices.
    sigma: see fill_joints.
    squared: use the squared distance to the segment.
    unit, maps: see fill_joints.
    """
    first = maps.shape[1] - limbs.shape[0]
    # Eq. 2 with the plain distance decays as exp(-d), far slower than a Gaussian.
    reach = sigma * math.sqrt(2 * _CUTOFF) if squared else 2 * sigma * sigma * _CUTOFF
    scale = np.float32(1.0 / (2 * sigma * sigma))
    for t in range(xy.shape[0]):
        for limb in range(limbs.shape[0]):
            plane = maps[t, first + limb]
            plane[:] = 0
            a, b = limbs[limb, 0], limbs[limb, 1]
            weight = min(score[t, a], score[t, b])
            ax, ay = xy[t, a, 0] * unit[0], xy[t, a, 1] * unit[1]
            bx, by = xy[t, b, 0] * unit[0], xy[t, b, 1] * unit[1]
            if not (score[t, a] > 0 and score[t, b] > 0) or not math.isfinite(ax + ay + bx + by):
                continue
            segment = ax, ay, bx - ax, by - ay
            _fill_segment(plane, segment, weight, scale, reach, squared, unit)


@njit(inline="always")
def _fill_segment(plane, segment, weight, scale, reach, squared, unit):
    """Fill the rows and columns that a limb reaches: a segment from (ax, ay) along (dx, dy) in the
    unit of `reach`."""
    ax, ay, dx, dy = segment
    size = plane.shape[0]
    wide, high = unit[0], unit[1]
    zero, one, most = np.float32(0), np.float32(1), np.float32(_CUTOFF + 2)
    length2 = dx * dx + dy * dy
    inverse = one / length2 if length2 > np.float32(1e-12) else zero
    low_x, high_x = min(ax, ax + dx) - reach, max(ax, ax + dx) + reach
    low_y, high_y = min(ay, ay + dy) - reach, max(ay, ay + dy) + reach
    if not (low_x < size * wide and high_x > -wide and low_y < size * high and high_y > -high):
        return
    # In row y, the band of half-width `reach` about the line spans `middle` +- `spread`.
    slope = dx / dy if abs(dy) > 1e-3 else zero
    spread = reach * math.sqrt(length2) / abs(dy) if abs(dy) > 1e-3 else 1e9
    top, bottom = max(math.ceil(low_y / high), 0), min(math.floor(high_y / high), size - 1) + 1
    for j in range(top, bottom):
        y = np.float32(j) * high - ay
        middle = ax + y * slope
        left = math.ceil(min(max(low_x, middle - spread, 0) / wide, size))
        right = math.floor(max(min(high_x, middle + spread) / wide, -1))
        right = min(right, size - 1) + 1
        row = plane[j]
        along_y = y * dy
        for i in range(left, right):
            x = np.float32(i) * wide - ax
            share = min(max((x * dx + along_y) * inverse, zero), one)
            off_x, off_y = x - share * dx, y - share * dy
            d = off_x * off_x + off_y * off_y
            if not squared:
                d = np.float32(math.sqrt(d))
            row[i] = weight * _exp_minus(min(d * scale, most))
