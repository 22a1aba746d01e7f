"""Errors that a user can act on, and exit codes of the command line (docs/reference/codes.md).

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
    """Process exit codes, one per kind of failure."""

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
    """A problem that the user can solve.

    message: one sentence that states the problem; hint: the next thing to type or do, may be empty;
    exit_code: None = that of the class; code: stable short code such as `V001`
    (docs/reference/codes.md), may be empty.
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
        """Return the same error, with `name` in front of its message unless it contains it."""
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
    """A device, weights or a package that is missing (exit 6)."""

    exit_code = ExitCode.ENVIRONMENT


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the beginning of a hint with the nearest of `names`; empty if none is near."""
    near = get_close_matches(name, list(names), n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def check_choice(what: str, name: object, names: Collection[str]) -> None:
    """Raise UserError (exit 2) for a name that is none of `names`. what: kind of thing it names."""
    if name not in names:
        hint = f"{did_you_mean(str(name), names)}known: {', '.join(names)}"
        raise UserError(f"unknown {what} '{name}'", hint=hint)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 300 characters, or its class.

    PyTorch's advice to load a file in a way that could run code is left out.
    """
    text = str(error).strip()
    if text.startswith("Weights only load failed"):
        reason = text.partition("WeightsUnpickler error:")[2] or text.partition("\n")[2]
        text = reason.strip().partition(". Please use")[0]
    return text.partition("\n")[0].strip()[:300] or type(error).__name__


# --- packages of an extra ---------------------------------------------------------------------


@contextmanager
def optional_import(
    modules: Sequence[str], missing: str, hint: str, *, repair: str = ""
) -> Iterator[None]:
    """Context for the import of an optional package. Raises UserError (exit 6) if it fails.

    Parameters
    ----------
    modules
        Top modules of the package; if one of them is not found, it counts as not installed.
    missing, hint
        Message and hint in that case; {package} in the message is the module.
    repair
        Hint if the package is installed but cannot be imported; empty = `hint`.
    """
    try:
        yield
    # With unsuitable versions of its dependencies a package raises anything: ImportError,
    # AttributeError or ValueError for numpy, TypeError for protobuf, OSError for a library.
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in modules:
            raise Unavailable(missing.format(package=error.name), hint=hint) from error
        reason = first_line(error)
        message = f"the package {modules[0]} is installed but cannot be imported: {reason}"
        raise Unavailable(message, hint=repair or hint) from error


_STDERR, _SILENCED = 2, Lock()


@contextmanager
def silent() -> Iterator[None]:
    """Context in which a command prints nothing on stderr; failures are exceptions.

    LiteRT announces its delegate there, and Ray its settings, and no setting prevents it. In a
    program that imports la2ds, stderr belongs to all its threads and stays as it is.
    """
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
