"""Where two clips show unlike poses around a match.

A match leads through both clips, also where one of them shows something else: it ends in another
movement, begins otherwise, or is done in another way. How far the poses of two people lie apart
all along a match says how they are built and where the cameras stand, so that part is put aside.
What is left around a frame is compared with how far both are from their usual pose there. Nothing
is learned: UNLIKE was set so that as many matches of clips that show the same are sure as without
it, and judged by clips whose first or last third was replaced by another movement
(benchmarks/certainty.py; docs/results/confidence.md).
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.confidence import DOUBTFUL, Certainty
from la2ds_cli.core.arrays import FloatArray, mean_around
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import raw_pose
from la2ds_cli.features.resample import at_positions

Poses = tuple[PoseSequence, PoseSequence]
"""Joints of A, and of B in the view in which it is compared."""

AROUND = 1 / 8  # of A's duration, before and after a frame
LEAST_REACH = 3  # frames before and after it
FEWEST_FRAMES = 12  # of a match; of fewer nobody knows what is usual
JITTER = 0.01  # torso lengths in each coordinate, which are no movement
UNLIKE = 0.35  # from which no match is sure


def compute_unlikeness(poses: Poses, position: FloatArray) -> FloatArray:
    """Return how unlike the poses of two clips are around each match.

    It is the mean squared distance of the poses, beyond the median difference along the match, over
    that of both from their median poses, there and, by half, along the whole match. It is 0 where
    both move alike, and about 1 where their poses have nothing in common.

    Parameters
    ----------
    poses: of A and of B.
    position: (N,) the match in frames of B, NaN = no counterpart.

    Returns
    -------
    (N,) float64; 0 without a match, and for fewer than FEWEST_FRAMES matches.
    """
    found = np.zeros(len(position))
    matched = ~np.isnan(position)
    if matched.sum() < FEWEST_FRAMES:
        return found
    a, b = (raw_pose(pose) for pose in poses)
    a, b = a[matched], at_positions(b, np.clip(position[matched], 0, len(b) - 1))
    apart, moved = _spread(a - b), _spread(a) + _spread(b)
    axis = poses[0].axis
    reach = np.maximum(axis.rows_within(AROUND * axis.duration), LEAST_REACH)[matched]
    usual = mean_around(moved, reach) + moved.mean() / 2 + JITTER**2
    found[matched] = mean_around(apart, reach) / usual
    return found


def limit_where_unlike(certainty: Certainty, poses: Poses, position: FloatArray) -> Certainty:
    """Return the certainty of a match, at most DOUBTFUL where the poses around it are unlike.

    Parameters
    ----------
    certainty: of the match.
    poses, position: see `compute_unlikeness`.
    """
    unlike = np.asarray(compute_unlikeness(poses, position) >= UNLIKE)
    most = np.where(unlike, np.float32(DOUBTFUL), np.float32(1))
    return certainty._replace(confidence=np.minimum(certainty.confidence, most), unlike=unlike)


def _spread(value: FloatArray) -> FloatArray:
    """Return (P,) the mean squared deviation of each row (P, D) from the median row."""
    return np.asarray(((value - np.median(value, axis=0)) ** 2).mean(axis=1))
