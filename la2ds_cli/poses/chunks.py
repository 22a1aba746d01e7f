"""Process a clip in chunks, in several threads, with results kept on disk so that a killed run
resumes within the clip.

Frames of a short clip stay in memory; those of a longer clip are decoded again for each pass, so
that memory does not grow with the clip. Results of consecutive chunks are written together every
few seconds, each group as one artifact. A clip that is done sooner writes nothing.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, current_thread
from typing import TypeVar

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe
from la2ds_cli.core.device import torch_uses_one_thread
from la2ds_cli.core.progress import Progress
from la2ds_cli.video.reader import Frame, read_ahead
from la2ds_cli.video.source_version import SourceChanged, SourceVersion

_CHUNK_FRAMES = 16
_CHUNK_BYTES = 48 << 20  # of decoded frames in one chunk; at least one frame
CLIP_MEMORY = 256 << 20  # a clip of at most this size is decoded once

Item = TypeVar("Item")
Result = TypeVar("Result")
_THREADS = "extract"
Frames = list[Frame]  # consecutive ones: a chunk of a clip
Chunk = dict[str, np.ndarray]  # the result of a chunk
_STEP, _VERSION = "poses-partial", 2
_EVERY = 10.0  # seconds of work that a killed run may lose


class Stopped(Exception):
    """The run ends before the clip is done."""


class ClipFrames:
    """Chunks of the frames that `read` yields, decoded in a separate thread.

    size: (W, H) of the frames. declared: number of frames according to the file, 0 = unknown; a
    clip that will not fit into memory is not kept there at all. stop: reading ends when it is set.
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
        frame_bytes = max(3 * size[0] * size[1], 1)
        self._chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // frame_bytes))
        self._most_kept = memory_bytes // frame_bytes  # frames
        self._stop = stop or Event()
        self._fits = declared <= self._most_kept
        self._memory: list[Frames] = []  # the complete clip, after it was read once

    def chunks(self) -> Iterator[Frames]:
        """Yield all chunks from the first. Read them to the end before the next call.

        Raises Stopped if the run must end early.
        """
        for chunk in self._memory or self._decoded():
            if self._stop.is_set():
                raise Stopped
            yield chunk

    def _decoded(self) -> Iterator[Frames]:
        kept: list[Frames] = []
        count = 0
        frames = read_ahead(self._read(), self._chunk)
        while chunk := list(itertools.islice(frames, self._chunk)):
            count += len(chunk)
            self._fits &= count <= self._most_kept
            if self._fits:
                kept.append(chunk)
            else:
                kept.clear()
            yield chunk
        self._memory = kept


class Stage:
    """Results of one step of the work on a clip, from the first chunk without a gap.

    done: results of earlier runs. folder: holds the unfinished work on the clip. inputs: what the
    results depend on besides the name of the step. every: seconds of work after which results are
    written to disk. version: the version of the source file, None = not checked.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        inputs: Mapping[str, str],
        every: float = _EVERY,
        clock: Callable[[], float] = time.monotonic,
        *,
        version: SourceVersion | None = None,
    ) -> None:
        self._folder, self._name, self._inputs = folder, name, dict(inputs)
        self._version, self._every, self._clock = version, every, clock
        self._unwritten: list[Chunk] = []
        self._written_at = clock()
        self.done: list[Chunk] = []
        while chunks := self._stored(len(self.done)):
            self.done += chunks
        self._next = len(self.done)

    def add(self, chunk: Chunk) -> None:
        """Keep the result of the next chunk."""
        self._unwritten.append(chunk)
        if self._clock() - self._written_at >= self._every:
            self.flush()

    def flush(self) -> None:
        """Write all results that are not on disk yet.

        Raises SourceChanged if the source file has changed: a later run must not resume from them.
        """
        if not self._unwritten:
            return
        if self._version is not None:
            self._version = self._version.verified()
        arrays = {
            f"{number}.{name}": array
            for number, chunk in enumerate(self._unwritten)
            for name, array in chunk.items()
        }
        facts = {"chunks": len(self._unwritten)}
        artifact.write_arrays(self._path(self._next), arrays, self._recipe(self._next), facts)
        self._next += len(self._unwritten)
        self._unwritten = []
        self._written_at = self._clock()

    def _stored(self, first: int) -> list[Chunk]:
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
        return self._folder / f"{self._name}-{first:06d}.safetensors"


def run_chunks(
    work: Callable[[Frames], Chunk],
    chunks: Iterable[Frames],
    *,
    workers: int,
    progress: Progress,
    stage: Stage | None = None,
) -> list[Chunk]:
    """Return the results of all chunks in order: from `stage` where it has them, else from `work`.

    New results are added to `stage`, and written to disk if the work ends early.

    Parameters
    ----------
    work
        Computes the result of a chunk; called in several threads.
    chunks
        All chunks of the clip, from the first.
    workers
        Number of threads.
    progress
        Advances by the frames of each chunk.
    stage
        Stored results of this step; None = nothing is stored.
    """
    done = stage.done if stage else []

    def result_of(item: tuple[int, Frames]) -> tuple[Chunk, int]:
        number, frames = item
        return (done[number] if number < len(done) else work(frames)), len(frames)

    results: list[Chunk] = []
    try:
        for result, frames in ordered_map(result_of, enumerate(chunks), workers):
            results.append(result)
            if stage and len(results) > len(done):
                stage.add(result)
            progress.advance(frames)
    except BaseException:
        if stage:
            with suppress(SourceChanged):
                stage.flush()
        raise
    return results


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
    """Yield the results of `function` in the order of the items, computed in threads.

    At most 2 * workers items are in progress or waiting. The items are read in the caller's thread.
    An exception of one item is raised in its turn. Items that have not begun by then, or when the
    generator is closed, are dropped, and `stop` is set for those in progress.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(
        workers, thread_name_prefix=_THREADS, initializer=torch_uses_one_thread
    )
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
        # A generator that nobody closed may be collected in one of its own threads.
        own = current_thread().name.startswith(_THREADS)
        pool.shutdown(wait=not own, cancel_futures=True)
