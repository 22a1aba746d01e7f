"""Lines that native libraries write to the process's error stream, past any setting of theirs."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

_STDERR = 2
_LOCK = Lock()


@contextmanager
def without_lines(patterns: Sequence[str]) -> Iterator[None]:
    """Keep back lines of the error stream that begin with one of the regular expressions.

    Everything else that anybody writes there in the meantime follows when the block ends.
    """
    with _LOCK, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        real = os.dup(_STDERR)
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, _STDERR)
            os.close(real)
            caught.seek(0)
            rest = without(caught.read(), patterns)
            if rest:
                os.write(_STDERR, rest)


def without(text: bytes, patterns: Sequence[str]) -> bytes:
    """The text less its lines that begin with one of the regular expressions."""
    noise = re.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode())
    return b"".join(line for line in text.splitlines(keepends=True) if not noise.match(line))
