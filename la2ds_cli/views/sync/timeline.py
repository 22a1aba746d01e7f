"""Which frame of A and which of B a synchronised video shows at each of its own frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, IntArray

SLOWEST, FASTEST = 1.0, 240.0  # frames per second that a written video may have
_ROUNDING = 1e-9  # seconds
_EVEN = 0.25  # of a frame: how far a frame may lie from its place in a clip of even steps


@dataclass(frozen=True)
class Timeline:
    """F frames of output. fps: their rate. row_a, row_b: (F,) int64 rows of the pose sequences
    that are shown. found: (F,) bool, whether the frame of A has a counterpart; where it has none,
    row_b is that of the frame of A next in time that has one."""

    fps: float
    row_a: IntArray
    row_b: IntArray
    found: BoolArray

    def __len__(self) -> int:
        return len(self.row_a)

    @property
    def in_order(self) -> bool:
        """Whether the frames of B come in their own order, so that a file of B is read once."""
        return bool((np.diff(self.row_b) >= 0).all())


def make_timeline(
    time_a: FloatArray, fps_a: float, position: FloatArray, length_b: int
) -> Timeline:
    """The timeline of A at its own speed.

    time_a: (N,) seconds. fps_a: nominal rate of A. position: (N,) where among the `length_b` frames
    of B each frame of A lies, NaN = no counterpart; of two frames the nearer is shown. ValueError
    where no frame of A has a counterpart.
    """
    fps, row_a = clock(time_a, fps_a)
    matched = ~np.isnan(position)
    nearest = np.rint(position[nearest_known(time_a, matched)]).astype(np.int64)
    row_b = np.clip(nearest, 0, length_b - 1)
    return Timeline(fps, row_a, row_b[row_a], matched[row_a])


def clock(time: FloatArray, fps: float) -> tuple[float, IntArray]:
    """A constant rate for a clip, and the rows (F,) that are shown at it.

    A clip of even steps keeps its rate, and each frame is shown once. Of any other the rate is that
    of its median step, and each output frame shows what a player shows in its middle.
    """
    count = len(time)
    passed = np.asarray(time, np.float64) - time[0]
    if count == 1:
        return float(np.clip(fps, SLOWEST, FASTEST)), np.zeros(1, np.int64)
    rows = np.arange(count)
    for rate in (float(fps), float((count - 1) / passed[-1])):
        even = np.abs(passed * rate - rows).max() < _EVEN
        if even and SLOWEST <= rate <= FASTEST:
            return rate, rows
    rate = float(np.clip(1 / np.median(np.diff(passed)), SLOWEST, FASTEST))
    middle = (np.arange(round(passed[-1] * rate) + 1) + 0.5) / rate
    return rate, np.searchsorted(passed, middle, side="right") - 1


def nearest_known(time: FloatArray, known: BoolArray) -> IntArray:
    """(N,) int64: for each frame the known one that is next in time, the earlier of two; itself
    where it is known. ValueError where none is."""
    rows = np.flatnonzero(known)
    if not len(rows):
        raise ValueError("no frame of A has a counterpart")
    after = np.searchsorted(rows, np.arange(len(time)))
    before = rows[np.maximum(after - 1, 0)]
    after = rows[np.minimum(after, len(rows) - 1)]
    later = np.abs(time[after] - time) < np.abs(time - time[before]) - _ROUNDING
    return np.where(later, after, before)
