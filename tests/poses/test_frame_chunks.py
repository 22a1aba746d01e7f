from __future__ import annotations

import itertools
from collections.abc import Iterator
from threading import Event

import numpy as np
import pytest

from la2ds_cli.poses.chunks import ClipFrames, Stopped
from la2ds_cli.video.reader import Frame

SIZE = (20, 10)


class Film:
    """40 frames; counts how often it is decoded."""

    def __init__(self, frames: int = 40) -> None:
        self.frames = frames
        self.decoded = 0

    def __call__(self) -> Iterator[Frame]:
        self.decoded += 1
        for t in range(self.frames):
            yield Frame(t, t / 25, np.full((10, 20, 3), t, np.uint8))


def read(clip: ClipFrames) -> list[list[int]]:
    chunks = list(clip.chunks())
    assert [c.number for c in chunks] == list(range(len(chunks)))
    assert all(int(f.image[0, 0, 0]) == f.index for c in chunks for f in c.frames)
    return [[f.index for f in c.frames] for c in chunks]


def test_chunks_hold_all_frames_in_order() -> None:
    chunks = read(ClipFrames(Film(), SIZE))
    assert [len(c) for c in chunks] == [16, 16, 8]
    assert list(itertools.chain(*chunks)) == list(range(40))


def test_a_short_clip_is_decoded_once_and_a_long_one_again() -> None:
    short, long = Film(), Film()
    in_memory = ClipFrames(short, SIZE, memory_bytes=40 * 600)
    for clip in (in_memory, ClipFrames(long, SIZE, memory_bytes=39 * 600)):
        assert read(clip) == read(clip)
    assert (short.decoded, long.decoded) == (1, 2)


def test_large_frames_come_in_small_chunks() -> None:
    assert ClipFrames(Film(), (7680, 4320))._chunk == 1


def test_a_clip_without_frames() -> None:
    assert read(ClipFrames(Film(0), SIZE)) == []


def test_reading_ends_when_the_run_does() -> None:
    stop = Event()
    chunks = ClipFrames(Film(), SIZE, stop=stop).chunks()
    next(chunks)
    stop.set()
    with pytest.raises(Stopped):
        next(chunks)
