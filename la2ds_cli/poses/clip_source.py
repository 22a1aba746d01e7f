"""One input of an extraction: the file, how to read it, and which clips of the project it gives."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import ClipOptions, Video, video_id
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.video.media_files import image_files
from la2ds_cli.video.reader import VideoInfo, probe


@dataclass(frozen=True)
class ClipSource:
    """A file that passed the probe. name: as the user gave it. subject: policy or rank for this
    clip alone, empty = that of the settings. group, split: for videos.csv, empty = as they are."""

    name: str
    path: Path
    info: VideoInfo
    digest: str
    options: ClipOptions = field(default_factory=ClipOptions)
    subject: str = ""
    group: str = ""
    split: str = ""

    def id(self, person: int = 1) -> str:
        """Project id of a person of this clip."""
        return video_id(self.path, self.digest, part=self.options.part, person=person)

    @property
    def content(self) -> tuple[str, str, str]:
        """Equal for two sources that give equal poses."""
        return self.digest, self.options.to_text(), self.subject

    def row(self, project: Project, person: int, frames: int) -> Video:
        """The row of videos.csv for a person of this clip."""
        inside = self.path.is_relative_to(project.root)
        return Video(
            id=self.id(person),
            path=(self.path.relative_to(project.root) if inside else self.path).as_posix(),
            sha256=self.digest,
            frames=frames,
            fps=round(self.info.fps, 6),
            width=self.info.width,
            height=self.info.height,
            split=self.split,
            group=self.group,
            person=person,
            options=self.options.to_text(),
        )


def load_source(
    name: str,
    options: ClipOptions,
    *,
    max_duration: float,
    subject: str = "",
    group: str = "",
    split: str = "",
) -> ClipSource:
    """Probe and digest a file; UserError with the code of what is wrong with it.

    V032 (exit 4): the part to be read is longer than `max_duration` seconds.
    """
    info = probe(name, options)
    if info.duration > max_duration:
        raise UserError(
            f"{name} is {info.duration:.0f} s long, more than {max_duration:g} s",
            hint=f"take the movement alone with la2ds extract-poses {shlex.quote(name)} "
            "--time-range START:END, or set max_duration = SECONDS under [poses] in project.toml",
            exit_code=ExitCode.UNUSABLE,
            code="V032",
        )
    path = Path(name).resolve()
    return ClipSource(name, path, info, content_digest(path), options, subject, group, split)


def load_single(
    project: Project, name: str, options: ClipOptions, *, max_duration: float
) -> ClipSource:
    """`load_source` for commands that take a clip without options to read it by: what is wrong
    comes with the extract-poses command that helps, or the clip of the project that was meant.

    Raises UserError as `load_source`; V026 (exit 4) where `name` is `NAME#2` and the project
    keeps no second person of NAME.
    """
    person = re.fullmatch(r"(.+)#([1-9]\d*)", name)
    if person and not os.path.lexists(name):
        known = project.find(person[1])
        path = str(project.source(known)) if known else person[1]
        if os.path.lexists(path):
            raise UserError(
                f"the project keeps no person {person[2]} of {person[1]}",
                hint=f"la2ds extract-poses {shlex.quote(path)} --subjects {person[2]}",
                exit_code=ExitCode.UNUSABLE,
                code="V026",
            )
    try:
        return load_source(name, options, max_duration=max_duration)
    except UserError as error:
        if error.code == "V010":
            error.hint = (
                f"la2ds extract-poses {shlex.quote(name)} --fps N, with the rate of the camera; "
                "then run the same command again"
            )
        elif error.code == "V006" and not os.path.lexists(name):
            error.hint = _hint_of_missing(project, name) or error.hint
        raise


def _hint_of_missing(project: Project, name: str) -> str:
    """What helps where `name` is no file: it is that of a clip, or was to be the name of one.
    Empty where nothing speaks for that."""
    videos = project.videos()
    if any(name == str(project.source(video)) for video in videos):
        return (
            "videos.csv names it, and it has no joints that can be used: put it back, or run la2ds "
            "extract-poses on the file where it is now"
        )
    stems = [Path(video.path).stem for video in videos]
    near = get_close_matches(Path(name).stem, stems, n=1)
    if not near and (not videos or Path(name).name != name):
        return ""
    listed = "videos.csv lists the clips of the project"
    return f"did you mean '{near[0]}'? {listed}" if near else f"check the spelling; {listed}"


def content_digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of a folder of images."""
    if path.is_file():
        return artifact.file_digest(path)
    digest = hashlib.sha256()
    for file in image_files(path):
        digest.update(f"{file.name}\0{artifact.file_digest(file)}\0".encode())
    return digest.hexdigest()
