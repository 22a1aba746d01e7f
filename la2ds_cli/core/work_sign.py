"""The sign on a terminal that a command is working, wherever no progress bar says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PATIENCE = 0.5  # seconds of silence before it appears
_CLEAR = "\r\x1b[K"


class WorkSign:
    """A line with the seconds that have passed, which all other output replaces.

    Packages take seconds to import, and steps to begin and end. Nobody reports these, so a thread
    looks for silence.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._begun = self._heard = time.monotonic()
        self._paused, self._line = False, ""
        self._thread = threading.Thread(target=self._watch, name="work sign", daemon=True)
        self._thread.start()

    def hide(self) -> None:
        """Make room for a line that is about to be printed."""
        with self._lock:
            if self._line:
                self._write(_CLEAR)
            self._line, self._heard = "", time.monotonic()

    def pause(self) -> None:
        """Leave the terminal to a progress bar."""
        with self._lock:
            self.hide()
            self._paused = True

    def resume(self) -> None:
        """Watch again, after a progress bar has ended."""
        with self._lock:
            self._paused, self._heard = False, time.monotonic()

    def end(self) -> None:
        """Take the sign away for good."""
        with self._lock:
            self._over.set()
            self.hide()

    def _watch(self) -> None:
        while not self._over.wait(PATIENCE / 2):
            with self._lock:
                now = time.monotonic()
                if self._over.is_set() or self._paused or now - self._heard < PATIENCE:
                    continue
                line = f"working, {now - self._begun:.0f} s"
                if line != self._line:
                    self._line = line
                    self._write(f"{_CLEAR}{line}")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal was closed
            self._over.set()


_current: list[WorkSign] = []
"""The sign of the running command, if it has one."""


@contextmanager
def work_sign(stream: TextIO) -> Iterator[None]:
    """Show the sign on a terminal while the block runs, up to the first line of a result."""
    sign = WorkSign(stream)
    _current.append(sign)
    try:
        yield
    finally:
        sign.end()
        _current.remove(sign)


def hide(*, for_good: bool = False) -> None:
    """Make room for a line, for_good: of a result, after which there is nothing to wait for."""
    for sign in _current:
        if for_good:
            sign.end()
        else:
            sign.hide()


def pause() -> None:
    """Leave the terminal to a progress bar."""
    for sign in _current:
        sign.pause()


def resume() -> None:
    """Watch again, after a progress bar has ended."""
    for sign in _current:
        sign.resume()
