"""The frames of a file in the order in which a synchronised video shows them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import IntArray
from la2ds_cli.video.reader import Frame, Image
from la2ds_cli.video.video_file import VideoFile

KEPT = 512 << 20  # bytes of frames that may lie in memory where they are shown out of order


def shown_frames(file: VideoFile, number: IntArray, kept: int = KEPT) -> Iterator[Image]:
    """The frame of the file with each of the numbers (F,), Frame.source, one after the other.

    Numbers in order are read in one go with one frame in memory, and a frame that is shown again is
    the same array. A file that ends too early holds its last frame. UserError where the file
    cannot be read, and (exit 2) for numbers out of order that need more than `kept` bytes.
    """
    if (np.diff(number) < 0).any():
        yield from _from_memory(file, number, kept)
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


def _from_memory(file: VideoFile, number: IntArray, kept: int) -> Iterator[Image]:
    wanted = set(number.tolist())
    images: dict[int, Image] = {}
    frame: Frame | None = None
    for frame in file.frames():
        needed = frame.image.nbytes * len(wanted)
        if needed > kept:
            raise UserError(
                f"along this alignment the frames of {file.path.name} are shown out of their "
                f"order, and {needed >> 20} MB of them do not fit into {kept >> 20} MB of memory",
                hint="align by a method that keeps the order (--method dtw), or extract a shorter "
                "part of the clip (--time-range)",
            )
        if frame.source in wanted or not images:
            images[frame.source] = frame.image
        if frame.source >= max(wanted):
            break
    if frame is not None:  # stands for what the file no longer holds
        images[frame.source] = frame.image
    there = np.array(sorted(images))
    for place in number.tolist():
        yield images[int(there[max(np.searchsorted(there, place, side="right") - 1, 0)])]
