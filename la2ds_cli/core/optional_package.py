"""Imports of packages from an extra, and the errors if one fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from la2ds_cli.core.errors import ExitCode, UserError, first_line


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
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise _broken(modules[0], error, repair or hint) from error
        raise UserError(
            missing.format(package=error.name), hint=hint, exit_code=ExitCode.ENVIRONMENT
        ) from error
    # With unsuitable versions of its dependencies a package raises anything: ImportError,
    # AttributeError or ValueError for numpy, TypeError for protobuf, OSError for a library.
    except Exception as error:
        raise _broken(modules[0], error, repair or hint) from error


def _broken(package: str, error: Exception, hint: str) -> UserError:
    return UserError(
        f"the package {package} is installed but cannot be imported: {first_line(error)}",
        hint=hint,
        exit_code=ExitCode.ENVIRONMENT,
    )
