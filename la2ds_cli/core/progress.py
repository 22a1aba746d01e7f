"""Progress of a step: steps report it, the command line shows it on stderr; durations in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """Silent progress, the default of steps; core/console.py has subclasses with output.

    Several threads may report to it; only one of them begins and ends tasks.
    """

    def begin(self, label: str, total: float | None = None, done: float = 0.0) -> None:
        """Start a task of `total` units (None = unknown), and end the previous one.

        done: units done in an earlier run, which do not count for the estimate of the time left.
        """

    def advance(self, amount: float = 1) -> None:
        """Report `amount` more units done."""

    def end(self) -> None:
        """End the current task."""

    def over(self, label: str, items: Sequence[T]) -> Iterator[T]:
        """Yield the items, as a task with one unit each."""
        self.begin(label, len(items))
        for item in items:
            yield item
            self.advance()
        self.end()

    def note(self, text: str) -> None:
        """Report one line that stays visible, such as a choice or a warning."""

    def note_once(self, text: str) -> None:
        """Report a line as `note`, but each text only once."""
        noted: set[str] = self.__dict__.setdefault("_noted_once", set())
        if text not in noted:
            noted.add(text)
            self.note(text)


SILENT = Progress()


def duration(value: float) -> str:
    """Return seconds as readable text: `8 s`, `3 min 20 s`, `2 h 05 min`."""
    total = round(value)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"
