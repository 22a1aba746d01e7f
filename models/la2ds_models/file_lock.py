"""The one way in which a file is locked."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

# Errors of a file system without locks.
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})


def system_lock(path: Path, timeout: float = -1) -> BaseFileLock:
    """Return the lock of a file, which ends with its process.

    Without locks of the system it is refused: a file that stands for a lock stays after a kill, and
    travels with a copy of its folder.

    Parameters
    ----------
    timeout : seconds to wait for it, below 0 = for ever

    Raises
    ------
    OSError : when it is taken; its `errno` is one of NO_LOCKS without locks of the system
    filelock.Timeout : when it is taken, after `timeout`
    """
    from filelock import FileLock

    return FileLock(path, timeout, fallback_to_soft=False)
