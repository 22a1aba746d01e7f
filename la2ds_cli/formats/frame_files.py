"""Folders with a file for each frame, whose names hold the clip and the number of the frame."""

from __future__ import annotations

import re
from pathlib import Path

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.formats.checks import FramesError, frame_number
from la2ds_cli.video.media_files import ordered


def folders_of(root: Path, name: re.Pattern[str], what: str, hint: str) -> list[Path]:
    """The folders in `root`, also itself, with files whose names match `name`, in natural order.

    Raises UserError (exit 3) if there is no such file; what: the kind of files, for the message.
    """
    folders = {path.parent for path in root.rglob("*") if name.fullmatch(path.name)}
    if not folders:
        raise UserError(f"there are no {what} in {root}", hint=hint, exit_code=ExitCode.UNREADABLE)
    return ordered(folders)


def clips_of(folder: Path, name: re.Pattern[str]) -> dict[str, dict[int, Path]]:
    """Clip -> number of the frame -> file, for the files of a folder whose names match `name` with
    its groups `clip` and `frame`. A clip without a name has that of the folder. Raises
    FramesError."""
    clips: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        if match := name.fullmatch(path.name):
            frames = clips.setdefault(match["clip"] or folder.name, {})
            frame = frame_number(match["frame"].lstrip("0") or "0", path.name)
            if frame in frames:
                raise FramesError(f"frame {frame} appears twice: {frames[frame].name}, {path.name}")
            frames[frame] = path
    return clips
