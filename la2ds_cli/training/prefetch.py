"""The next batch is made in a thread while the network computes on this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """`make(step)` for step after step, one ahead: at most two results exist at a time.

    Rendering lets go of Python's lock, so on a second core a batch costs the network no time.
    make must be a function of the step alone. What it raises is raised by `take` of that step.

    waited, busy: seconds that `take` waited and that the thread worked since `reset`.
    """

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="la2ds-batch")
        self._ahead: tuple[int, Future[T]] | None = None
        self.reset()

    def reset(self) -> None:
        """Start the two clocks anew."""
        self.waited = self.busy = 0.0

    def take(self, step: int, last: bool = False) -> T:
        """The result of a step; the one of step + 1 is begun, unless this is the last."""
        started = time.perf_counter()
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._pool.submit(self._timed, step))
        result = self._ahead[1].result()
        self._ahead = None if last else (step + 1, self._pool.submit(self._timed, step + 1))
        self.waited += time.perf_counter() - started
        return result

    def _timed(self, step: int) -> T:
        started = time.perf_counter()
        try:
            return self._make(step)
        finally:
            self.busy += time.perf_counter() - started

    def close(self) -> None:
        """End the thread; a batch that it is at is finished first."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
