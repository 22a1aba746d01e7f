"""Decoding in a thread while the consumer works."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(frames: Iterator[Item], depth: int) -> Generator[Item, None, None]:
    """The same frames, decoded by a thread up to `depth` frames ahead of the consumer."""
    waiting: Queue[Item | BaseException | None] = Queue(maxsize=depth)
    stop = Event()

    def offer(item: Item | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except Full:
                continue

    def work() -> None:
        try:
            for frame in frames:
                offer(frame)
                if stop.is_set():
                    return
            offer(None)
        except BaseException as error:  # raised again where the frames are consumed
            offer(error)

    worker = Thread(target=work, name="decode", daemon=True)
    worker.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        worker.join()
