"""What the user is told: a progress that keeps it, and a refusal with its exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress


class Notes(Progress):
    """lines: the notes, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@contextmanager
def refused(
    code: ExitCode, match: str | None = None, reason: str | None = None
) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """What is in here ends in a UserError with this exit code, a message that fits `match`, and
    this code of docs/reference/codes.md."""
    with pytest.raises(UserError, match=match) as caught:
        yield caught
    assert caught.value.exit_code == code
    assert reason in (None, caught.value.code)
