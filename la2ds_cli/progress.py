"""What a step may tell while it works. Steps call it; the command line draws it on stderr."""

from __future__ import annotations


class Progress:
    """Silent progress; la2ds_cli.console subclasses it with a bar, and steps default to it."""

    def begin(self, label: str, total: float | None = None) -> None:
        """Start a task of `total` units (None = unknown); ends the one before."""

    def advance(self, amount: float = 1) -> None:
        """Report `amount` more units done."""

    def end(self) -> None:
        """End the current task."""

    def note(self, text: str) -> None:
        """Say one line that the user should keep: a choice made, a warning."""
