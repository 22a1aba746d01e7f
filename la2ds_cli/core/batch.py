"""The outcome of one item of a batch, foreseen or not, and the exit code of the batch."""

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

    path: as the user named it; video: project id, empty if the item got none; code: stable code of
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
        """Plain dict for `--json` and report files."""
        return asdict(self)


def error_row(path: str, error: UserError, video: str = "", code: str = "") -> ItemResult:
    """The row of an item that failed with a known error. code: of an error that has none."""
    return ItemResult(path, video, "failed", 0, error.code or code, error.message, error.hint)


def fault(project: StoredProject, name: str, error: Exception) -> tuple[str, Path]:
    """An unexpected error in words: a bug in la2ds or in a library, or too little memory. Its
    traceback goes to the file logs/NAME.txt, the second value. Raises UserError (exit 7) if that
    cannot be written."""
    log = project.log_path(f"{name}.txt")
    artifact.write_text(log, "".join(traceback.format_exception(error)))
    if isinstance(error, MemoryError):
        return "it needs more memory than is available", log
    said, kind = first_line(error), type(error).__name__
    return kind if said == kind else f"{kind}: {said}", log


def unexpected(project: StoredProject, path: str, error: Exception, video: str = "") -> ItemResult:
    """The row of an item that failed with an unexpected error; see `fault`.

    Use it around the work on one item, after the known errors, so that one item does not end the
    others.
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
    """0 if every item is usable, 8 if some are not, 4 if none is."""
    usable = sum(result.usable for result in results)
    if usable == len(results) and results:
        return ExitCode.OK
    return ExitCode.PARTIAL if usable else ExitCode.UNUSABLE
