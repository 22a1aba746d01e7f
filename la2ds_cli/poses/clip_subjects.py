"""Whom to follow in a clip where the automatic choice is wrong: subjects.csv of the project."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.poses.subjects_file import read_subjects, subject_of


class ClipSubjects:
    """The rows of subjects.csv: id, file name or stem of a clip -> policy or rank."""

    def __init__(self, path: Path, rows: dict[str, str]) -> None:
        self._path = path
        self._rows = rows

    @classmethod
    def read(cls, project: Project) -> ClipSubjects:
        """Those of a project, none without subjects.csv; UserError (exit 5) for a bad row."""
        path = project.subjects_path
        return cls(path, read_subjects(path))

    def of(self, video: Video) -> str:
        """Whom to follow in a clip, empty where the settings decide."""
        return subject_of(self._rows, video.id, Path(video.path)) or ""

    def unknown(self, videos: Iterable[Video]) -> list[str]:
        """Names in the file that mean none of the videos."""
        paths = [(video.id, Path(video.path)) for video in videos]
        known = {name for video, path in paths for name in (video, path.name, path.stem)}
        return [name for name in self._rows if name not in known]

    def add(self, chosen: Mapping[str, str]) -> None:
        """Keep choices made elsewhere, by the id of the clip, for the steps that come later."""
        wanted = {**self._rows, **chosen}
        if wanted == self._rows:
            return
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["video", "subject"])
        writer.writerows(wanted.items())
        artifact.write_text(self._path, buffer.getvalue())
        self._rows = wanted
