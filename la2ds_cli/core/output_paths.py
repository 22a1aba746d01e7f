"""Files that a user asks for: of a known type, nothing that the project needs, and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def write_outputs(
    paths: Iterable[Path],
    contents: Mapping[str, Callable[[], str | bytes | Mapping[str, Any]]],
    draw: Callable[[], Figure],
) -> None:
    """Write each file by its suffix: what `contents` gives for it, a mapping as JSON, else the
    figure that `draw` gives; existing files are replaced."""
    for path in paths:
        kind = path.suffix.lower()
        made = contents[kind]() if kind in contents else figure.render(draw(), kind[1:])
        if isinstance(made, bytes):
            artifact.write_bytes(path, made)
        elif isinstance(made, str):
            artifact.write_text(path, made)
        else:
            artifact.write_json(path, made)


def drawn_once(draw: Callable[[], Figure], progress: Progress) -> Callable[[], Figure]:
    """`draw`, called when its figure is first wanted, and not again."""

    @cache
    def drawn() -> Figure:
        progress.begin("drawing")
        made = draw()
        progress.end()
        return made

    return drawn


def checked_outputs(
    project: Project, paths: Iterable[Path], what: str, suffixes: Sequence[str]
) -> list[Path]:
    """The paths, checked by `check_suffix` and `spare_project`."""
    found = list(paths)
    for path in found:
        check_suffix(path, what, suffixes)
    spare_project(project, found)
    return found
