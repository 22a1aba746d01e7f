"""Work over a stream of items by a few threads, in order and with bounded memory.

Decoding, ONNX Runtime and torch release Python's global lock while they compute, so threads use
the cores; each network runs on one thread per call (`one_thread_each`).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: Event | None = None,
) -> Generator[Result, None, None]:
    """Results of `function` in the order of the items; at most 2 * workers items are in flight.

    The items are drawn in the thread of the caller. An exception of one item is raised in its
    turn; what has not begun by then, or when the generator is closed, is dropped, and `stop` is
    set for what is under way.
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
    """While several threads run networks, each call of torch uses one thread of its own.

    Cores are then shared by calls and not within one, which small networks hardly gain from.
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
