"""Imports of packages that come with an extra, and what to say where one fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from la2ds_cli.core.errors import ExitCode, UserError


@contextmanager
def optional_import(
    modules: Sequence[str], missing: str, hint: str, *, repair: str = ""
) -> Iterator[None]:
    """Around the import of an optional package; UserError (exit 6) where it fails.

    modules: top modules that the extra brings; only if one of these is not found, the package
    counts as not installed. missing: the sentence for that, in which {package} stands for the
    module. hint: what to do then. repair: what to do where the package is there and cannot be
    imported, if that is something else.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise _broken(modules[0], error, repair or hint) from error
        raise UserError(
            missing.format(package=error.name), hint=hint, exit_code=ExitCode.ENVIRONMENT
        ) from error
    # A package raises whatever it likes where the versions of what it needs do not fit: of numpy an
    # ImportError, AttributeError or ValueError, of protobuf a TypeError, of a library an OSError.
    except Exception as error:
        raise _broken(modules[0], error, repair or hint) from error


def reason(error: Exception) -> str:
    """The first line of an exception's message, or its class where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _broken(package: str, error: Exception, hint: str) -> UserError:
    return UserError(
        f"the package {package} is installed but cannot be imported: {reason(error)}",
        hint=hint,
        exit_code=ExitCode.ENVIRONMENT,
    )
