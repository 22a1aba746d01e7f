"""The only module that writes arrays: one artifact is one file, written atomically.

Every artifact carries its `Recipe` (step, version, configuration used, digests of its inputs)
in its own header; the digest of the recipe is the cache key. File names are never keys.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.errors import ExitCode, Unreadable, UserError, first_line
from la2ds_models.file_lock import NO_LOCKS

try:
    import fcntl
except ImportError:  # Windows, which does not delete a file that a process has open
    fcntl = None

T = TypeVar("T")
SCHEMA = 1
_HEADER = "la2ds"


@dataclass(frozen=True)
class Recipe:
    """Everything that an artifact was computed from.

    step: name of the step; version: raised when the step's code changes its output;
    config: the settings it used (JSON); inputs: name -> digest of content or key of the upstream
    artifact.
    """

    step: str
    version: int
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def key(self) -> str:
        """sha256 hex digest over the canonical JSON of the recipe."""
        return hashlib.sha256(_canonical(self.to_json()).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict of the fields."""
        return {**vars(self), "config": dict(self.config), "inputs": dict(self.inputs)}


class ArtifactError(UserError):
    """The file is not a readable artifact of la2ds: damaged, foreign or of another schema."""

    exit_code = ExitCode.UNREADABLE

    def __init__(self, message: str, hint: str = "delete the file and run its step again") -> None:
        super().__init__(message, hint=hint)


class MissingArtifact(ArtifactError):
    """There is no such file."""

    exit_code = ExitCode.UNUSABLE

    def __init__(self, message: str) -> None:
        super().__init__(message, "la2ds status shows what to run")


class UnreadableArtifact(ArtifactError):
    """The system refuses to read the file, whatever its content."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _canonical(data: Any) -> str:
    return encoded(_CANONICAL.encode(data)).decode()


def file_digest(path: Path) -> str:
    """Return the SHA-256 hex digest of a file's content, read in blocks."""
    with regular_file.opened(path, most=None, links=True) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


_TICK = 10**8  # ns; two changes of a file within a clock tick of the file system look like one


def once(read: Callable[[Path], T], path: Path) -> T:
    """Return read(path), cached until the file changes. read: a function at the top of a module.
    Raises UserError (exit 3) if the system refuses access to the file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return read(path)
    except OSError as error:
        raise cannot_read(path, error) from error
    if time.time_ns() - status.st_mtime_ns <= _TICK:
        return read(path)
    return _once(read, path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _once(read: Callable[[Path], Any], path: Path, *_state: int) -> Any:
    return read(path)


_projects: set[Path] = set()  # roots of the projects in use


def never_make(root: Path) -> None:
    """Never recreate this folder of a project when it is gone: the project was moved or renamed,
    and its old place would get half a project."""
    _projects.add(root)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        for root in _projects:
            if folder.is_relative_to(root) and not root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the project has been moved or removed")
    folder.mkdir(parents=True, exist_ok=True)


def cannot_write(path: Path, error: OSError) -> UserError:
    """Return the UserError (exit 7) for a path that the operating system refuses to write."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return UserError(
            f"cannot write {path}: a part of the path is a file, not a folder",
            hint="choose another folder, or move that file",
            exit_code=ExitCode.STORAGE,
        )
    if isinstance(error, IsADirectoryError):
        return UserError(
            f"cannot write {path}: it is a folder",
            hint="name a file, which may lie in that folder",
            exit_code=ExitCode.STORAGE,
        )
    if error.errno in NO_LOCKS:
        return UserError(
            f"cannot lock {path}: its file system has no locks ({error.strerror or error})",
            hint="move the project to another disk, or connect this one with locks; without them, "
            "two commands could write to the project at once",
            exit_code=ExitCode.STORAGE,
        )
    return UserError(
        f"cannot write {path}: {error.strerror or error}",
        hint="free some space or choose a writable folder, then run the same command again; "
        "finished items are kept",
        exit_code=ExitCode.STORAGE,
    )


def cannot_read(path: Path, error: OSError) -> UserError:
    """Return the UserError (exit 3) for a path that the operating system refuses to read."""
    return Unreadable(
        f"cannot read {path}: {error.strerror or error}",
        hint="check that it is a file and that you may read it",
    )


def write_bytes(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file atomically: temporary file in the same folder, fsync, rename, fsync of folder.

    Raises UserError (exit 7) if the folder cannot be written or the disk is full.
    """
    try:
        with temporary_beside(path) as temporary:
            with temporary.open("wb") as stream:
                stream.writelines([content] if isinstance(content, bytes) else content)
            replace_by(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error


def replace_by(written: Path, path: Path) -> None:
    """Rename a temporary file to `path`, safe against a power cut. Raises OSError."""
    with written.open("rb") as stream:
        os.fsync(stream.fileno())
    written.replace(path)
    with suppress(OSError):  # systems that cannot flush the new name of a file to disk
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --- temporary files of writers that were killed ---------------------------------------------

TEMPORARY = ".la2ds-tmp-"  # prefix of the names of temporary files
_ABANDONED = 60.0  # seconds since its last change after which a temporary file may be removed
_swept: set[Path] = set()


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders of killed writers in a folder, once per process.

    A writer keeps its file or folder locked, and the system releases the lock when the process
    ends.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY):
                with suppress(OSError):
                    old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED
                    if old and entry.is_file(follow_symlinks=False) and _is_free(entry.path):
                        Path(entry.path).unlink()
                    elif old and entry.is_dir(follow_symlinks=False) and _is_free(entry.path):
                        shutil.rmtree(entry.path)


@contextmanager
def temporary_beside(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Context with an empty temporary file, or folder, beside `path`. Move a file to `path` by
    `replace_by`; if it still exists at the end, it is removed. Raises OSError."""
    _make_folder(path.parent)
    sweep(path.parent)
    parent = path.parent
    name = tempfile.mkdtemp(dir=parent, prefix=TEMPORARY) if folder else _new_file(path)
    try:
        with _held(name):
            yield Path(name)
    finally:
        if folder:
            shutil.rmtree(name, ignore_errors=True)
        else:
            with suppress(OSError):  # it is swept later
                Path(name).unlink(missing_ok=True)


def _new_file(path: Path) -> str:
    """Make an empty temporary file beside `path` and return its name. It has the permission bits of
    any new file; mkstemp gives 0600, which nobody else can read."""
    while True:
        name = str(path.parent / f"{TEMPORARY}{secrets.token_hex(6)}{path.suffix}")
        with suppress(FileExistsError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
            return name


@contextmanager
def _held(path: str) -> Iterator[None]:
    """Context in which a file or folder is locked."""
    if fcntl is None:  # Windows does not rename a file that a process has open
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: the file is never swept
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _is_free(path: str) -> bool:
    """Return whether no process has a file or folder locked."""
    if fcntl is None:
        return Path(path).is_file()
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def encoded(text: str) -> bytes:
    """Encode text as UTF-8. Bytes of a file name that are not UTF-8, which Python keeps as lone
    surrogates, become escapes such as `\\udce9`, which JSON reads back as the same name."""
    return text.encode("utf-8", "backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write text by write_bytes, `encoded`."""
    write_bytes(path, encoded(text))


def write_json(path: Path, data: Any) -> None:
    """Write a JSON document (json_text) by write_text."""
    write_text(path, json_text(data))


def json_text(data: Any) -> str:
    """Return an indented JSON document; NaN raises ValueError, None is allowed."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    recipe: Recipe,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write arrays as safetensors with the recipe and JSON facts in the header."""
    from safetensors.numpy import save

    header = {"schema": SCHEMA, "key": recipe.key, "recipe": recipe.to_json(), "facts": facts or {}}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(path, save(contiguous, metadata={_HEADER: _canonical(header)}))


def _parse_header(
    path: Path | str, metadata: Mapping[str, str] | None
) -> tuple[Recipe, dict[str, Any]]:
    header = json.loads((metadata or {}).get(_HEADER, "null"))
    if not isinstance(header, dict):
        raise ArtifactError(f"{path} was not written by la2ds")
    facts = header.get("facts")
    kinds = {"info": dict, "skeleton": str}
    if not isinstance(facts, dict) or not all(
        isinstance(facts.get(name, kind()), kind) for name, kind in kinds.items()
    ):
        raise ArtifactError(f"{path} is damaged: its facts are not valid")
    if header.get("schema") != SCHEMA:
        raise ArtifactError(
            f"{path} has schema {str(header.get('schema'))[:40]}, expected {SCHEMA}"
        )
    return _recipe_of(header.get("recipe"), path), facts


def _recipe_of(content: Any, path: Path | str) -> Recipe:
    kinds = {"step": str, "version": int, "config": dict, "inputs": dict}
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), kind) for name, kind in kinds.items()
    ):
        raise ArtifactError(f"{path} is damaged: its recipe is not valid")
    return Recipe(**{name: content[name] for name in kinds})


def read_recipe(path: Path) -> Recipe:
    """Read the recipe stored in a JSON document. Raises ArtifactError."""
    with readable(path):
        return _recipe_of(json.loads(regular_file.text(path)), path)


# The errors that reading and using a JSON document of another program may raise.
FOREIGN = (
    *(OSError, ArithmeticError, AttributeError, LookupError, RecursionError),
    *(StopIteration, TypeError, ValueError),
)


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON document that la2ds keeps as a cache; empty if it is missing or damaged."""
    try:
        document = json.loads(regular_file.text(path))
    except FOREIGN:
        return {}
    return document if isinstance(document, dict) else {}


@contextmanager
def readable(path: Path | str, missing: str = "") -> Iterator[None]:
    """Turn errors of reading a file, and of unsuitable arrays or facts in it, into ArtifactError
    (exit 3). missing: the message for a missing file (exit 4)."""
    from safetensors import SafetensorError

    try:
        yield
    except (FileNotFoundError, NotADirectoryError, MissingArtifact) as error:
        raise MissingArtifact(missing or f"there is no {path}") from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise UnreadableArtifact(message, "check that you may read it") from error
    except RecursionError as error:
        raise ArtifactError(f"{path} is damaged: its header is nested too deeply") from error
    except KeyError as error:
        raise ArtifactError(f"{path} is damaged: {error} is missing") from error
    except (SafetensorError, *FOREIGN) as error:
        raise ArtifactError(f"{path} is damaged: {first_line(error)}") from error


@contextmanager
def _open(path: Path | str) -> Iterator[Any]:
    """Open an artifact by safetensors. Raises as `readable`."""
    from safetensors import safe_open

    with (
        readable(path),
        regular_file.opened(path, most=None),  # safe_open gives no reason for an error
        safe_open(path, framework="numpy") as handle,
    ):
        yield handle


def read_header(path: Path | str) -> tuple[Recipe, dict[str, Any]]:
    """Read recipe and facts without the arrays. Raises ArtifactError."""
    with _open(path) as handle:
        return _parse_header(path, handle.metadata())


def read_arrays(
    path: Path, names: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], Recipe, dict[str, Any]]:
    """Read arrays, recipe and facts. names: arrays to read if they exist; None = all. Raises
    ArtifactError."""
    with _open(path) as handle:
        recipe, facts = _parse_header(path, handle.metadata())
        # safe_open is not iterable; keys() is its only listing.
        present = [n for n in handle.keys() if names is None or n in names]  # noqa: SIM118
        return {name: handle.get_tensor(name) for name in present}, recipe, facts


def files_in(folder: Path) -> dict[str, str]:
    """Return the paths of artifacts in a folder, by name without ending, from one listing; empty if
    the folder does not exist."""
    ending = ".safetensors"
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return {e.name.removesuffix(ending): e.path for e in entries if e.name.endswith(ending)}
    return {}


def staleness(path: Path, recipe: Recipe) -> str | None:
    """Return why the artifact at `path` does not fit a recipe; None if it was made by it.

    Reasons read `missing`, `damaged`, `pose artifact version 1 -> 2`, `sigma: 0.6 -> 0.8`,
    `input poses changed`.
    """
    try:
        stored, _ = read_header(path)
    except MissingArtifact:
        return "missing"
    except ArtifactError:
        return "damaged"
    return None if stored.key == recipe.key else difference(stored, recipe)


def difference(old: Recipe, new: Recipe) -> str:
    """Return the changes from one recipe to another as text; empty if there are none."""
    reasons = []
    if old.step != new.step:
        reasons.append(f"made by step {old.step}")
    if old.version != new.version:
        reasons.append(f"{new.step} artifact version {old.version} -> {new.version}")
    for name in sorted(set(old.config) | set(new.config)):
        before, after = old.config.get(name), new.config.get(name)
        if before != after:
            reasons.append(f"{name}: {before} -> {after}")
    for name in sorted(set(old.inputs) | set(new.inputs)):
        if old.inputs.get(name) != new.inputs.get(name):
            reasons.append(f"input {name} changed")
    return "; ".join(reasons)
