"""Locks on files."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

# errors of a file system without locks
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})


def system_lock(path: Path, timeout: float = -1) -> BaseFileLock:
    """Return the lock of a file, which ends with its process.

    It is always a lock of the system: a file that represents a lock would stay after a kill, and be
    copied with its folder. Acquiring it raises OSError (with an `errno` of NO_LOCKS if the file
    system has no locks) and, after `timeout` seconds (below 0 = wait for ever), filelock.Timeout.
    """
    from filelock import FileLock

    return FileLock(path, timeout, fallback_to_soft=False)
