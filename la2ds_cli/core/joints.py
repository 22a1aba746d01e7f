"""Poses from arrays of joints in memory, of any origin."""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence


def make_pose(
    xy: FloatArray, fps: float, skeleton: str, score: FloatArray | None = None
) -> PoseSequence:
    """Return the joints of a clip of T frames that belongs to no project.

    Parameters
    ----------
    xy
        (T, K, 2) pixels, x to the right and y down, NaN = not seen.
    fps
        Frames per second.
    skeleton
        Name of the skeleton of K joints.
    score
        (T, K) in [0, 1], None = 1 where a joint is seen.

    Raises
    ------
    UserError
        Exit 5 for an unknown skeleton.
    ValueError
        For arrays that do not fit it.
    """
    get_skeleton(skeleton)
    length, seen = len(xy), np.asarray(np.isfinite(xy).all(axis=-1))
    return PoseSequence(
        xy=np.where(seen[..., None], xy, np.nan),
        score=np.where(seen, 1.0 if score is None else score, 0.0),
        box=np.full((length, 4), np.nan),
        frame=np.arange(length),
        time=np.arange(length) / fps,
        fps=fps,
        size=(0, 0),
        skeleton=skeleton,
    )
