"""Proportional time: one clip stretched evenly over the other, whatever they show.

The baseline that every method must beat. Open ends and skip cost are ignored.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.path import Axes, centred, invert, path_through
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import FloatArray, IntArray


def align(a: FloatArray, b: FloatArray, config: AlignConfig, axes: Axes) -> IntArray:
    """Return the path (P, 2) int64 of each frame of the clip with more frames, and the frame of the
    other that is shown when the same share of the time has passed."""
    centred(a, b)  # the same checks as every other method
    if len(a) < len(b):
        return invert(path_through(stretched(*reversed(axes))))
    return path_through(stretched(*axes))


def stretched(of: TimeAxis, over: TimeAxis) -> FloatArray:
    """Return the row of one clip (N,), possibly between two frames, for each frame of the other,
    from the first to the last."""
    last = len(over) - 1
    ticks = of.ticks_at(np.arange(len(of))) * (last / max(len(of) - 1, 1))
    ticks[-1] = last
    return over.rows_at_ticks(ticks)
