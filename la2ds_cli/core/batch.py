"""The outcome of an item of a batch, and the exit code of the batch."""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import slug
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.stored_project import StoredProject

Status = Literal["ok", "cached", "degraded", "skipped", "failed"]


@dataclass(frozen=True)
class ItemResult:
    """The outcome of one item.

    path: as the user named it; video: project id, empty if there is none; code: of
    docs/reference/codes.md, empty without a problem; message, hint: one sentence each.
    """

    path: str
    video: str
    status: Status
    frames: int = 0
    code: str = ""
    message: str = ""
    hint: str = ""

    @property
    def usable(self) -> bool:
        """Whether later steps can use the item."""
        return self.status in ("ok", "cached", "degraded")

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict for `--json` and report files."""
        return asdict(self)


def error_row(path: str, error: UserError, video: str = "", code: str = "") -> ItemResult:
    """Return the row of an item that failed with a UserError. code: used if the error has none."""
    return ItemResult(path, video, "failed", 0, error.code or code, error.message, error.hint)


def fault(project: StoredProject, name: str, error: Exception) -> tuple[str, Path]:
    """Describe an unexpected error, and write its traceback to logs/NAME.txt; return both.

    The cause is a bug in la2ds or in a library, or too little memory. Raises UserError (exit 7) if
    the file cannot be written.
    """
    log = project.log_path(f"{name}.txt")
    artifact.write_text(log, "".join(traceback.format_exception(error)))
    if isinstance(error, MemoryError):
        return "it needs more memory than is available", log
    text, kind = first_line(error), type(error).__name__
    return kind if text == kind else f"{kind}: {text}", log


def unexpected(project: StoredProject, path: str, error: Exception, video: str = "") -> ItemResult:
    """Return the row of an item that failed with an unexpected error; see `fault`.

    Call it for any exception of one item but UserError, so that the batch continues.
    """
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    reason, log = fault(project, f"error-{slug(PurePath(path).stem)}-{digest}", error)
    return ItemResult(
        path,
        video,
        "failed",
        code="X001",
        message=f"{path} failed unexpectedly: {reason}",
        hint=f"the traceback is in {log}; please report it, with the file if you may share it",
    )


def batch_exit_code(results: Sequence[ItemResult]) -> ExitCode:
    """Return 0 if every item is usable, 8 if some are not, 4 if none is."""
    usable = sum(result.usable for result in results)
    if usable == len(results) and results:
        return ExitCode.OK
    return ExitCode.PARTIAL if usable else ExitCode.UNUSABLE
