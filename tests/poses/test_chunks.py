"""Chunks of frames, and results of chunks that a killed run leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest

from la2ds_cli.core.device import torch_threads
from la2ds_cli.poses import networks
from la2ds_cli.poses.chunks import ClipFrames, Stage, Stopped, ordered_map
from la2ds_cli.poses.networks import Instances
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
    assert all(int(f.image[0, 0, 0]) == f.index for c in chunks for f in c)
    return [[f.index for f in c] for c in chunks]


def test_a_short_clip_is_decoded_once_and_a_long_one_again() -> None:
    short, long = Film(), Film()
    in_memory = ClipFrames(short, SIZE, memory_bytes=40 * 600)
    for clip in (in_memory, ClipFrames(long, SIZE, memory_bytes=39 * 600)):
        assert read(clip) == read(clip)
    assert (short.decoded, long.decoded) == (1, 2)
    assert [len(c) for c in read(in_memory)] == [16, 16, 8]


@pytest.mark.parametrize("declared", [0, 30, 40, 41, 10**9])
def test_what_the_file_says_of_its_length_decides_only_what_is_kept(declared: int) -> None:
    film = Film()
    clip = ClipFrames(film, SIZE, memory_bytes=40 * 600, declared=declared)
    assert read(clip) == read(clip) == read(ClipFrames(Film(), SIZE))
    assert film.decoded == (2 if declared > 40 else 1)


def test_reading_ends_when_the_run_does() -> None:
    stop = Event()
    chunks = ClipFrames(Film(), SIZE, stop=stop).chunks()
    next(chunks)
    stop.set()
    with pytest.raises(Stopped):
        next(chunks)


def chunk(n: int) -> dict[str, np.ndarray]:
    return {"box": np.full((n, 5), n, np.float32), "time": np.arange(n) / 25}


def numbers(folder: Path, key: str = "key") -> list[int]:
    """The sizes of what a later run finds."""
    return [len(c["box"]) for c in Stage(folder, "detect", {"poses": key}).done]


def begun(folder: Path, every: float) -> Path:
    """A clip of which five chunks are done, one second of work each."""
    clock = iter(range(100))
    stage = Stage(folder, "detect", {"poses": "key"}, every, lambda: float(next(clock)))
    for n in range(1, 6):
        stage.add(chunk(n))
    return folder


def test_a_later_run_finds_what_is_done_and_goes_on(tmp_path: Path) -> None:
    stage = Stage(begun(tmp_path / "clip", every=2), "detect", {"poses": "key"}, 100)
    np.testing.assert_array_equal(stage.done[2]["box"], chunk(3)["box"])
    np.testing.assert_array_equal(stage.done[2]["time"], chunk(3)["time"])
    assert [len(c["time"]) for c in stage.done] == [1, 2, 3, 4]
    stage.add(chunk(5))
    stage.flush()
    assert numbers(tmp_path / "clip") == [1, 2, 3, 4, 5]
    assert numbers(tmp_path / "clip", "of other settings") == []


def test_a_short_clip_writes_nothing(tmp_path: Path) -> None:
    assert not begun(tmp_path / "clip", every=100).exists()


def test_a_damaged_or_missing_piece_ends_what_is_taken(tmp_path: Path) -> None:
    first, second = sorted(begun(tmp_path / "clip", every=2).iterdir())
    second.write_bytes(second.read_bytes()[:50])
    assert numbers(tmp_path / "clip") == [1, 2]
    first.unlink()
    assert numbers(tmp_path / "clip") == []


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert list(ordered_map(slow_first, range(20), workers)) == [n * n for n in range(20)]


def test_items_are_worked_on_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=60)  # broken if the second never comes
    assert len(list(ordered_map(lambda _: both.wait(), range(4), 2))) == 4


def test_no_more_items_are_drawn_than_can_be_held() -> None:
    drawn = []

    def items():
        for n in range(100):
            drawn.append(n)
            yield n

    results = ordered_map(lambda n: n, items(), 2)
    assert next(results) == 0
    assert len(drawn) == 4
    results.close()


def test_a_failure_comes_in_its_turn_and_stops_what_is_under_way() -> None:
    stop = threading.Event()

    def work(n: int) -> int:
        if n == 1:
            raise ValueError("one")
        if n > 1:
            assert stop.wait(60)
        return n

    results = ordered_map(work, range(50), 2, stop)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert stop.is_set()


def test_only_the_threads_of_a_pool_are_limited_to_one() -> None:
    import torch

    before = torch.get_num_threads()
    with torch_threads(3):  # of this thread, as those of a host may be
        inside = list(ordered_map(lambda _: torch.get_num_threads(), range(4), 2))
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as other:
            assert other.submit(torch.get_num_threads).result() == before
    assert inside == [1, 1, 1, 1]
    assert torch.get_num_threads() == before


def test_calls_at_the_same_time_have_instances_of_their_own() -> None:
    numbers, together = count(), Barrier(3)
    pool = Instances(lambda threads: next(numbers))

    def call() -> int:
        with pool.borrow() as number:
            together.wait(timeout=60)
            return number

    with ThreadPoolExecutor(3) as callers:
        for _ in range(2):  # which are used again
            calls = [callers.submit(call) for _ in range(3)]
            assert sorted(called.result() for called in calls) == [0, 1, 2]


def test_a_call_uses_the_threads_that_the_other_calls_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "available_cores", lambda: 7)
    pool = Instances(lambda threads: [threads], most_threads=4)
    with pool.borrow() as alone, pool.borrow() as second, pool.borrow() as third:
        assert [*alone, *second, *third] == [4, 2, 2]
    with pytest.raises(ValueError, match="broken"), pool.borrow():
        raise ValueError("broken")
    with pool.borrow() as again:
        assert again == [4]
        assert again is not alone  # the one that failed


def test_a_generator_can_be_closed_by_one_of_its_own_threads() -> None:
    """Whichever thread collects garbage closes a generator that nobody closed."""
    ready, closed = Event(), Event()
    stop = Event()
    problems: list[BaseException] = []

    def work(number: int) -> int:
        if number == 1:
            ready.wait(10)
            try:
                results.close()
            except BaseException as error:
                problems.append(error)
            closed.set()
        return number

    results = ordered_map(work, range(20), 2, stop)
    assert next(results) == 0
    ready.set()
    assert closed.wait(10)
    assert problems == []
    assert stop.is_set()
