"""What can be wrong with a pose file: one exception per item code (docs/exit-codes.md)."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError


class PoseFileError(Exception):
    """I001: the file is not what its format says. The message says where and what, not the file."""

    code = "I001"
    exit_code = ExitCode.UNREADABLE
    usual_hint = "check that the file is whole and that the format is the right one"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.usual_hint

    def user_error(self, path: Path) -> UserError:
        """The error of a command that was given this one clip."""
        return UserError(
            f"{path}: {self}", hint=self.hint, exit_code=self.exit_code, code=self.code
        )

    def item(self, path: Path) -> ItemResult:
        """The row of this clip in a batch."""
        message = f"{path.name}: {self}"
        return ItemResult(str(path), "", "failed", code=self.code, message=message, hint=self.hint)


class JointsError(PoseFileError):
    """I002: the joints do not fit the skeleton, or no skeleton is known for them."""

    code = "I002"
    exit_code = ExitCode.MISMATCH
    usual_hint = "name the joint order with --skeleton NAME"


class FramesError(PoseFileError):
    """I003: frame numbers are missing, double or no numbers."""

    code = "I003"
    exit_code = ExitCode.MISMATCH
    usual_hint = "write the file again with one frame number for each frame of the video"


class VideoError(PoseFileError):
    """I004: the video given with --video is not the one that the poses were made from."""

    code = "I004"
    exit_code = ExitCode.MISMATCH
    usual_hint = "give the video that the poses were made from, or leave --video out"
