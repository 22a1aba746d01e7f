"""The frames of one clip in chunks, read as often as needed: from memory where the clip is short,
else decoded again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event

from la2ds_cli.video.reader import Frame, read_ahead

_CHUNK_FRAMES = 16
_CHUNK_BYTES = 48 << 20  # of decoded frames in one chunk; at least one frame
_KEPT_BYTES = 256 << 20  # a clip of at most this size is decoded once


class Stopped(Exception):
    """The run ends before the clip is done."""


@dataclass(frozen=True)
class FrameChunk:
    """Consecutive frames, the `number`-th such piece of the clip."""

    number: int
    frames: list[Frame]


class ClipFrames:
    """Chunks of the frames that `read` yields, decoded by a thread of its own.

    size: (W, H) of the frames. stop: ends the reading when it is set. The borders of the chunks
    depend on the size alone.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Frame]],
        size: tuple[int, int],
        kept_bytes: int = _KEPT_BYTES,
        stop: Event | None = None,
    ) -> None:
        self._read = read
        self._frame_bytes = max(3 * size[0] * size[1], 1)
        self._chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // self._frame_bytes))
        self._kept_bytes = kept_bytes
        self._stop = stop or Event()
        self._kept: list[FrameChunk] | None = []
        self._complete = False

    def chunks(self) -> Iterator[FrameChunk]:
        """All chunks from the first; to be read to the end before the next call.

        Raises Stopped where the run is to end early.
        """
        for chunk in self._all():
            if self._stop.is_set():
                raise Stopped
            yield chunk

    def _all(self) -> Iterator[FrameChunk]:
        if self._complete and self._kept is not None:
            yield from self._kept
            return
        self._kept, count = [], 0
        frames = read_ahead(self._read(), self._chunk)
        for number in itertools.count():
            part = list(itertools.islice(frames, self._chunk))
            if not part:
                break
            chunk = FrameChunk(number, part)
            count += len(part)
            if self._kept is not None and count * self._frame_bytes <= self._kept_bytes:
                self._kept.append(chunk)
            else:
                self._kept = None
            yield chunk
        self._complete = True
