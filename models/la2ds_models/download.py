"""Download one file from one of several addresses: resumable, checked, and written whole or not at
all.

Bytes are collected in FILE.part; FILE.part.json records their address and version. The next
attempt, in this process or a later one, requests the rest (Range with If-Range, RFC 9110 sections
13.1.5 and 14.2). A server that has another version or does not support ranges sends the whole file,
and the part starts over. Only a file with the right sha256 gets its final name.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class _Origin:
    """Where the bytes of a part come from. length: bytes of the whole file, 0 = unknown."""

    url: str
    etag: str = ""
    last_modified: str = ""
    length: int = 0

    @property
    def validator(self) -> str:
        """The validator for If-Range, which must be strong; empty if the version is unknown."""
        strong = self.etag and not self.etag.startswith("W/")
        return self.etag if strong else self.last_modified


class _Part:
    """The bytes received so far, with their origin in a second file."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._origin_path = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def origin(self) -> _Origin | None:
        try:
            return _Origin(**json.loads(self._origin_path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # missing, truncated or of another version: its part cannot be trusted

    def begin(self, origin: _Origin) -> None:
        """Start over with the bytes of `origin`."""
        with _storing(self.path):
            self.path.write_bytes(b"")
            self._origin_path.write_text(json.dumps(asdict(origin)), "utf-8")

    def discard(self) -> None:
        with _storing(self.path):
            self.path.unlink(missing_ok=True)
            self._origin_path.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        with _storing(target):
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            self.path.replace(target)
            self._origin_path.unlink(missing_ok=True)


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
    part = _Part(target)
    _check_space(target, size - part.size)
    failures = []
    for url in _begun_first(urls, part):
        try:
            _fetch_from(url, part, size, progress or (lambda done, total: None), note, patience)
            _check_content(url, part, sha256)
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


def _begun_first(urls: tuple[str, ...], part: _Part) -> list[str]:
    """The addresses, that of the part first: only there can it be completed."""
    origin = part.origin
    return sorted(urls, key=lambda url: origin is None or url != origin.url)


def _fetch_from(
    url: str,
    part: _Part,
    size: int,
    progress: Progress,
    note: Callable[[str], None] | None,
    patience: Patience,
) -> None:
    """Get the whole file from one address; attempts that made progress are not counted."""
    origin = part.origin
    failed, furthest = 0, part.size if origin and origin.url == url else 0
    while True:
        try:
            return _attempt(url, part, size, progress, patience.timeout)
        except BrokenOff as error:
            failed = 1 if part.size > furthest else failed + 1
            furthest = max(furthest, part.size)
            if failed >= patience.attempts:
                raise
            if note:
                note(f"{error}; trying again")
            patience.sleep(patience.pause * 2 ** (failed - 1))


def _attempt(url: str, part: _Part, size: int, progress: Progress, timeout: float) -> None:
    origin = part.origin
    offset = part.size if origin and origin.url == url and origin.validator else 0
    if origin and offset and offset == origin.length:
        return  # complete; the process ended before it could be checked
    headers = {"User-Agent": "la2ds", "Accept-Encoding": "identity"}
    if origin and offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": origin.validator}
    with open_address(url, headers, timeout) as response:
        if response.status == 200:
            offset, length = 0, response.length or 0
            part.begin(_origin(url, response.headers, length))
        elif offset and origin and _continues(response, offset, origin):
            length = origin.length
        else:  # 416: the file is now shorter; another range: it is another file
            part.discard()
            raise BrokenOff(f"{host(url)}: now has another version of the file")
        most = length or (size + size // 100 + _BLOCK if size else _MOST)
        if size and length > size + size // 100 + _BLOCK:
            part.discard()
            raise Refused(f"{host(url)}: offers {length:,} bytes for a file of {size:,}")
        _check_space(part.path, length - offset)
        progress(offset, length)
        _receive(url, response, part, offset, length, most, progress)
    if length and part.size != length:
        raise BrokenOff(f"{host(url)}: interrupted after {part.size:,} of {length:,} bytes")


def _receive(
    url: str,
    response: Any,
    part: _Part,
    done: int,
    length: int,
    most: int,
    progress: Progress,
) -> None:
    with _storing(part.path):
        file = part.path.open("ab", buffering=0)  # received bytes are on disk, whatever comes next
    with file:
        while True:
            with network_errors(url):
                # read1 returns what has arrived; read waits for a full block, lost on a time-out
                block = response.read1(_BLOCK)
            if not block:
                return
            if done + len(block) > most:
                part.discard()
                raise Refused(f"{host(url)}: sent more than {most:,} bytes")
            with _storing(part.path):
                _write_all(file, block)
            done += len(block)
            progress(done, length)


def _write_all(file: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _origin(url: str, headers: http.client.HTTPMessage, length: int) -> _Origin:
    return _Origin(url, headers.get("ETag") or "", headers.get("Last-Modified") or "", length)


def _continues(response: Any, offset: int, origin: _Origin) -> bool:
    """Whether a response is the rest of the file that the part begins."""
    header = response.headers.get("Content-Range") or ""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header)
    if response.status != 206 or match is None or int(match[1]) != offset:
        return False
    return match[2] == "*" or not origin.length or int(match[2]) == origin.length


def _check_content(url: str, part: _Part, sha256: str) -> None:
    with _storing(part.path), part.path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        part.discard()
        raise Refused(f"{url}: wrong content, sha256 {actual[:16]}… instead of {sha256}")


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
