"""subjects.csv: who the subject of a video is, where the automatic choice is not wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

from la2ds_cli.core.csv_tables import read_rows
from la2ds_cli.core.errors import UserError
from la2ds_cli.poses.subject import POLICIES, check_policy

FILE_NAME = "subjects.csv"
_HINT = (
    "columns video,subject: a video id, file name or name without ending, and one of "
    f"{', '.join(POLICIES)} or the number of the person"
)


def read_subjects(path: Path) -> dict[str, str]:
    """Video name -> subject of a CSV file; {} where there is no file.

    Columns video (id, file name or file name without its ending) and subject (a policy or rank of
    poses.subject). UserError (exit 5) names the line of an empty or repeated video or an unknown
    subject.
    """
    if not path.exists():
        return {}
    subjects: dict[str, str] = {}

    def parse(row: dict[str, str]) -> None:
        video, subject = row["video"].strip(), row["subject"].strip()
        if not video:
            raise ValueError("the video is empty")
        if video in subjects:
            raise ValueError(f"video '{video}' is there twice")
        try:
            check_policy(subject)
        except UserError as error:
            raise ValueError(error.message) from error
        subjects[video] = subject

    read_rows(path, parse, _HINT)
    return subjects


def subject_of(subjects: Mapping[str, str], video: str, source: PurePath) -> str | None:
    """The subject that the file names for a video id with this source file: by id, else by file
    name, else by the name without ending; None where it names none."""
    for name in (video, source.name, source.stem):
        if name in subjects:
            return subjects[name]
    return None
