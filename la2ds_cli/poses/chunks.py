"""A clip in chunks: its frames, read as often as needed, and the results of chunks, kept on disk so
that a killed run resumes within the clip.

Frames of a short clip are kept in memory, those of others are decoded again, so that memory does
not grow with the clip. Results of consecutive chunks are written together every few seconds, each
group as one artifact. A clip that is done sooner writes nothing.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe
from la2ds_cli.core.progress import Progress
from la2ds_cli.video.reader import Frame, read_ahead

_CHUNK_FRAMES = 16
_CHUNK_BYTES = 48 << 20  # of decoded frames in one chunk; at least one frame
CLIP_MEMORY = 256 << 20  # a clip of at most this size is decoded once

Item = TypeVar("Item")
Result = TypeVar("Result")
Chunk = dict[str, np.ndarray]  # the result of a chunk
_STEP, _VERSION = "poses-partial", 2
_EVERY = 10.0  # seconds of work that a killed run may lose


class Stopped(Exception):
    """The run ends before the clip is done."""


@dataclass(frozen=True)
class FrameChunk:
    """Consecutive frames: piece `number` of the clip."""

    number: int
    frames: list[Frame]


class ClipFrames:
    """Chunks of the frames that `read` yields, decoded in a separate thread.

    size: (W, H) of the frames. declared: their number according to the file, 0 = unknown; a clip
    that will not fit into memory is not kept there at all. stop: ends the reading when it is set.
    The borders of the chunks depend only on the size.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Frame]],
        size: tuple[int, int],
        memory_bytes: int = CLIP_MEMORY,
        stop: Event | None = None,
        declared: int = 0,
    ) -> None:
        self._read = read
        self._frame_bytes = max(3 * size[0] * size[1], 1)
        self._chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // self._frame_bytes))
        self._memory_bytes = memory_bytes
        self._stop = stop or Event()
        self._fits = declared * self._frame_bytes <= memory_bytes
        self._in_memory: list[FrameChunk] | None = None  # None = the clip is too large
        self._complete = False

    def chunks(self) -> Iterator[FrameChunk]:
        """All chunks, from the first. Read them to the end before the next call.

        Raises Stopped if the run must end early.
        """
        for chunk in self._all():
            if self._stop.is_set():
                raise Stopped
            yield chunk

    def _all(self) -> Iterator[FrameChunk]:
        if self._complete and self._in_memory is not None:
            yield from self._in_memory
            return
        self._in_memory, count = [] if self._fits else None, 0
        frames = read_ahead(self._read(), self._chunk)
        for number in itertools.count():
            part = list(itertools.islice(frames, self._chunk))
            if not part:
                break
            chunk = FrameChunk(number, part)
            count += len(part)
            if self._in_memory is not None and count * self._frame_bytes <= self._memory_bytes:
                self._in_memory.append(chunk)
            elif self._in_memory is not None:
                self._in_memory, self._fits = None, False
            yield chunk
        self._complete = True


class Partial:
    """Folder of the unfinished work on one clip. key: of the finished poses."""

    def __init__(
        self,
        folder: Path,
        key: str,
        every: float = _EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.key = key
        self.every = every
        self.clock = clock

    def stage(self, name: str, inputs: str = "") -> Stage:
        """A step of the work, with the results of earlier runs. inputs: digest of the step's inputs
        besides the clip and its settings."""
        return Stage(self, name, inputs)

    def clear(self) -> None:
        """Remove everything: the clip is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Stage:
    """Results of one step of the work, without a gap from the first chunk of the clip."""

    def __init__(self, partial: Partial, name: str, inputs: str) -> None:
        self._partial = partial
        self._name = name
        self._inputs = {"poses": partial.key, **({"before": inputs} if inputs else {})}
        self._unwritten: list[Chunk] = []
        self._written_at = partial.clock()
        self.done: list[Chunk] = []
        while chunks := self._read(len(self.done)):
            self.done += chunks
        self._next = len(self.done)

    def run(
        self,
        work: Callable[[FrameChunk], Chunk],
        chunks: Iterable[FrameChunk],
        *,
        workers: int,
        progress: Progress,
        again: bool = False,
    ) -> list[Chunk]:
        """Results of all chunks in order: those of earlier runs, then those of `work`, each of
        which is added.

        again: also process chunks that were done before; only new results are added. progress: is
        told of the frames. Results that are not on disk when the work ends early are written then.
        """

        def result_of(chunk: FrameChunk) -> tuple[Chunk, int]:
            if not again and chunk.number < len(self.done):
                return self.done[chunk.number], len(chunk.frames)
            return work(chunk), len(chunk.frames)

        results = []
        try:
            for result, frames in ordered_map(result_of, chunks, workers):
                if len(results) >= len(self.done):
                    self.add(result)
                results.append(result)
                progress.advance(frames)
        except BaseException:
            self.flush()
            raise
        return results

    def add(self, chunk: Chunk) -> None:
        """Keep the result of the next chunk; it is written to disk within `every` seconds of
        work."""
        self._unwritten.append(chunk)
        if self._partial.clock() - self._written_at >= self._partial.every:
            self.flush()

    def flush(self) -> None:
        """Write all results that are not on disk yet."""
        if not self._unwritten:
            return
        arrays = {
            f"{number}.{name}": array
            for number, chunk in enumerate(self._unwritten)
            for name, array in chunk.items()
        }
        facts = {"chunks": len(self._unwritten)}
        artifact.write_arrays(self._path(self._next), arrays, self._recipe(self._next), facts)
        self._next += len(self._unwritten)
        self._unwritten = []
        self._written_at = self._partial.clock()

    def _read(self, first: int) -> list[Chunk]:
        try:
            arrays, recipe, facts = artifact.read_arrays(self._path(first))
        except ArtifactError:
            return []
        if recipe.key != self._recipe(first).key:
            return []
        chunks: list[Chunk] = [{} for _ in range(facts["chunks"])]
        for name, array in arrays.items():
            number, _, key = name.partition(".")
            chunks[int(number)][key] = array
        return chunks

    def _recipe(self, first: int) -> Recipe:
        return Recipe(_STEP, _VERSION, {"stage": self._name, "first": first}, self._inputs)

    def _path(self, first: int) -> Path:
        return self._partial.folder / f"{self._name}-{first:06d}.safetensors"


# --- several threads ------------------------------------------------------------------------------
#
# Decoding, ONNX Runtime and torch release Python's global lock while they compute, so threads use
# all cores; each network runs on one thread per call.


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: Event | None = None,
) -> Generator[Result, None, None]:
    """Results of `function` in the order of the items; at most 2 * workers items are in flight.

    The items are read in the caller's thread. An exception of one item is raised in its turn. Items
    that have not begun by then, or when the generator is closed, are dropped, and `stop` is set for
    those in progress.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="extract")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:
        if stop is not None:
            stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def one_thread_each(workers: int) -> Iterator[None]:
    """While several threads run networks, each call of torch uses one thread.

    The cores are then shared by calls instead of used within one, from which small networks hardly
    gain.
    """
    torch = sys.modules.get("torch")
    if workers <= 1 or torch is None:  # ONNX models alone need no torch
        yield
        return
    before: Any = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
