"""Which frames of A and B a synchronised video shows at each of its frames, and reading a file in
that order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.video.reader import Frame, Image, VideoFile

SLOWEST, FASTEST = 1.0, 240.0  # frames per second that a written video may have
_ROUNDING = 1e-9  # seconds
_EVEN = 0.25  # of a frame: how far a frame may lie from its place in a clip of even steps
MEMORY = 512 << 20  # bytes of frames that may lie in memory where they are shown out of order


@dataclass(frozen=True)
class Timeline:
    """F frames of output. fps: their rate. row_a, row_b: (F,) int64 rows of the pose sequences that
    are shown. matched: (F,) bool, whether the frame of A has a counterpart; if not, row_b is that
    of the frame of A nearest in time that has one."""

    fps: float
    row_a: IntArray
    row_b: IntArray
    matched: BoolArray

    def __len__(self) -> int:
        return len(self.row_a)


def make_timeline(
    time_a: FloatArray, fps_a: float, position: FloatArray, length_b: int
) -> Timeline:
    """The timeline of A at its own speed.

    time_a: (N,) seconds. fps_a: nominal rate of A. position: (N,) position of each frame of A among
    the `length_b` frames of B, NaN = no counterpart; the nearest frame is shown. Raises ValueError
    if no frame of A has a counterpart.
    """
    fps, row_a = clock(time_a, fps_a)
    row_b, matched = shown_of_b(time_a, position, length_b)
    return Timeline(fps, row_a, row_b[row_a], matched[row_a])


def shown_of_b(
    time_a: FloatArray, position: FloatArray, length_b: int
) -> tuple[IntArray, BoolArray]:
    """row_b and matched (N,) of make_timeline for each frame of A."""
    matched = ~np.isnan(position)
    nearest = np.rint(position[nearest_known(time_a, matched)]).astype(np.int64)
    return np.clip(nearest, 0, length_b - 1), matched


def clock(time: FloatArray, fps: float) -> tuple[float, IntArray]:
    """A constant rate for a clip, and the rows (F,) shown at this rate.

    A clip with even steps keeps its rate, and each frame is shown once. For any other clip the rate
    is that of its median step, and each output frame shows what a player shows in its middle.
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
    """(N,) int64: for each frame the nearest known one in time, the earlier of two; itself if it is
    known. Raises ValueError if none is known."""
    rows = np.flatnonzero(known)
    if not len(rows):
        raise ValueError("no frame of A has a counterpart")
    after = np.searchsorted(rows, np.arange(len(time)))
    before = rows[np.maximum(after - 1, 0)]
    after = rows[np.minimum(after, len(rows) - 1)]
    later = np.abs(time[after] - time) < np.abs(time - time[before]) - _ROUNDING
    return np.where(later, after, before)


def shown_frames(file: VideoFile, number: IntArray, limit: int = MEMORY) -> Iterator[Image]:
    """The frames of the file with the numbers (F,), Frame.source, one after the other.

    Numbers in order are read in one pass with one frame in memory; a frame that is shown again is
    the same array. If a file ends too early, its last frame is repeated. Raises UserError if the
    file cannot be read, and (exit 2) for numbers out of order that need more than `limit` bytes.
    """
    if (np.diff(number) < 0).any():
        yield from _from_memory(file, number, limit)
        return
    frames = file.frames()
    shown = next(frames)
    for wanted in number.tolist():
        while shown.source < wanted:
            following = next(frames, None)
            if following is None:
                break
            shown = following
        yield shown.image


def _from_memory(file: VideoFile, number: IntArray, limit: int) -> Iterator[Image]:
    wanted = set(number.tolist())
    images: dict[int, Image] = {}
    frame: Frame | None = None
    for frame in file.frames():
        needed = frame.image.nbytes * len(wanted)
        if needed > limit:
            raise UserError(
                f"this alignment shows the frames of {file.path.name} out of order, which needs "
                f"{needed >> 20} MB of memory; the limit is {limit >> 20} MB",
                hint="use a method that keeps the order (--method dtw), or extract a shorter part "
                "of the clip (--time-range)",
            )
        if frame.source in wanted or not images:
            images[frame.source] = frame.image
        if frame.source >= max(wanted):
            break
    if frame is not None:  # stands for what the file no longer holds
        images[frame.source] = frame.image
    held = np.array(sorted(images))
    for source in number.tolist():
        yield images[int(held[max(np.searchsorted(held, source, side="right") - 1, 0)])]
