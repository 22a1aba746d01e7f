"""Weight files: the list of them (zoo.toml), where they lie on disk, and fetching what is missing.

Searched in this order: LA2DS_HOME/weights (or the user cache directory), then torch's own
checkpoint cache, where other tools may have put the same file. LA2DS_OFFLINE=1 forbids the
network. The transfer itself is la2ds_models.download.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_dir

from la2ds_models.download import (
    PATIENCE,
    DownloadFailed,
    Patience,
    Progress,
    StorageProblem,
    download,
    exclusive,
)

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # no folder, no drive, no "..", not hidden


@dataclass(frozen=True)
class WeightFile:
    """One entry of zoo.toml.

    sha256: the digest in hex, or the start of it. size: bytes, 0 = not known before the server is
    asked. ap: published COCO average precision, 0 = none. kind: frames = features of whole video
    frames; alignment = an alignment network. bundled: ships inside the package, and `file` is then
    a path in it. code: the software that runs the weights, and its licence.

    Raises ValueError for a file name that could lead out of its folder.
    """

    name: str
    file: str
    licence: str
    trained_on: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    ap: float = 0.0
    bundled: bool = False
    kind: Literal["pose", "detector", "frames", "alignment"] = "pose"
    size: int = 0
    code: str = ""

    def __post_init__(self) -> None:
        parts = self.file.split("/") if self.bundled else [self.file]
        if not all(_PLAIN.fullmatch(part) for part in parts):
            raise ValueError(f"{self.name}: {self.file!r} is not a plain file name")


class WeightError(Exception):
    """Weights cannot be used. advice: what a person can do about it, in one sentence."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class WeightsUnavailable(WeightError):
    """The file is not on disk and cannot be fetched."""


class WeightsDamaged(WeightError):
    """The file is on disk, its hash is wrong, and it cannot be fetched again."""


class WeightsNotStored(WeightError):
    """The folder cannot be written or is full. needed: bytes that do not fit, 0 = unknown."""

    def __init__(self, message: str, advice: str, needed: int) -> None:
        super().__init__(message, advice)
        self.needed = needed


def zoo() -> dict[str, WeightFile]:
    """All entries of zoo.toml by name."""
    text = (resources.files("la2ds_models") / "zoo.toml").read_text("utf-8")
    return {
        name: WeightFile(name=name, **{**entry, "urls": tuple(entry.get("urls", ()))})
        for name, entry in tomllib.loads(text).items()
    }


def offline_reason() -> str:
    """Why the network may not be used; empty when it may."""
    forbidden = os.environ.get("LA2DS_OFFLINE", "0") not in ("", "0")
    return "--offline or LA2DS_OFFLINE is set" if forbidden else ""


def weights_dir() -> Path:
    """Folder that downloads go to: LA2DS_HOME/weights, else the user's cache directory."""
    home = os.environ.get("LA2DS_HOME")
    return (Path(home) if home else Path(user_cache_dir("la2ds", appauthor=False))) / "weights"


def bundled_path(entry: WeightFile) -> Path:
    """Path of a bundled file; it exists in every installed package."""
    return Path(__file__).parent / entry.file


def own_path(entry: WeightFile) -> Path:
    """Where the file of an entry lies, or would lie after a download."""
    return bundled_path(entry) if entry.bundled else weights_dir() / entry.file


def find(entry: WeightFile) -> Path | None:
    """The local file of an entry, checked; None when there is none.

    Raises WeightsDamaged for a file in the la2ds folder whose hash is wrong. A wrong file in
    torch's cache is somebody else's and is passed over. A bundled file is not read.
    """
    if entry.bundled:
        return bundled_path(entry)
    own = own_path(entry)
    if own.is_file():
        actual = digest(own)
        if not actual.startswith(entry.sha256):
            raise WeightsDamaged(
                f"the weights {own} are damaged: sha256 {actual[:16]}…, expected {entry.sha256}",
                "delete the file and run the same command again",
            )
        return own
    shared = _torch_cache() / entry.file
    if shared.is_file() and digest(shared).startswith(entry.sha256):
        return shared
    return None


def present(entry: WeightFile) -> Path | None:
    """The local file of an entry, whose content is not checked; None if there is none."""
    paths = [own_path(entry)] if entry.bundled else [own_path(entry), _torch_cache() / entry.file]
    return next((path for path in paths if path.is_file()), None)


def fetch(
    name: str,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
    *,
    offline: bool = False,
    patience: Patience = PATIENCE,
) -> Path:
    """Local path of the weights `name`, downloaded where they are missing.

    progress: called with bytes done and bytes in all (0 = unknown); a transfer that broke off goes
    on where it stopped. note: gets one line about a damaged file, a wait or another attempt. A
    damaged file in the la2ds folder is moved to FILE.damaged and fetched again. Two processes may
    ask for the same file at once; one of them downloads it.

    Raises WeightsUnavailable, naming hash, sources and the path for a file downloaded by hand,
    WeightsDamaged (offline), WeightsNotStored, and KeyError for a name that zoo.toml lacks.
    """
    entry = zoo()[name]
    urls = sources(entry)
    reason = "--offline" if offline else offline_reason()
    if reason or not urls:
        path = find(entry)
        if path:
            return path
        raise unavailable(entry, reason or "no source is known")
    try:
        path = find(entry)
        if path:
            return path
    except WeightsDamaged:
        pass  # looked at again under the lock, where nobody else is replacing it
    return _fetch(entry, urls, progress, note or (lambda text: None), patience)


def _fetch(
    entry: WeightFile,
    urls: tuple[str, ...],
    progress: Progress | None,
    note: Callable[[str], None],
    patience: Patience,
) -> Path:
    target = own_path(entry)
    try:
        with exclusive(target, note):
            path = _find_or_move_aside(entry, note)
            if path:
                return path
            download(urls, target, entry.sha256, entry.size, progress, note=note, patience=patience)
            _damaged(target).unlink(missing_ok=True)
            return target
    except StorageProblem as error:
        raise WeightsNotStored(
            f"cannot store the weights of {entry.name}: {error}",
            "free some space, or name another folder with LA2DS_HOME",
            error.needed,
        ) from error
    except DownloadFailed as error:
        raise unavailable(entry, str(error)) from error


def _find_or_move_aside(entry: WeightFile, note: Callable[[str], None]) -> Path | None:
    target = own_path(entry)
    try:
        return find(entry)
    except WeightsDamaged as error:
        try:
            target.replace(_damaged(target))
        except OSError as problem:
            raise StorageProblem(f"{target}: {problem.strerror or problem}") from problem
        note(f"{error}; moved to {_damaged(target).name}, fetching it again")
        return None


def _damaged(target: Path) -> Path:
    return target.with_name(f"{target.name}.damaged")


def sources(entry: WeightFile) -> tuple[str, ...]:
    """Addresses in the order they are tried: the user's mirror first."""
    mirror = os.environ.get("LA2DS_MIRROR")
    if not mirror or entry.bundled:
        return entry.urls
    return (f"{mirror.rstrip('/')}/{entry.file}", *entry.urls)


def digest(path: Path) -> str:
    """sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unavailable(entry: WeightFile, reason: str) -> WeightsUnavailable:
    """The error for weights that are not here, with a sentence on how to bring them."""
    return WeightsUnavailable(
        f"the weights of {entry.name} are not on this machine and cannot be fetched ({reason})",
        f"get {entry.file} (sha256 {entry.sha256}) from {' or '.join(sources(entry))} "
        f"and put it at {own_path(entry)}",
    )


def _torch_cache() -> Path:
    home = os.environ.get("TORCH_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache).expanduser() / "torch") / "hub" / "checkpoints"
