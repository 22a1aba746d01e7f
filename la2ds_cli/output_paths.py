"""Files that a user asks for: of a known type, and nothing that the project needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from la2ds_cli.errors import UserError
from la2ds_cli.project import Project


def check_suffix(path: Path, what: str, suffixes: Sequence[str]) -> None:
    """UserError (exit 2) when the end of a name is none of `suffixes`, in small letters with their
    dots. what: is to be written, as `a page`."""
    if path.suffix.lower() not in suffixes:
        only = "" if len(suffixes) == 1 else "one of: "
        raise UserError(
            f"cannot write {what} to '{path}': unknown file type",
            hint=f"end the name in {only}{', '.join(suffixes)}",
        )


def spare_project(project: Project, paths: Iterable[Path]) -> None:
    """UserError (exit 2) for a path that is a clip, a label file or a table of the project: it
    would be replaced."""
    kept = {project.source(video) for video in project.videos()}
    kept |= {project.videos_path, project.phases_path, project.subjects_path}
    for path in paths:
        if path.resolve() in kept:
            raise UserError(
                f"{path} belongs to the project and would be lost",
                hint="write to another file",
            )


def checked_outputs(
    project: Project, paths: Iterable[Path], what: str, suffixes: Sequence[str]
) -> list[Path]:
    """The paths, checked by `check_suffix` and `spare_project`."""
    found = list(paths)
    for path in found:
        check_suffix(path, what, suffixes)
    spare_project(project, found)
    return found
