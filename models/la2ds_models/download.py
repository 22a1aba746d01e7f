"""Download one file from one of several addresses: resumable, checked, and written whole or not at
all.

Bytes are collected in FILE.part. The next attempt, in this process or a later one, requests the
rest (Range, RFC 9110 section 14.2), from any address. If the whole has another sha256, because the
server has another version, the part starts over. Only a file with the right sha256 gets its final
name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from la2ds_models.http_source import BrokenOff, Refused, host, network_errors, open_address

Progress = Callable[[int, int], None]
_BLOCK = 1 << 16
_MOST = 4 << 30  # bytes, for a file of unknown size whose server states no length


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    timeout: seconds to connect, and longest time without a byte; attempts: tries of one address in
    a row without progress; pause: seconds before the second attempt, doubled for each later one.
    """

    timeout: float = 30.0
    attempts: int = 3
    pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep


PATIENCE = Patience()


class DownloadFailed(Exception):
    """No address delivered the file; the message says why for each of them."""


class StorageProblem(Exception):
    """The folder cannot be written or is full. needed: bytes that do not fit, 0 = unknown."""

    def __init__(self, message: str, needed: int = 0) -> None:
        super().__init__(message)
        self.needed = needed


@contextlib.contextmanager
def exclusive(target: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Create the folder of `target` and let one process at a time work on that file.

    note: called if this process has to wait for another one. Raises StorageProblem.
    """
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    with _storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            note(f"another process is downloading {target.name}; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def download(
    urls: tuple[str, ...],
    target: Path,
    sha256: str,
    size: int = 0,
    progress: Progress | None = None,
    *,
    note: Callable[[str], None] | None = None,
    patience: Patience = PATIENCE,
) -> str:
    """Download `target` from the first of `urls` that delivers it, and return that address.

    The caller must hold `exclusive`.

    sha256: the digest in hex. size: bytes if known, to check the free space
    before any request. progress: called with bytes done and total bytes (0 = unknown). note: gets
    one line for each further attempt.

    Raises DownloadFailed and StorageProblem. The bytes received so far are kept for the next call,
    unless the hash was wrong.
    """
    part = _Part(target, sha256, size, progress or (lambda done, total: None))
    _check_space(target, size - part.received)
    failures = []
    for url in urls:
        try:
            _fetch_from(url, part, note, patience)
        except (Refused, BrokenOff) as error:
            failures.append(str(error))
            continue
        part.finish(target)
        return url
    raise DownloadFailed("; ".join(failures))


def store(target: Path, content: bytes) -> None:
    """Write `content` to `target`, whole or not at all. Raises StorageProblem."""
    with _storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    _check_space(target, len(content))
    with _storing(target):
        new = target.with_name(f".{target.name}.{os.getpid()}")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)


def _fetch_from(
    url: str, part: _Part, note: Callable[[str], None] | None, patience: Patience
) -> None:
    """Get the whole file from one address; attempts that made progress are not counted."""
    failed, furthest = 0, part.received
    while True:
        try:
            return part.fetch(url, patience.timeout)
        except BrokenOff as error:
            failed = 1 if part.received > furthest else failed + 1
            furthest = max(furthest, part.received)
            if failed >= patience.attempts:
                raise
            if note:
                note(f"{error}; trying again")
            patience.sleep(patience.pause * 2 ** (failed - 1))


class _Part:
    """The bytes of a file received so far, from any address. size: of the file, 0 = unknown."""

    def __init__(self, target: Path, sha256: str, size: int, progress: Progress) -> None:
        self._path = target.with_name(f"{target.name}.part")
        self._sha256, self._size, self._progress = sha256, size, progress

    @property
    def received(self) -> int:
        return self._path.stat().st_size if self._path.is_file() else 0

    def fetch(self, url: str, timeout: float) -> None:
        """Request what is missing, and check the whole. Raises Refused and BrokenOff."""
        offset = self.received
        if offset and self._digest() == self._sha256:
            return  # the process ended before it was given its name
        headers = {"User-Agent": "la2ds", "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={offset}-"} if offset else {}
        with open_address(url, headers, timeout) as response:
            if response.status == 200:
                offset, length = 0, response.length or 0
            elif (rest := _rest(response, offset)) is not None:
                length = rest
            else:  # 416: the file is shorter than what was received
                self._discard()
                raise BrokenOff(f"{host(url)}: now has another version of the file")
            usual = self._size + self._size // 100 + _BLOCK if self._size else _MOST
            if length > usual:
                self._discard()
                raise Refused(f"{host(url)}: offers {length:,} bytes for a file of {self._size:,}")
            _check_space(self._path, length - offset)
            self._progress(offset, length)
            self._receive(url, response, offset, length, length or usual)
        if length and self.received != length:
            raise BrokenOff(f"{host(url)}: interrupted after {self.received:,} of {length:,} bytes")
        actual = self._digest()
        if actual != self._sha256:
            self._discard()
            if offset:
                raise BrokenOff(f"{host(url)}: now has another version of the file")
            raise Refused(f"{url}: wrong content, sha256 {actual[:16]}… instead of {self._sha256}")

    def _receive(self, url: str, response: Any, done: int, length: int, most: int) -> None:
        with _storing(self._path):  # received bytes are on disk, whatever comes next
            file = self._path.open("ab" if done else "wb", buffering=0)
        with file:
            while True:
                with network_errors(url):
                    # read1 returns what has arrived; read waits for a full block, lost on a
                    # time-out
                    block = response.read1(_BLOCK)
                if not block:
                    return
                if done + len(block) > most:
                    self._discard()
                    raise Refused(f"{host(url)}: sent more than {most:,} bytes")
                with _storing(self._path):
                    _write_all(file, block)
                done += len(block)
                self._progress(done, length)

    def _digest(self) -> str:
        with _storing(self._path), self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _discard(self) -> None:
        with _storing(self._path):
            self._path.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        with _storing(target):
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
            self._path.replace(target)


def _write_all(file: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _rest(response: Any, offset: int) -> int | None:
    """Bytes of the whole file whose rest a response is, 0 = unknown; None if it is no such rest."""
    header = response.headers.get("Content-Range") or ""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header)
    if response.status != 206 or match is None or int(match[1]) != offset:
        return None
    return 0 if match[2] == "*" else int(match[2])


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageProblem(
            f"{path.parent} has {free / 1e6:,.1f} MB free and {needed / 1e6:,.1f} MB "
            f"({needed:,} bytes) are needed",
            needed,
        )


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageProblem(f"{path}: {error.strerror or error}") from error
