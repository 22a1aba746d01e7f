"""Open a file of a project: only a regular file of limited size that does not link out of its
folder.

A project may come from a stranger. In place of a table, a pipe would make its reader wait for ever,
a link to /dev/zero would fill the memory, and a link to a file elsewhere would have its content
shown or copied into the project.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import TextIO

MOST_BYTES = 1 << 28  # of a table, a document or a picture; videos.csv of 100,000 clips has 2**24
MOST_IMPORTED = 1 << 32  # of a file that the user names


def opened(
    path: Path | str, most: int | None = MOST_BYTES, *, links: bool = False
) -> io.BufferedReader:
    """Open a file for reading.

    Parameters
    ----------
    path
        The file.
    most
        Largest size in bytes, None = any.
    links
        Whether a link may lead out of its folder, as for a file that the user names.

    Raises
    ------
    PermissionError
        For anything but such a file, with the reason.
    OSError
        Of the system, such as FileNotFoundError.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # do not wait for a pipe
    if os.path.islink(path) and not links:  # noqa: PTH114 (faster, and there are many files)
        path = _inside(path)
    handle = os.open(path, flags if links else flags | getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, f"it is {_kind(status.st_mode)}, not a file")
        if most is not None and status.st_size > most:
            raise _refused(path, f"it has {status.st_size:,} bytes, at most {most:,} are read")
    except BaseException:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def opened_text(path: Path, encoding: str = "utf-8", newline: str | None = None) -> TextIO:
    """Open a file as text, as `opened`. newline: as for `open`."""
    return io.TextIOWrapper(opened(path), encoding, newline=newline)


def content(path: Path, most: int | None = MOST_BYTES, *, links: bool = False) -> bytes:
    """Read all bytes of a file, as `opened`."""
    with opened(path, most, links=links) as stream:
        return stream.read()


def text(
    path: Path,
    encoding: str = "utf-8",
    errors: str = "strict",
    *,
    most: int | None = MOST_BYTES,
    links: bool = False,
) -> str:
    """Read a file as text with line feeds, as `opened`. Raises UnicodeDecodeError, too."""
    with io.TextIOWrapper(opened(path, most, links=links), encoding, errors) as stream:
        return stream.read()


def _inside(link: Path | str) -> str:
    real = os.path.realpath(link)
    folder = os.path.realpath(Path(link).parent)
    if not Path(real).is_relative_to(folder):
        raise _refused(link, f"it is a link to {real}, outside its folder")
    return real


def _kind(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISDIR: "a folder"}
    return next((words for is_kind, words in kinds.items() if is_kind(mode)), "a device")


def _refused(path: Path | str, why: str) -> OSError:
    return PermissionError(errno.EACCES, why, os.fspath(path))
