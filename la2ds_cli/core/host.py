"""Restore the global state of a program that uses la2ds as a library.

Most of it never changes: threads are limited where they are used (`core.device`), folders and
import hooks belong to processes of la2ds's own (`la2ds_models.startup`). What remains are traces of
packages that la2ds is the first to import: some set environment variables, which child processes
inherit, and one draws from Python's random numbers. Warning filters and loggers that a package adds
when it is imported are its own and stay.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from la2ds_models.startup import is_own_process

# Set by cv2, by threadpoolctl and scikit-learn, and by torch._inductor.
VARIABLES = (
    *("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "QT_QPA_FONTDIR", "QT_QPA_PLATFORM_PLUGIN_PATH"),
    *("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR"),
)
_DRAWS = "rich.style"


@contextmanager
def unchanged_process() -> Iterator[None]:
    """Undo what packages imported within the block change in the process.

    Calls in several threads share one block, from the first that begins to the last that ends. Does
    nothing in a process of la2ds's own.
    """
    global _users, _before
    if is_own_process():
        yield
        return
    with _changing:
        if not _users:
            _before = {name: os.environ[name] for name in VARIABLES if name in os.environ}
            _import_what_draws()
        _users += 1
    try:
        yield
    finally:
        with _changing:
            _users -= 1
            if not _users:
                restore_environment(_before, VARIABLES)


_changing = threading.Lock()
_users = 0
_before: Mapping[str, str] = {}


def restore_environment(before: Mapping[str, str], names: Iterable[str]) -> None:
    """Set or remove environment variables so that they are as `before`."""
    for name in names:
        if name not in before:
            os.environ.pop(name, None)
        elif os.environ.get(name) != before[name]:
            os.environ[name] = before[name]


def _import_what_draws() -> None:
    """Import the module that draws a random number at import, and restore the random state."""
    if _DRAWS not in sys.modules:
        state = random.getstate()
        importlib.import_module(_DRAWS)
        random.setstate(state)
