"""The video that a pose file was made from: its time stamps and its size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.clip import VIDEO_SUFFIXES
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import VideoError
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


def source_of(video: Path | None, clip: str, *, only: bool) -> SourceVideo | None:
    """The video of a clip: the file `video`, or the file with this stem in the folder `video`,
    decoded once for its time stamps.

    Returns None without `video`. only: whether the import has no other clip, as required for a
    single video. Raises VideoError if the file does not exist, cannot be read, or would serve two
    clips.
    """
    if video is None:
        return None
    if video.is_dir():
        files = [
            path
            for path in sorted(video.iterdir())
            if path.stem == clip and path.suffix.lower() in VIDEO_SUFFIXES
        ]
        if not files:
            raise VideoError(
                f"there is no video called {clip} in {video}",
                f"name it {clip}.mp4, or import this clip without --video",
            )
        video = files[0]
    elif not only:
        raise VideoError(
            f"one video, {video.name}, was given for several clips",
            "give --video a folder with one video for each clip, with the clip's name",
        )
    try:
        info = probe(video)
        time = np.array([frame.time for frame in read_frames(video)])
    except UserError as error:
        raise VideoError(error.message, error.hint) from error
    size = info.width, info.height
    return SourceVideo(video.resolve(), file_digest(video), time, info.fps, size)
