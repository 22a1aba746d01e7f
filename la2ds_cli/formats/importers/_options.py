"""What the user tells about a pose file that the file itself does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from la2ds_cli.core.errors import ExitCode, UserError


@dataclass(frozen=True)
class ImportOptions:
    """What a pose file may not hold, given by hand; None = take it from the file.

    fps: frames per second. size: (width, height). skeleton: a name of core.skeleton. video:
    the video file, or a folder with one video for each clip, named like it. renamed: their joint
    name -> ours.
    """

    fps: float | None = None
    size: tuple[int, int] | None = None
    skeleton: str | None = None
    video: Path | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """UserError (exit 2) for options that contradict each other."""
        if self.video is not None and (self.fps is not None or self.size is not None):
            option = "--fps" if self.fps is not None else "--size"
            raise UserError(
                f"{option} and --video cannot be given together",
                hint=f"leave {option} out: the video has its own frame rate and size",
            )
        if self.video is not None and not self.video.exists():
            raise UserError(
                f"there is no video {self.video}",
                hint="check the path given with --video",
                exit_code=ExitCode.UNREADABLE,
            )
