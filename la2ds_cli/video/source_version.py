"""The version of a source that was read, so that a change of the file meanwhile is noticed.

Work on a video, a folder of images or a file of poses takes time, and its results are stored with
the digest of the source. `read_version` hashes the source before it is read, and `verified`
compares it after reading and before anything is stored. If the stamp of the file is the same, so is
its content; if it differs, as for a copy, the content is compared.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from la2ds_cli.core.errors import Unreadable
from la2ds_cli.video.media_files import content_digest

_TICK = 2 * 10**7  # ns; two changes within a clock tick of the file system look like one
_TRIES = 3  # to hash a file without a change meanwhile


class SourceChanged(Unreadable):
    """V014 (exit 3): a source has changed since its reading began."""

    def __init__(self, path: Path, what: str = "changed while it was read") -> None:
        super().__init__(
            f"{path} {what}",
            hint="wait until nothing writes to it, then run the same command again",
            code="V014",
        )


@dataclass(frozen=True)
class SourceVersion:
    """The content that a file or a folder of images had when it was hashed.

    path: resolved. digest: by content_digest. stamp: by read_stamp, from before it was hashed.
    """

    path: Path
    digest: str
    stamp: str

    def verified(self) -> SourceVersion:
        """Return the version with the current stamp, if the source still has this content. Raises
        SourceChanged if it has other content, is gone, or cannot be read."""
        try:
            stamp = read_stamp(self.path)
            now = self if stamp == self.stamp else _version_at(self.path, stamp)
        except OSError as error:
            gone = not os.path.lexists(self.path)
            what = "was moved or deleted" if gone else "could no longer be read"
            raise SourceChanged(self.path, f"{what} while it was in use") from error
        if now.digest != self.digest:
            raise SourceChanged(self.path)
        return now


def read_version(path: Path) -> SourceVersion:
    """Hash a source, again if it changes meanwhile, and return its version.

    path: a file or a folder of images; links are resolved once. Raises SourceChanged if it changes
    each time while it is hashed, and OSError if it cannot be read.
    """
    path = path.resolve()
    for _ in range(_TRIES):
        before = read_stamp(path)
        digest = content_digest(path)
        if read_stamp(path) == before:
            return SourceVersion(path, digest, before)
    raise SourceChanged(path, "changes while it is read")


def has_content(path: Path, digest: str, stamp: str = "") -> bool:
    """Return whether a source has the content with this digest.

    It is hashed only if its stamp differs from `stamp`, which it had with this content, and once in
    a process.

    Raises SourceChanged and OSError as `read_version`.
    """
    now = read_stamp(path)
    return now == stamp or _version_at(path, now).digest == digest


@lru_cache(maxsize=1 << 14)
def _version_at(path: Path, stamp: str) -> SourceVersion:
    return read_version(path)


def read_stamp(path: Path, *, below: bool = False) -> str:
    """Return 16 hex digits that differ whenever a file, or a file of a folder, has been changed.

    They come from the inode, the size and the times of each file. The number of the disk is left
    out: it changes when a disk is connected again. If a file has just been changed, the call waits
    until a further change would show. below: whether files in subfolders of a folder count, too.
    Raises OSError if the path does not exist or cannot be read.
    """
    states = [*_states(path, below)]
    latest = max((max(state.st_mtime_ns, state.st_ctime_ns) for _, state in states), default=0)
    if 0 <= (age := time.time_ns() - latest) < _TICK:
        time.sleep((_TICK - age) / 1e9)
        states = [*_states(path, below)]
    return _digest(states)


def _states(path: Path, below: bool) -> Iterator[tuple[str, os.stat_result]]:
    state = path.stat()
    if not stat.S_ISDIR(state.st_mode):
        yield "", state
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(folder, name)  # noqa: PTH118 (faster, and there are many files)
            yield os.path.relpath(file, path), os.stat(file)  # noqa: PTH116
        if not below:
            return


def _digest(states: Iterable[tuple[str, os.stat_result]]) -> str:
    total = hashlib.sha256()
    for name, state in states:
        facts = state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
        total.update(os.fsencode(f"{name}\0{facts}\0"))
    return total.hexdigest()[:16]
