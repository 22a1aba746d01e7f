"""A progress that keeps what it is told."""

from __future__ import annotations

from la2ds_cli.core.progress import Progress


class Notes(Progress):
    """lines: the notes, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)
