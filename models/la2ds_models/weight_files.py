"""Weight files: their list (zoo.toml), and their paths.

Files are searched in LA2DS_HOME/weights (or the user cache directory), then in torch's own
checkpoint cache, where other tools may have put the same file. la2ds_models.download downloads
missing files. LA2DS_OFFLINE=1 forbids the network.
"""

import hashlib
import os
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # no folder, no drive, no "..", not hidden


@dataclass(frozen=True)
class WeightFile:
    """An entry of zoo.toml; raises ValueError for a file name that could point outside its folder.

    sha256: the digest in hex, or the start of it if no more is published; such a file is never
    downloaded, since it could not be verified. size: bytes, 0 = unknown until the server is asked.
    ap: published COCO average precision, 0 = none. kind: `frames` = features of whole video frames,
    `alignment` = an alignment network. bundled: the file is part of the package, and `file` is its
    path there. code: the software that runs the weights, and its licence. wheel, member:
    `name==version` of the Python package that contains the file, and its name there; `size` is then
    known. needs: other entries that this one requires.
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
    wheel: str = ""
    member: str = ""
    needs: tuple[str, ...] = ()

    @property
    def digest_text(self) -> str:
        """Digest for messages; marked if only its start is published."""
        start = f"{self.sha256}... (the first {len(self.sha256)} digits)"
        return self.sha256 if self.verifiable else start

    @property
    def verifiable(self) -> bool:
        """Whether the whole digest is known."""
        return len(self.sha256) == 64

    def __post_init__(self) -> None:
        parts = self.file.split("/") if self.bundled else [self.file]
        if not all(_PLAIN.fullmatch(part) for part in parts):
            raise ValueError(f"{self.name}: {self.file!r} is not a plain file name")


class WeightError(Exception):
    """Weights are damaged, or missing and cannot be downloaded."""


class WeightsNotStored(WeightError):
    """The folder cannot be written or is full."""


@cache  # the file is long and read often
def zoo() -> dict[str, WeightFile]:
    """Return all entries of zoo.toml by name."""
    entries = {}
    for name, entry in tomllib.loads((_HERE / "zoo.toml").read_text("utf-8")).items():
        lists = {key: tuple(entry.get(key, ())) for key in ("urls", "needs")}
        entries[name] = WeightFile(name=name, **{**entry, **lists})
    return entries


def offline_reason() -> str:
    """Return why the network may not be used; empty if it may."""
    forbidden = os.environ.get("LA2DS_OFFLINE", "0") not in ("", "0")
    return "--offline or LA2DS_OFFLINE is set" if forbidden else ""


def weights_dir() -> Path:
    """Return the folder for downloads: LA2DS_HOME/weights, or `weights` in the user's cache."""
    from platformdirs import user_cache_dir

    home = os.environ.get("LA2DS_HOME")
    return (Path(home) if home else Path(user_cache_dir("la2ds", appauthor=False))) / "weights"


def bundled_path(entry: WeightFile) -> Path:
    """Return the path of a bundled file, which every installed package contains."""
    return _HERE / entry.file


def own_path(entry: WeightFile) -> Path:
    """Return the path at which la2ds keeps the file of an entry, downloaded or not."""
    return bundled_path(entry) if entry.bundled else weights_dir() / entry.file


def find(entry: WeightFile) -> Path | None:
    """Return the local file of an entry, with its hash checked; None if there is none.

    Raises WeightError for a file in the la2ds folder whose hash is wrong. A file with a wrong hash
    in torch's cache belongs to others and is ignored. A bundled file is not checked.
    """
    own, shared = own_path(entry), _torch_cache() / entry.file
    if entry.bundled:
        return own
    if own.is_file():
        actual = digest(own)
        if not actual.startswith(entry.sha256):
            raise WeightError(
                f"the weights {own} are damaged: sha256 {actual[:16]}…, "
                f"expected {entry.digest_text}"
            )
        return own
    return shared if shared.is_file() and digest(shared).startswith(entry.sha256) else None


def present(entry: WeightFile) -> Path | None:
    """Return the local file of an entry, without a check of its content; None if there is none."""
    paths = own_path(entry), _torch_cache() / entry.file
    return next((path for path in paths if path.is_file()), None)


def origin(entry: WeightFile, path: Path) -> str:
    """Return where a file returned by `find` lies, in words for the user."""
    if entry.bundled:
        return "part of la2ds"
    return "in the weights folder" if path == own_path(entry) else "in torch's cache"


def sources(entry: WeightFile) -> tuple[str, ...]:
    """Return the addresses of a file in the order of use: the user's mirror first."""
    mirror = os.environ.get("LA2DS_MIRROR")
    if not mirror or entry.bundled:
        return entry.urls
    return (f"{mirror.rstrip('/')}/{entry.file}", *entry.urls)


def digest(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _torch_cache() -> Path:
    home = os.environ.get("TORCH_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache).expanduser() / "torch") / "hub" / "checkpoints"
