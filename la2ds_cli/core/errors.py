"""Errors a user can act on, and the exit codes of the command line (docs/reference/codes.md).

A `UserError` is printed as one sentence plus a hint; any other exception is a bug and keeps its
traceback (exit code 1).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from threading import Lock

from la2ds_models.startup import is_own_process


class ExitCode(IntEnum):
    """Process exit codes, one per failure mode."""

    OK = 0
    BUG = 1
    USAGE = 2
    UNREADABLE = 3  # an input that cannot be read: missing, corrupt, no video stream
    UNUSABLE = 4  # readable but unusable: no person, too short, nothing left in a batch
    MISMATCH = 5  # inputs that do not belong together: skeletons, labels, runs; project locked
    ENVIRONMENT = 6  # device, weights, offline, missing optional package
    STORAGE = 7  # disk full, read-only folder
    PARTIAL = 8  # a batch finished, some items failed
    OTHER_MOVEMENT = 10  # two clips that clearly do not show the same movement
    INTERRUPTED = 130


class UserError(Exception):
    """A problem the user can solve.

    message: one sentence that states the problem; hint: the next thing to type or do (may be
    empty); exit_code: None = that of the class; code: stable short code of the item status, e.g.
    `V001` (docs/reference/codes.md), may be empty.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, message: str, *, hint: str = "", exit_code: ExitCode | None = None, code: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code
        self.code = code

    def about(self, name: str) -> UserError:
        """The same error, with `name` in front of its message unless the message has it."""
        if name in self.message:
            return self
        return UserError(
            f"{name}: {self.message}", hint=self.hint, exit_code=self.exit_code, code=self.code
        )


class Unreadable(UserError):
    """An input that cannot be read (exit 3)."""

    exit_code = ExitCode.UNREADABLE


class Unusable(UserError):
    """An input that can be read but not used (exit 4)."""

    exit_code = ExitCode.UNUSABLE


class Mismatch(UserError):
    """Inputs that do not belong together, or a locked project (exit 5)."""

    exit_code = ExitCode.MISMATCH


class Unavailable(UserError):
    """A device, weights or a package that is not there (exit 6)."""

    exit_code = ExitCode.ENVIRONMENT


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The beginning of a hint that asks for the known name nearest to an unknown one; empty if none
    is near."""
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def check_choice(what: str, given: object, known: Collection[str]) -> None:
    """Raise UserError (exit 2) for the name of something that is none of the known ones."""
    if given not in known:
        hint = f"{did_you_mean(str(given), known)}known: {', '.join(known)}"
        raise UserError(f"unknown {what} '{given}'", hint=hint)


def first_line(error: BaseException) -> str:
    """The first line of a library's error message, at most 300 characters, or the class of the
    error if the message is empty. PyTorch's advice to load a file so that it could run code, which
    stands before its reason, is left out."""
    said = str(error).strip()
    if said.startswith("Weights only load failed"):
        reason = said.partition("WeightsUnpickler error:")[2] or said.partition("\n")[2]
        said = reason.strip().partition(". Please use")[0]
    return said.partition("\n")[0].strip()[:300] or type(error).__name__


# --- packages of an extra ---------------------------------------------------------------------


@contextmanager
def optional_import(
    modules: Sequence[str], missing: str, hint: str, *, repair: str = ""
) -> Iterator[None]:
    """Context for the import of an optional package; raises UserError (exit 6) if it fails.

    modules: top modules of the extra; if importing one of these fails as not found, the package
    counts as not installed. missing: the message in that case, in which {package} is the module.
    hint: what to do then. repair: what to do if the package is installed but cannot be imported,
    if that differs.
    """
    try:
        yield
    # With unsuitable versions of its dependencies a package raises anything: ImportError,
    # AttributeError or ValueError for numpy, TypeError for protobuf, OSError for a library.
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in modules:
            raise Unavailable(missing.format(package=error.name), hint=hint) from error
        said = f"the package {modules[0]} is installed but cannot be imported: {first_line(error)}"
        raise Unavailable(said, hint=repair or hint) from error


_STDERR, _SILENCED = 2, Lock()


@contextmanager
def silent() -> Iterator[None]:
    """Context in which nothing appears on the error stream of a command: LiteRT announces its
    delegate there, and Ray its settings, past any setting; what fails is an exception. The stream
    of a program that imports la2ds belongs to all of its threads and stays open."""
    if not is_own_process():
        yield
        return
    with _SILENCED, Path(os.devnull).open("wb") as nothing:
        sys.stderr.flush()
        real = os.dup(_STDERR)
        os.dup2(nothing.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(real, _STDERR)
            os.close(real)
