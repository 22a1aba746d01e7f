"""Checks of output paths given by the user: a known file type, and not a file of the project."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project

# Folders whose files commands read again, and in which no result belongs.
_OWN = (
    *("poses", "heatmaps", "features", "film", "checkpoints", "embeddings", "aside"),
    *("logs", "results/phases"),
)


def checked_outputs(
    project: Project, paths: Iterable[Path], what: str, suffixes: Collection[str]
) -> list[Path]:
    """The paths. Raises UserError (exit 2) for a suffix that is not one of `suffixes` (lower case,
    with the dot), and for a path that is a clip, a label file or a table of the project, or lies in
    a folder of images that is a clip, or among what the project has computed: writing to it would
    replace or change what the project needs. what: the kind of file, such as `a page`."""
    targets, clips = list(paths), project.video_list()
    tables = {project.videos_path, project.phases_path, project.subjects_path}
    tables |= {project.annotations_path, project.people_path}
    for path in targets:
        if path.suffix.lower() not in suffixes:
            only = "" if len(suffixes) == 1 else "one of: "
            raise UserError(
                f"cannot write {what} to '{path}': unknown file type",
                hint=f"end the name in {only}{', '.join(suffixes)}",
            )
        folder = path.parent.resolve()
        if path.resolve() in tables or clips.of_source(path):
            raise UserError(
                f"{path} belongs to the project and would be lost", hint="write to another file"
            )
        own = any(folder.is_relative_to(project.root / name) for name in _OWN)
        if own or clips.of_source(folder):
            raise UserError(
                f"{folder} belongs to the project, which reads its files",
                hint="write to another folder",
            )
    return targets
