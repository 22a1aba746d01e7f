"""Crops to a network in batches of one size, from one caller or from many.

A batch is always full: what is missing is padded with copies of its last crop. The last bits of a
network's output depend on the shape of its batch, so crops would otherwise depend on their
company, and a run that was interrupted would differ from one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray

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
    """`forward` run by one thread on the crops of all callers together: what a GPU wants.

    Frames of one clip and of several clips share a batch. An exception of `forward` is raised in
    every caller whose crops were in the batch. `close` ends the thread.
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
        """End the thread once all crops handed in so far are done."""
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
