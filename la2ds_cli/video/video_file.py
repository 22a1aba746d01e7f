"""A video of a project as its clip reads it: the file and the options of the clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.project import Project
from la2ds_cli.video.media_files import is_image_folder, is_video_file
from la2ds_cli.video.reader import Frame, read_frames


@dataclass(frozen=True)
class VideoFile:
    """path: a video file or a folder of images. Frame.source of its frames is the `frame` of a
    pose sequence, Frame.index its row where nothing was resampled."""

    path: Path
    options: ClipOptions = field(default_factory=ClipOptions)

    def frames(self) -> Iterator[Frame]:
        """Upright frames of the clip, one in memory at a time."""
        return read_frames(self.path, self.options)


def video_file(project: Project, video: Video) -> VideoFile | None:
    """The file that the frames of a clip can be read from; None where it is gone, or where the
    poses came from a file without pictures."""
    path = project.source(video)
    if not (is_video_file(path) or is_image_folder(path)):
        return None
    return VideoFile(path, ClipOptions.from_text(video.options))
