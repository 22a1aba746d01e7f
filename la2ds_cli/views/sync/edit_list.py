"""An alignment as a list of cuts of constant speed, for any editor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.path import matched_time
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.resample import frame_period

_ROUNDING = 1e-6  # frames
COLUMNS = (
    *("segment", "a_start", "a_end", "b_start", "b_end", "b_speed_percent"),
    *("a_first_frame", "a_last_frame", "b_first_frame", "b_last_frame"),
)


@dataclass(frozen=True)
class Segment:
    """A part of A, and the part of B that plays during it at constant speed.

    a_start, a_end, b_start, b_end: seconds, ends exclusive; those of B are NaN where A has no
    counterpart. first_a, last_a: rows of A. first_b, last_b: rows of B, -1 without counterpart.
    """

    a_start: float
    a_end: float
    b_start: float
    b_end: float
    first_a: int
    last_a: int
    first_b: int = -1
    last_b: int = -1

    @property
    def speed(self) -> float:
        """Speed of B in percent: 200 = twice as fast as filmed, 0 = a held frame."""
        return 100 * (self.b_end - self.b_start) / (self.a_end - self.a_start)


def edit_segments(
    a: PoseSequence, b: PoseSequence, position: FloatArray, tolerance: float | None = None
) -> list[Segment]:
    """The fewest segments, cut at frames of A, that say where each of these is in B.

    position: (N,) float64 among B's frames, NaN = no counterpart, never decreasing. At the time of
    every frame of A the place in B by the segments differs from that by `position` by no more than
    `tolerance` seconds, half a frame of B by default. Segments follow each other without a gap in
    A, and without one in B between parts without counterpart. Raises ValueError if B runs
    backwards.
    """
    matched = ~np.isnan(position)
    if (np.diff(position[matched]) < -_ROUNDING).any():
        raise ValueError("time in B runs backwards along the alignment")
    position = np.where(matched, np.maximum.accumulate(np.where(matched, position, 0)), np.nan)
    step_a, step_b = frame_period(a.time, a.fps), frame_period(b.time, b.fps)
    tolerance = step_b / 2 if tolerance is None else tolerance
    edge = np.append(a.time, a.time[-1] + step_a)
    seconds = matched_time(position, b.time)
    end_b = float(b.time[-1]) + step_b
    segments: list[Segment] = []
    change = np.flatnonzero(np.diff(matched)) + 1
    for rows in np.split(np.arange(len(position)), change):
        first, stop = int(rows[0]), int(rows[-1]) + 1
        if not matched[first]:
            nan = float("nan")
            segments.append(
                Segment(float(edge[first]), float(edge[stop]), nan, nan, first, stop - 1)
            )
            continue
        x = edge[first : stop + 1]
        y = np.append(seconds[first:stop], _run_out(x, seconds[first:stop], end_b))
        knots = first + fewest_knots(x, y, tolerance)
        y_at = dict(zip(range(first, stop + 1), y.tolist(), strict=True))
        for low, high in zip(knots[:-1].tolist(), knots[1:].tolist(), strict=True):
            ends = np.rint(position[[low, high - 1]]).astype(np.int64)
            first_b, last_b = np.clip(ends, 0, len(b) - 1).tolist()
            times = float(edge[low]), float(edge[high]), y_at[low], y_at[high]
            segments.append(Segment(*times, low, high - 1, first_b, last_b))
    return segments


def _run_out(x: FloatArray, y: FloatArray, end: float) -> float:
    """Where B is when the last of frames x (n + 1,), y (n,) ends: it continues at its speed, but
    not past the end of B."""
    slope = (y[-1] - y[-2]) / (x[-2] - x[-3]) if len(y) > 1 else 1.0
    return float(min(y[-1] + slope * (x[-1] - x[-2]), max(end, y[-1])))


def fewest_knots(x: FloatArray, y: FloatArray, tolerance: float) -> IntArray:
    """Indices (n,) int64 of the points of a curve x, y (N,) between which straight lines pass all
    points by no more than `tolerance` in y; the first and the last point are among them.

    They are the fewest possible, by the method of Imai and Iri (1988): the shortest path over all
    chords that are close enough. x is strictly increasing.
    """
    count = len(x)
    tolerance *= 1 - 1e-9  # or rounding would put a chord a hair outside
    chords = np.full(count, count, np.int64)
    before = np.zeros(count, np.int64)
    chords[0] = 0
    for start in range(count - 1):
        ends = start + 1 + _reachable(x, y, start, tolerance)
        shorter = ends[chords[ends] > chords[start] + 1]
        chords[shorter] = chords[start] + 1
        before[shorter] = start
    knots = [count - 1]
    while knots[-1] > 0:
        knots.append(int(before[knots[-1]]))
    return np.array(knots[::-1], np.int64)


def _reachable(x: FloatArray, y: FloatArray, start: int, tolerance: float) -> IntArray:
    """Points after `start`, counted from the next one, whose chords pass all points between."""
    window = 64
    while True:
        run = x[start + 1 : start + 1 + window] - x[start]
        rise = y[start + 1 : start + 1 + window] - y[start]
        low = np.maximum.accumulate((rise - tolerance) / run)
        high = np.minimum.accumulate((rise + tolerance) / run)
        if low[-1] > high[-1] or start + 1 + window >= len(x):
            slope = rise / run
            return np.flatnonzero((low <= slope) & (slope <= high))
        window *= 2


def csv_text(
    segments: Sequence[Segment], a: PoseSequence, b: PoseSequence, slowmo: tuple[float, float]
) -> str:
    """The list as CSV, columns as in COLUMNS: seconds of the files as a player shows them, to the
    microsecond, and frames of the files; cells of B are empty if A has no counterpart.

    slowmo: seconds of the file per second of the movement, of A and of B.
    """
    rows: list[list[object]] = []
    for number, part in enumerate(segments, start=1):
        of_a = [f"{value * slowmo[0]:.6f}" for value in (part.a_start, part.a_end)]
        frames_a = [int(a.frame[part.first_a]), int(a.frame[part.last_a])]
        of_b: list[object] = [""] * 3
        frames_b: list[object] = [""] * 2
        if part.first_b >= 0:
            of_b = [f"{value * slowmo[1]:.6f}" for value in (part.b_start, part.b_end)]
            of_b.append(f"{part.speed * slowmo[1] / slowmo[0]:.4f}")
            frames_b = [int(b.frame[part.first_b]), int(b.frame[part.last_b])]
        rows.append([number, *of_a, *of_b, *frames_a, *frames_b])
    return table_text(COLUMNS, rows)
