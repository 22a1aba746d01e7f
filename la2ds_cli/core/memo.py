"""A bounded cache in memory.

A value is asked for and computed in one call, so that nothing can be dropped between the question
whether it is known and the reading of it. The size of a cache therefore changes how often a value
is computed, and never a result.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

MOST_KEPT = 4096  # values; a project may have 100,000 clips
T = TypeVar("T")


class Memo:
    """Cache of at most MOST_KEPT values by key; the least recently used are dropped."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[object, Any]] = OrderedDict()

    def once(self, key: Hashable, alive: object, compute: Callable[[], T]) -> T:
        """Return the value of a key, computed if it is not in the cache.

        Parameters
        ----------
        key: identifies the value.
        alive: objects kept as long as the value, since keys hold identities in memory.
        compute: returns the value.
        """
        return self.each([key], [alive], lambda _: [compute()])[0]

    def each(
        self,
        keys: Sequence[Hashable],
        alive: Sequence[object],
        compute: Callable[[list[int]], Sequence[T]],
    ) -> list[T]:
        """Return the values of several keys; those that are not in the cache are computed together.

        Parameters
        ----------
        keys: identify the values.
        alive: for each key, objects kept as long as its value.
        compute: returns the values of the keys whose numbers (indices into `keys`) it is given.
        """
        found: dict[int, T] = {}
        for n, key in enumerate(keys):
            if key in self._kept:
                self._kept.move_to_end(key)
                found[n] = self._kept[key][1]
        missing = [n for n in range(len(keys)) if n not in found]
        if missing:
            found |= zip(missing, compute(missing), strict=True)
            for n in missing:
                self._kept[keys[n]] = alive[n], found[n]
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return [found[n] for n in range(len(keys))]
