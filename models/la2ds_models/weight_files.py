"""Weight files: the list of them (zoo.toml), where they lie on disk, and fetching what is missing.

Searched in this order: LA2DS_HOME/weights (or the user cache directory), then torch's own
checkpoint cache, where other tools may have put the same file. A download goes to a temporary name,
is checked against its hash and renamed; LA2DS_OFFLINE=1 forbids it.
"""

import hashlib
import http.client
import os
import socket
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from uuid import uuid4

from platformdirs import user_cache_dir

_TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 20


@dataclass(frozen=True)
class WeightFile:
    """One entry of zoo.toml.

    sha256: the digest in hex, or the start of it; empty for bundled files. ap: published COCO
    average precision, 0 = none. bundled: ships inside the package.
    """

    name: str
    file: str
    licence: str
    trained_on: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    ap: float = 0.0
    bundled: bool = False


class WeightError(Exception):
    """Weights cannot be used. advice: what a person can do about it, in one sentence."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class WeightsUnavailable(WeightError):
    """The file is not on disk and cannot be fetched."""


class WeightsDamaged(WeightError):
    """The file is on disk and its hash is wrong."""


def zoo() -> dict[str, WeightFile]:
    """All entries of zoo.toml by name."""
    text = (resources.files("la2ds_models") / "zoo.toml").read_text("utf-8")
    return {
        name: WeightFile(name=name, **{**entry, "urls": tuple(entry.get("urls", ()))})
        for name, entry in tomllib.loads(text).items()
    }


def weights_dir() -> Path:
    """Folder that downloads go to: LA2DS_HOME/weights, else the user's cache directory."""
    home = os.environ.get("LA2DS_HOME")
    return (Path(home) if home else Path(user_cache_dir("la2ds", appauthor=False))) / "weights"


def bundled_path(entry: WeightFile) -> Path:
    """Path of a bundled file; it exists in every installed package."""
    return Path(__file__).parent / entry.file


def find(entry: WeightFile) -> Path | None:
    """The local file of an entry, checked; None when there is none.

    Raises WeightsDamaged for a file in the la2ds folder whose hash is wrong. A wrong file in
    torch's cache is somebody else's and is passed over.
    """
    if entry.bundled:
        return bundled_path(entry)
    own = weights_dir() / entry.file
    if own.is_file():
        found = _digest(own)
        if not found.startswith(entry.sha256):
            raise WeightsDamaged(
                f"the weights {own} are damaged: sha256 {found[:16]}…, expected {entry.sha256}…",
                "delete the file and run the same command again",
            )
        return own
    shared = _torch_cache() / entry.file
    if shared.is_file() and _digest(shared).startswith(entry.sha256):
        return shared
    return None


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Local path of the weights `name`, downloaded where they are missing.

    progress: called with bytes done and bytes in all (0 = unknown). Raises WeightsUnavailable,
    naming hash, sources and the place to put the file by hand, WeightsDamaged, and KeyError for a
    name that zoo.toml does not have.
    """
    entry = zoo()[name]
    found = find(entry)
    if found:
        return found
    target = weights_dir() / entry.file
    if os.environ.get("LA2DS_OFFLINE", "0") not in ("", "0"):
        raise _unavailable(entry, target, ["LA2DS_OFFLINE is set"])
    failures = []
    for url in _sources(entry):
        try:
            _download(url, target, entry.sha256, progress)
            return target
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{url}: {_reason(error)}")
    raise _unavailable(entry, target, failures)


def _sources(entry: WeightFile) -> tuple[str, ...]:
    mirror = os.environ.get("LA2DS_MIRROR")
    return (f"{mirror.rstrip('/')}/{entry.file}", *entry.urls) if mirror else entry.urls


def _download(
    url: str, target: Path, sha256: str, progress: Callable[[int, int], None] | None
) -> None:
    """One attempt; OSError for the network and the disk, ValueError for a wrong hash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".download-{uuid4().hex}")
    try:
        with (
            temporary.open("xb") as file,
            urllib.request.urlopen(url, timeout=_TIMEOUT) as response,
        ):
            total, done = int(response.headers.get("Content-Length") or 0), 0
            while block := response.read(_BLOCK):
                file.write(block)
                done += len(block)
                if progress:
                    progress(done, total)
            file.flush()
            os.fsync(file.fileno())
        if total and done != total:
            raise ValueError(f"the transfer broke off after {done} of {total} bytes")
        found = _digest(temporary)
        if not found.startswith(sha256):
            raise ValueError(f"wrong content, sha256 {found[:16]}… instead of {sha256}…")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _torch_cache() -> Path:
    home = os.environ.get("TORCH_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache).expanduser() / "torch") / "hub" / "checkpoints"


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return "unreachable" if isinstance(error.reason, socket.gaierror) else str(error.reason)
    return str(error) or type(error).__name__


def _unavailable(entry: WeightFile, target: Path, failures: list[str]) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"the weights of {entry.name} are not on this machine and cannot be fetched "
        f"({'; '.join(failures)})",
        f"get {entry.file} (sha256 {entry.sha256}…) from {' or '.join(entry.urls)} "
        f"and put it at {target}",
    )
