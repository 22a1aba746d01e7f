"""Work in several threads: items in order, and networks that are called from all of them.

Decoding, ONNX Runtime and torch release Python's global lock while they compute, so threads use all
cores; each network runs on one thread per call (`one_thread_each`).

A batch is always full: it is padded with copies of its last crop. The last bits of a network's
output depend on the shape of its batch; without padding, a crop's result would depend on the other
crops, and an interrupted run would differ from an uninterrupted one (docs/decisions/0005).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar

import numpy as np

from la2ds_cli.core.device import available_cores
from la2ds_cli.core.types import FloatArray

Item = TypeVar("Item")
Result = TypeVar("Result")


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


class Instances(Generic[Item]):
    """Instances of a network that handles one call at a time: as many as there are concurrent
    calls, created when first needed.

    Unlike thread-local storage, this keeps them when the threads end.
    """

    def __init__(self, make: Callable[[], Item]) -> None:
        self._make = make
        self._free: list[Item] = []
        self._lock = Lock()

    @contextmanager
    def borrow(self) -> Iterator[Item]:
        """An instance for exclusive use within the block.

        If the block raises an exception, the instance is not used again.
        """
        with self._lock:
            item = self._free.pop() if self._free else None
        if item is None:
            item = self._make()
        yield item
        with self._lock:
            self._free.append(item)


class SharedCores(Generic[Item]):
    """Instances of a network whose calls share the cores: one that runs alone uses several threads.

    make: an instance that uses this many threads. Its output must not depend on their number.
    """

    def __init__(self, make: Callable[[int], Item]) -> None:
        self._instances = {threads: Instances(partial(make, threads)) for threads in (4, 2, 1)}
        self._lent = 0
        self._lock = Lock()

    @contextmanager
    def borrow(self) -> Iterator[Item]:
        """As Instances.borrow, with the threads that the other calls leave."""
        with self._lock:
            self._lent += 1
            share = max(1, available_cores() // self._lent)
        try:
            with next(self._instances[n] for n in (4, 2, 1) if n <= share).borrow() as item:
                yield item
        finally:
            with self._lock:
                self._lent -= 1


Forward = Callable[[FloatArray], Any]  # (n, 3, H, W) to (n, ...), or to a tuple of such


@dataclass(frozen=True)
class FullBatches:
    """`forward` on batches of exactly `size` crops; there must be at least one crop."""

    forward: Forward
    size: int

    def __call__(self, crop: FloatArray) -> Any:
        parts = []
        for start in range(0, len(crop), self.size):
            part = crop[start : start + self.size]
            missing = self.size - len(part)
            padded = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            parts.append(_rows(self.forward(padded), 0, len(part)))
        return _join(parts)


class MergedBatches:
    """`forward` run by one thread on the crops of all callers together, as a GPU needs it.

    Frames of several clips share a batch. An exception of `forward` is raised in every caller whose
    crops were in the batch. `close` ends the thread.
    """

    def __init__(self, forward: Forward, size: int) -> None:
        self.full = FullBatches(forward, size)
        self._waiting: Queue[tuple[FloatArray, Future[Any]] | None] = Queue()
        self._thread: Thread | None = None
        self._lock = Lock()

    def __call__(self, crop: FloatArray) -> Any:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="networks", daemon=True)
                self._thread.start()
        future: Future[Any] = Future()
        self._waiting.put((crop, future))
        return future.result()

    def close(self) -> None:
        """End the thread once all crops submitted so far are done."""
        with self._lock:
            if self._thread is not None:
                self._waiting.put(None)
                self._thread.join()
                self._thread = None

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            jobs = [job]
            while sum(len(crop) for crop, _ in jobs) % self.full.size:
                try:
                    job = self._waiting.get_nowait()
                except Empty:
                    break
                if job is None:
                    self._waiting.put(None)  # seen again once these jobs are done
                    break
                jobs.append(job)
            self._run(jobs)

    def _run(self, jobs: list[tuple[FloatArray, Future[Any]]]) -> None:
        try:
            output = self.full(np.concatenate([crop for crop, _ in jobs]))
        except BaseException as error:  # raised again in the threads that wait
            for _, future in jobs:
                future.set_exception(error)
            return
        start = 0
        for crop, future in jobs:
            future.set_result(_rows(output, start, start + len(crop)))
            start += len(crop)


def _rows(output: Any, start: int, stop: int) -> Any:
    if isinstance(output, tuple):
        return tuple(part[start:stop] for part in output)
    return output[start:stop]


def _join(parts: list[Any]) -> Any:
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return np.concatenate(parts)
