"""Where somebody rests along a match, and how long the movement takes in each clip without rests.

How long somebody stands before and after a movement says how the clip was cut, not how fast the
movement is. `seconds_in_motion` is the one measure of tempo: of two clips (`tempo_ratio`), of a
clip on a timeline, and of a part of the movement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from la2ds_cli.core.arrays import BoolArray, FloatArray, mean_around, runs_of
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.resample import at_positions
from la2ds_cli.features.tempo import FAST, speed

WINDOW = 0.25  # seconds before and after a frame over which its speed is averaged
LEAST_SPEED = 0.03  # of the tempo; less is jitter of joints
REST = -1.3  # log speed below which a moment is a rest


class Motion(NamedTuple):
    """Seconds that the same movement takes in A and in B, without rests."""

    a: float
    b: float

    @property
    def ratio(self) -> float:
        """Seconds of B per second of A; NaN without movement in one of the clips."""
        return self.b / self.a if self.a > 0 and self.b > 0 else math.nan


def seconds_in_motion(
    poses: tuple[PoseSequence, PoseSequence], rows_a: FloatArray, rows_b: FloatArray
) -> Motion:
    """Return how long the matched movement takes in each clip, where neither of them rests.

    Parameters
    ----------
    poses: of A and of B.
    rows_a, rows_b: (P,) frames of A and of B that match, in order, also between two frames; NaN =
        no counterpart.
    """
    known = ~(np.isnan(rows_a) | np.isnan(rows_b))
    rows = rows_a[known], rows_b[known]
    seconds = [pose.axis.seconds_at(row) for pose, row in zip(poses, rows, strict=True)]
    steps = np.zeros(max(len(rows[0]) - 1, 0), bool)
    fast = log_speed(poses, *rows, relative_speed) >= REST
    for first, stop in runs_of(log_speed(poses, *rows) >= REST):
        # The average reaches from the movement into the rest beside it; the moment itself does not.
        inside = first + np.flatnonzero(fast[first:stop])
        if len(inside):
            steps[inside[0] : inside[-1]] = True
    a, b = (float(np.diff(each)[steps].sum()) for each in seconds)
    return Motion(a, b)


def tempo_ratio(
    poses: tuple[PoseSequence, PoseSequence],
    rows_a: FloatArray,
    rows_b: FloatArray,
    back: tuple[FloatArray, FloatArray] | None = None,
) -> float:
    """Return the seconds of B per second of A in motion; NaN if nothing moves.

    Parameters
    ----------
    poses, rows_a, rows_b: as in `seconds_in_motion`.
    back: the same match found from B, as rows of A and of B, if it differs; the mean of both is
        returned, so that swapping the clips inverts the ratio.
    """
    there = seconds_in_motion(poses, rows_a, rows_b).ratio
    if back is None:
        return there
    return math.sqrt(there * seconds_in_motion(poses, *back).ratio)


def at_rest(poses: tuple[PoseSequence, PoseSequence], position: FloatArray) -> BoolArray:
    """Return (N,) whether A, or B at the match, rests; of A alone without a match.

    Parameters
    ----------
    poses: of A and of B.
    position: (N,) the match in frames of B, NaN = no counterpart.
    """
    if len(poses[0]) < 2:  # a single frame neither moves nor rests
        return np.zeros(len(position), bool)
    own = np.log(windowed_speed(poses[0]) + LEAST_SPEED)
    both = log_speed(poses, np.arange(len(position), dtype=np.float64), np.nan_to_num(position))
    return np.asarray(np.where(np.isnan(position), own, both) < REST)


def log_speed(
    poses: tuple[PoseSequence, PoseSequence],
    rows_a: FloatArray,
    rows_b: FloatArray,
    pace: Callable[[PoseSequence], FloatArray] | None = None,
) -> FloatArray:
    """Return (P,) the log speed of the slower of both at these rows, in units of its tempo.

    `pace` computes the speed (T,) of a clip; None = `windowed_speed`.
    """
    pace = pace or windowed_speed
    slower = np.minimum(
        *(
            at_positions(pace(pose)[:, None], rows)[:, 0]
            for pose, rows in zip(poses, (rows_a, rows_b), strict=True)
        )
    )
    return np.log(slower + LEAST_SPEED)


def relative_speed(pose: PoseSequence) -> FloatArray:
    """Return (T,) the speed of a clip in units of its tempo."""
    value = speed(pose)
    return value / max(float(np.percentile(value, FAST)), 1e-9)


def windowed_speed(pose: PoseSequence) -> FloatArray:
    """Return (T,) the speed of a clip in units of its tempo, averaged over WINDOW each way."""
    return mean_around(relative_speed(pose), pose.axis.rows_within(WINDOW))
