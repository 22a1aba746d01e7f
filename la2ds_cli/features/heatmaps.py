"""Skeleton heatmaps (paper sec. 3.1, eq. 1 and 2): crop a clip, convert pixels to heatmap cells,
and render Gaussian maps of the joints.

Cell coordinates: cell centres are the integers 0..size-1, x right, y down, so a box covers
[-0.5, size - 0.5] on both axes and a joint on its border lies half a cell outside the outermost
centre.

Maps are (T, C, H, W), row = y, column = x, value in [0, 1]; channels are the joints in the
skeleton's order, then its limbs. The tails are cut where the Gaussian falls below exp(-18).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray

Crop = Literal["robust", "smallest"]
Aspect = Literal["stretch", "keep"]

# The robust box. A body length is the 90th percentile over frames of the larger side of the
# frame's joints; the centre of a frame is the median of its joints.
_JUMP = 0.5  # body lengths between two frames; no body's centre moves that fast
_JUMP_PER_GAP = 0.1  # added for each frame without joints (or left out) in between
_LONGEST_STRAY = 0.2  # share of the seen frames; a longer stay elsewhere is a cut, not an error
_REACH = 1.5  # body lengths; largest distance of a joint from the centre of the body
_THINNEST = 0.05  # least ratio of the box's sides, so that a line of joints has a box
Channels = Literal["joints+limbs", "joints", "limbs"]
Limbs = Any  # (L, 2) pairs of joint indices: nested tuples or an array


def clip_box(xy: FloatArray, crop: Crop = "robust", padding: float = 0.0) -> FloatArray:
    """Return the box (4,) float64 xyxy of a clip, in the units of xy.

    All NaN gives a NaN box (and then NaN cells and zero maps). A point gets a box of side 1; a line
    gets 5 % of its length as width.

    Parameters
    ----------
    xy: (T, K, 2); NaN joints are ignored.
    crop: `smallest` contains every joint of every frame (paper sec. 3.1), so a single frame of a
        bystander shrinks the subject for the entire clip. `robust` is the same box without stray
        frames (short runs in which the body centre jumps away and back, as when another person was
        tracked) and stray joints (farther from the body than a limb can reach). A percentile of the
        extents would cut off raised arms that last as long as such an error.
    padding: widens every side by this share of the longer side.
    """
    joints = np.asarray(xy, dtype=np.float64)
    seen = np.asarray(~np.isnan(joints).any(axis=-1))
    if not seen.any():
        return np.full(4, np.nan)
    if crop == "robust":
        seen = _without_strays(joints, seen)
    points = joints[seen]
    low, high = points.min(axis=0), points.max(axis=0)
    longer = float((high - low).max()) or 1.0
    side = np.maximum(high - low, _THINNEST * longer if (high > low).any() else longer)
    half = side / 2 + padding * float(side.max())
    centre = (low + high) / 2
    return np.concatenate([centre - half, centre + half])


def _without_strays(xy: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the mask `seen` (T, K) without stray frames and stray joints; never empty."""
    frames = np.flatnonzero(seen.any(axis=1))
    shown = np.where(seen[..., None], xy, np.nan)[frames]
    extent = (np.nanmax(shown, axis=1) - np.nanmin(shown, axis=1)).max(axis=1)
    body = float(np.percentile(extent, 90))
    if body == 0:  # one joint per frame: no size to measure a jump by
        return seen
    centre = np.nanmedian(shown, axis=1)
    steady_joints = np.zeros_like(seen)
    steady = frames[_steady(centre / body, frames)]
    steady_joints[steady] = seen[steady]
    distance = np.linalg.norm(shown - centre[:, None], axis=-1)
    with np.errstate(invalid="ignore"):
        near = distance <= _REACH * body
    near_joints = np.zeros_like(seen)
    near_joints[frames] = near
    body_joints = steady_joints & near_joints
    return body_joints if body_joints.any() else seen


def _steady(centre: FloatArray, frames: FloatArray) -> FloatArray:
    """Return the mask (F,) of frames that are not stray; centre (F, 2) is in body lengths, and
    frames (F,) are indices.

    The clip is split into runs at every jump. From the longest run outwards in time, a run is
    joined if it starts where the last joined run ended; otherwise it is stray if it is short, and a
    change of view if it is long.
    """
    steps = np.linalg.norm(np.diff(centre, axis=0), axis=1)
    jumps = np.flatnonzero(steps > _allowed(np.diff(frames))) + 1
    runs = np.split(np.arange(len(frames)), jumps)
    longest = int(np.argmax([len(run) for run in runs]))
    mask = np.ones(len(frames), dtype=bool)
    # Each direction pairs the end of the last joined run with the near end of the next run.
    for ordered, last, first in ((runs[longest:], -1, 0), (runs[longest::-1], 0, -1)):
        edge = ordered[0][last]
        for run in ordered[1:]:
            step = np.linalg.norm(centre[run[first]] - centre[edge])
            joined = step <= _allowed(abs(frames[run[first]] - frames[edge]))
            if joined or len(run) > _LONGEST_STRAY * len(frames):
                edge = run[last]
            else:
                mask[run] = False
    return mask


def _allowed(apart: FloatArray) -> FloatArray:
    """Return the body lengths that a body centre may move between frames `apart` numbers apart."""
    return _JUMP + _JUMP_PER_GAP * (apart - 1)


def _grid(box: FloatArray, aspect: Aspect) -> tuple[FloatArray, FloatArray]:
    """Return the corner (2,) and side lengths (2,), in pixels, of the area that fills the grid."""
    corner = np.asarray(box, dtype=np.float64)
    side = corner[2:] - corner[:2]
    if aspect == "stretch":
        return corner[:2], side
    square = np.repeat(side.max(), 2)
    return (corner[:2] + corner[2:] - square) / 2, square


def to_cells(xy: FloatArray, box: FloatArray, size: int, aspect: Aspect = "keep") -> FloatArray:
    """Convert pixels to heatmap cells (..., 2) float64; NaN passes through.

    Parameters
    ----------
    xy: (..., 2) pixels.
    box: (4,) xyxy in pixels (clip_box).
    size: cells on each side of the grid.
    aspect: `stretch` scales both axes of the box to the grid (the paper's resize to 30 x 30);
        `keep` pads the shorter side equally on both ends, which preserves angles.
    """
    corner, side = _grid(box, aspect)
    return (np.asarray(xy, dtype=np.float64) - corner) / side * size - 0.5


def cell_size(box: FloatArray, size: int, aspect: Aspect = "keep") -> FloatArray:
    """Return the width and height (2,) float64 of a heatmap cell in pixels, as in to_cells; NaN for
    a NaN box."""
    return _grid(box, aspect)[1] / size


def channel_count(skeleton: Skeleton, channels: Channels = "joints+limbs") -> int:
    """Return C, the number of maps of a frame."""
    joints = len(skeleton.joints) if "joints" in channels else 0
    return joints + (len(skeleton.limbs) if "limbs" in channels else 0)


def render_heatmaps(
    cells: FloatArray,
    score: FloatArray,
    limbs: Limbs,
    heatmap: HeatmapConfig,
    out: FloatArray | None = None,
    *,
    cell: FloatArray | None = None,
) -> FloatArray:
    """Render maps (T, C, size, size) float32 on one thread, without the interpreter lock.

    Parameters
    ----------
    cells: (T, K, 2) joints in heatmap cells (to_cells), NaN = not seen.
    score: (T, K) in [0, 1].
    limbs: (L, 2) joint indices.
    heatmap: settings. Joint maps are eq. 1: exp(-d^2 / (2 sigma^2)) * score. Limb maps are eq. 2
        with the lower of the two scores; distance `printed` uses the distance to the segment as the
        paper prints it, `squared` its square, as in PoseC3D (whose limbs eq. 2 restates). A joint
        that is not seen or has score 0 gives a zero map, and so does each limb that ends in it; a
        limb of length 0 gives the map of a point. With confidence `one`, any other score counts as
        1.
    out: overwritten and returned: for a large batch, reusing a buffer is faster than allocating.
    cell: (2,) width and height of a cell in pixels (cell_size), needed if sigma_unit is `pixels`:
        sigma and the distances of eq. 1 and 2 are then in pixels, which gives the maps that would
        be drawn in the frame, then cropped and resized (a resized Gaussian is a Gaussian).

    Raises
    ------
    ValueError: for an `out` that does not fit.
    """
    from la2ds_cli.features.heatmap_kernel import fill_joints, fill_limbs

    pairs = np.asarray(limbs, dtype=np.int64).reshape(-1, 2)
    joints = np.ascontiguousarray(cells, dtype=np.float32)
    weight = np.ascontiguousarray(score, dtype=np.float32)
    if heatmap.confidence == "one":
        weight = (weight > 0).astype(np.float32)
    unit = np.ones(2, dtype=np.float32)
    if heatmap.sigma_unit == "pixels":
        unit = np.asarray(cell, dtype=np.float32)
    first_limb = joints.shape[1] if "joints" in heatmap.channels else 0
    count = first_limb + (len(pairs) if "limbs" in heatmap.channels else 0)
    shape = (len(joints), count, heatmap.size, heatmap.size)
    maps = np.empty(shape, dtype=np.float32) if out is None else out
    if maps.shape != shape or maps.dtype != np.float32 or not maps.flags.c_contiguous:
        raise ValueError(f"render: expected out {shape} float32 contiguous, got {maps.shape}")
    if "joints" in heatmap.channels:
        fill_joints(joints, weight, heatmap.sigma, unit, maps)
    if "limbs" in heatmap.channels:
        squared = heatmap.distance == "squared"
        fill_limbs(joints, weight, pairs, heatmap.sigma, squared, unit, maps)
    return maps
