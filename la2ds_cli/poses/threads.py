"""Work in several threads: items in order, and networks that are called from all of them.

Decoding, ONNX Runtime and torch release Python's global lock while they compute, so threads use all
cores; each network runs on one thread per call (`one_thread_each`).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock
from typing import Any, Generic, TypeVar

from la2ds_cli.core.device import available_cores
from la2ds_cli.core.errors import ExitCode, UserError

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


@contextmanager
def gpu_memory(count: int) -> Iterator[None]:
    """Context of a network's work on `count` pictures. Raises UserError (exit 6) if the GPU has no
    room for them."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the GPU has too little free memory for a batch of {count} pictures",
            hint="set batch_size = 1 under [poses] in project.toml, or use --device cpu",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


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
