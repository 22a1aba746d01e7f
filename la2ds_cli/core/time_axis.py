"""When the frames of a clip were filmed, and how long they last.

A camera may film 60 frames a second and then 10, or none for a while. A number of frames is
therefore not a duration, even divided by the nominal rate. All code that converts between rows and
seconds uses the `TimeAxis` of the clip (`PoseSequence.axis`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from la2ds_cli.core.arrays import BoolArray, FloatArray, IntArray, runs_of

EVEN = 0.5  # steps; a clip is even if no frame is farther from its place in an even clip
SAME_RATE = 0.01  # share by which the steps of a clip may differ from those of a grid
FINE = 10  # percentile of the steps that is the step of a fine grid
LARGEST_GRID = 20  # most samples of a fine grid per frame of the clip
ROUNDING = 1e-9  # seconds


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """The times of a clip.

    seconds: (T,) float64, when each frame is shown, strictly increasing.
    fps: nominal frames per second; it counts only for a clip of a single frame.
    """

    seconds: FloatArray
    fps: float

    def __len__(self) -> int:
        return len(self.seconds)

    @classmethod
    def even(cls, length: int, fps: float = 1.0) -> TimeAxis:
        """Return the axis of a clip with a constant rate that begins at 0 s."""
        return cls(np.arange(length) / fps, fps)

    def cut(self, start: int, stop: int) -> TimeAxis:
        """Return the axis of the frames start..stop, stop exclusive."""
        return TimeAxis(self.seconds[start:stop], self.fps)

    # --- how long frames last ---------------------------------------------------------------------

    @cached_property
    def usual_step(self) -> float:
        """Median seconds from one frame to the next; 1 / fps for fewer than two frames."""
        return float(np.median(np.diff(self.seconds))) if len(self) > 1 else 1 / self.fps

    @property
    def mean_step(self) -> float:
        """Mean seconds from one frame to the next; 1 / fps for fewer than two frames."""
        return self.span / (len(self) - 1) if len(self) > 1 else 1 / self.fps

    @property
    def end_steps(self) -> tuple[float, float]:
        """Seconds that belong to a frame before the first frame, and after the last.

        This is the shorter of the two steps at an end: the longer one may be a pause.
        """
        if len(self) < 2:
            return 1 / self.fps, 1 / self.fps
        steps = np.diff(self.seconds)
        return float(steps[:2].min()), float(steps[-2:].min())

    @cached_property
    def bounds(self) -> FloatArray:
        """(T + 1,) seconds at which the frames begin, and the last one ends."""
        if not len(self):
            return np.zeros(1)
        return np.append(self.seconds, self.seconds[-1] + self.end_steps[1])

    @cached_property
    def edges(self) -> FloatArray:
        """(T + 1,) seconds between which each frame is the nearest one: halfway to its neighbours,
        and as far beyond the ends."""
        first, last = (step / 2 for step in self.end_steps)
        middle = (self.seconds[1:] + self.seconds[:-1]) / 2
        return np.concatenate([[self.seconds[0] - first], middle, [self.seconds[-1] + last]])

    @cached_property
    def steps(self) -> FloatArray:
        """(T,) seconds for which each frame is the nearest one: the local step."""
        return np.diff(self.edges)

    @property
    def span(self) -> float:
        """Seconds from the first frame to the last; 0 for fewer than two frames."""
        return float(self.seconds[-1] - self.seconds[0]) if len(self) else 0.0

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self.duration_of(0, len(self))

    def duration_of(self, first: int, stop: int) -> float:
        """Return the seconds that the frames first..stop last, stop exclusive."""
        return float(self.bounds[stop] - self.bounds[first])

    # --- rows and seconds -------------------------------------------------------------------------

    def seconds_at(self, row: FloatArray | float) -> FloatArray:
        """Return the seconds of rows, which may lie between two frames, or after the last one as
        long as it lasts; NaN stays NaN."""
        return np.asarray(np.interp(row, np.arange(len(self.bounds)), self.bounds))

    def rows_at(self, seconds: FloatArray | float) -> FloatArray:
        """Return the rows of moments, possibly between two frames, at most the last row."""
        return np.asarray(np.interp(seconds, self.seconds, np.arange(len(self))))

    def nearest_row(self, seconds: float) -> int:
        """Return the row of the frame nearest to a moment, the earlier of two equally near."""
        return int(np.abs(self.seconds - seconds).argmin())

    def row_of(self, seconds: float, slack: float = ROUNDING) -> int | None:
        """Return the row of the frame that shows a moment, None outside the `edges`."""
        if not self.edges[0] - slack <= seconds <= self.edges[-1] + slack:
            return None
        return self.nearest_row(seconds)

    def reaches(self, seconds: float) -> bool:
        """Return whether a moment lies in the clip, or at most a frame before or after it."""
        before, after = self.end_steps
        return bool(self.seconds[0] - before <= seconds <= self.seconds[-1] + after)

    def nearest_known(self, known: BoolArray) -> IntArray:
        """Return (T,) the nearest row in time, for each row, of those where `known` (T,) is true;
        the earlier of two equally near."""
        time, rows = self.seconds, np.flatnonzero(known)
        after = np.searchsorted(rows, np.arange(len(time)))
        before = rows[np.maximum(after - 1, 0)]
        after = rows[np.minimum(after, len(rows) - 1)]
        later = np.abs(time[after] - time) < np.abs(time - time[before]) - ROUNDING
        return np.where(later, after, before)

    # --- ticks: mean steps since the first frame --------------------------------------------------

    @cached_property
    def is_even(self) -> bool:
        """Whether every frame is near its place in a clip of a constant rate."""
        if len(self) < 3:
            return True
        even = np.linspace(self.seconds[0], self.seconds[-1], len(self))
        return bool(np.abs(self.seconds - even).max() < EVEN * self.mean_step)

    @cached_property
    def _ticks(self) -> FloatArray:
        return (self.seconds - self.seconds[0]) / self.mean_step

    def ticks_at(self, row: FloatArray) -> FloatArray:
        """Return the times of rows in mean steps since the first frame, 0..T - 1.

        Settings that were calibrated in frames of even clips are used in ticks. In an even clip the
        ticks are the rows.
        """
        row = np.asarray(row, np.float64)
        return row if self.is_even else np.interp(row, np.arange(len(self)), self._ticks)

    def rows_at_ticks(self, tick: FloatArray) -> FloatArray:
        """Return the inverse of `ticks_at`; not clipped if the clip is even."""
        tick = np.asarray(tick, np.float64)
        return tick if self.is_even else np.interp(tick, self._ticks, np.arange(len(self)))

    def ticks_of_steps(self, row: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the ticks from the previous row to each of these rows (N,), and to the next."""
        if self.is_even:
            return np.ones(len(row)), np.ones(len(row))
        before, here, after = (self.ticks_at(row + by) for by in (-1, 0, 1))
        return here - before, after - here

    def rows_at_ends(self, seconds: float) -> tuple[int, int]:
        """Return the numbers of frames in the first and in the last `seconds` of the clip."""
        ticks, last = seconds / (self.usual_step if self.is_even else self.mean_step), len(self) - 1
        begin, end = self.rows_at_ticks(np.array([ticks, last - ticks]))
        return round(float(begin)), round(float(last - end))

    # --- runs of a mask ---------------------------------------------------------------------------

    def joined_runs(self, mask: BoolArray, pause: float) -> list[tuple[int, int]]:
        """Return the runs of a mask (T,), joined where less than `pause` seconds apart."""
        joined: list[tuple[int, int]] = []
        for first, stop in runs_of(mask):
            if joined and self.seconds[first] - self.seconds[joined[-1][1]] < pause:
                first, _ = joined.pop()
            joined.append((first, stop))
        return joined

    def lasting_runs(self, mask: BoolArray, least: float) -> list[tuple[int, int]]:
        """Return the runs that last `least` seconds, joined over pauses shorter than that."""
        runs = self.joined_runs(mask, least)
        return [run for run in runs if self.duration_of(*run) >= least - ROUNDING]

    def rows_within(self, seconds: float) -> IntArray:
        """Return (T,) how many rows before and after each row lie within `seconds`, by the local
        step; at least 1."""
        steps = np.full(len(self), self.usual_step) if self.is_even else self.steps
        return np.maximum(np.rint(seconds / steps), 1).astype(np.int64)

    # --- sampling ---------------------------------------------------------------------------------

    def gradient(self, value: FloatArray) -> FloatArray:
        """Return the change (T, ...) per second of value (T, ...); 0 for fewer than two frames."""
        if len(self) < 2:
            return np.zeros_like(np.asarray(value, np.float64))
        return np.gradient(value, self.seconds, axis=0)

    def grid(self, fps: float) -> FloatArray:
        """Return regular times (G,) at `fps` from the first frame to the last.

        G >= 2 for a clip of two frames or more. If the clip already runs at `fps` (SAME_RATE), its
        own times are returned, to avoid needless interpolation.
        """
        time = self.seconds
        if len(time) < 2:
            return np.array(time, dtype=np.float64)
        steps = np.diff(time) * fps
        if np.all(np.abs(steps - 1) < SAME_RATE):
            return np.array(time, dtype=np.float64)
        return np.linspace(time[0], time[-1], max(round((time[-1] - time[0]) * fps) + 1, 2))

    def fine_grid(self) -> FloatArray:
        """Return regular times (G,) as fine as the finest part of the clip; its own times if it is
        even."""
        if self.is_even:
            return self.seconds
        fine = float(np.percentile(np.diff(self.seconds), FINE))
        count = min(round(self.span / fine), LARGEST_GRID * len(self)) + 1
        return np.linspace(self.seconds[0], self.seconds[-1], max(count, 2))

    def even_rows(self, most: int) -> IntArray:
        """Return at most `most` rows at even steps of the clip's time, not more than its frames."""
        steps = np.linspace(self.edges[0], self.edges[-1], min(len(self), most) + 1)
        return np.searchsorted(self.edges, (steps[1:] + steps[:-1]) / 2, "right") - 1
