"""A clip of a project: one row of videos.csv, and what it is called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from la2ds_cli.clip_id import slug


@dataclass(frozen=True)
class Video:
    """One row of videos.csv.

    path: the source file (a video or a label file), absolute, or relative to the project.
    sha256: digest of the source. frames, fps, width, height: of the extracted sequence, 0 =
    unknown. split: `train`, `test` or empty (= used for both). group: performer or session.
    person: which of the people in the video, 1 = its subject. options: how the file is read, as
    ClipOptions.to_text writes it, empty = as it is.
    """

    id: str
    path: str
    sha256: str
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    split: str = ""
    group: str = ""
    person: int = 1
    options: str = ""

    @property
    def name(self) -> str:
        """The file name, and `#2` for its second person: short, and understood by Project.find.

        The id without its digest where the file name says too little: of several clips of a file,
        and of folders such as subject1/h1/1/cam4.
        """
        path = Path(self.path)
        own = re.fullmatch(r"(.+)-[0-9a-f]{8}", self.id)
        name = own[1] if own and _says_more(own[1], path) else path.name
        return f"{name}#{self.person}" if self.person > 1 else name


def _says_more(own: str, path: Path) -> bool:
    """Whether the readable part of an id names a clip better than its path does."""
    if own == slug(f"{path.parent.name}-{path.stem}"):
        return False
    return own == slug("-".join(path.parts[-4:])) or not own.endswith(slug(path.stem))
