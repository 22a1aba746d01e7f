"""Networks that serve one call at a time, for callers that run several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Instances(Generic[Item]):
    """As many instances of a thing as calls ran at once, made when they are first needed.

    Unlike thread-local storage it keeps them when the threads end.
    """

    def __init__(self, make: Callable[[], Item]) -> None:
        self._make = make
        self._free: list[Item] = []
        self._lock = Lock()

    @contextmanager
    def borrow(self) -> Iterator[Item]:
        """An instance that nobody else has for the time of the block.

        One in whose block an exception was raised is not used again.
        """
        with self._lock:
            item = self._free.pop() if self._free else None
        if item is None:
            item = self._make()
        yield item
        with self._lock:
            self._free.append(item)
