"""The video that a pose file was made from: its time stamps and its size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.importers._problems import VideoError
from la2ds_cli.video.media_files import VIDEO_SUFFIXES
from la2ds_cli.video.reader import probe, read_frames


@dataclass(frozen=True)
class SourceVideo:
    """A video file. time: (V,) seconds of every frame that can be decoded."""

    path: Path
    digest: str
    time: FloatArray
    fps: float
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.time)


def read_source(path: Path) -> SourceVideo:
    """Decode a video once for its time stamps; UserError as la2ds_cli.video.reader.probe."""
    info = probe(path)
    time = np.array([frame.time for frame in read_frames(path)])
    return SourceVideo(path.resolve(), file_digest(path), time, info.fps, (info.width, info.height))


def source_of(video: Path | None, clip: str, *, only: bool) -> SourceVideo | None:
    """The video of a clip: the file `video`, or in the folder `video` the file of that stem.

    None without `video`. only: whether it is the only clip, as it must be for a file. Raises
    VideoError for a file that is not there or cannot be read, or that two clips would share.
    """
    if video is None:
        return None
    if video.is_dir():
        found = [
            path
            for path in sorted(video.iterdir())
            if path.stem == clip and path.suffix.lower() in VIDEO_SUFFIXES
        ]
        if not found:
            raise VideoError(
                f"there is no video called {clip} in {video}",
                f"name it {clip}.mp4, or import this clip without --video",
            )
        video = found[0]
    elif not only:
        raise VideoError(
            f"one video, {video.name}, was given for several clips",
            "give --video a folder with one video for each clip, named like it",
        )
    try:
        return read_source(video)
    except UserError as error:
        raise VideoError(error.message, error.hint) from error
