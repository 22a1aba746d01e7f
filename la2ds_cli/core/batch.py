"""The outcome of one item of a batch, and the exit code of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from la2ds_cli.core.errors import ExitCode

Status = Literal["ok", "cached", "degraded", "skipped", "failed"]


@dataclass(frozen=True)
class ItemResult:
    """The outcome of one item.

    path: as the user named it; video: project id, empty if the item got none; code: stable code of
    docs/exit-codes.md, empty without a problem; message, hint: one sentence each.
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


def batch_exit_code(results: Sequence[ItemResult], *, strict: bool = False) -> ExitCode:
    """0 if every item is usable, 8 if some are not, 4 if none is.

    strict: return 8 also if a usable item has a code, such as a degraded one.
    """
    usable = sum(result.usable for result in results)
    if strict and usable and any(result.code for result in results):
        return ExitCode.PARTIAL
    if usable == len(results) and results:
        return ExitCode.OK
    return ExitCode.PARTIAL if usable else ExitCode.UNUSABLE
