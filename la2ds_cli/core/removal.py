"""A clip that a person takes out of a project, with `la2ds remove` or in the studio.

Everything computed for it goes. What people have set for it stays in their tables, and its row of
videos.csv in `aside`; both count again if the same video comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.project import Project

Moved = list[tuple[Path, Path]]  # from, to


def take_out(
    project: Project, video: str, into: Path | None = None, also: Sequence[Path] = ()
) -> Moved:
    """Remove a clip from the list, and what was computed for it and its pictures but those of the
    film. Call it with the project locked.

    into: folder to which the files are moved, None = they are deleted; the pictures are deleted
    anyway. also: further files. Returns the places of the files.
    """
    files = [*project.files_of(video), *also]
    moved = [(path, (into or project.root) / path.relative_to(project.root)) for path in files]
    project.add_videos([], [video])
    if into is not None:
        move(moved)
    for path in [*([] if into else files), *pictures_of(project, video)]:
        path.unlink(missing_ok=True)
    return moved


def move(moved: Moved) -> None:
    """Move files; raises UserError (exit 7) if the system refuses."""
    for path, to in moved:
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            path.replace(to)
        except OSError as error:
            raise artifact.cannot_write(to, error) from error


def pictures_of(project: Project, video: str) -> list[Path]:
    """Files that the studio made of a clip, besides its film: thumbnails and manifest."""
    folder = project.results_dir("studio")
    return [*(folder / "thumbnails").glob(f"{escape(video)}.*.webp"), folder / f"{video}.csv"]


def removed_folder(project: Project) -> Path:
    """Folder of the clips that can be brought back while the studio is open."""
    return project.results_dir("studio/deleted")


def exported(project: Project, video: str) -> list[str]:
    """Files in `results` that show a clip, relative to the project; found by their names."""
    hidden = removed_folder(project)
    return sorted(
        path.relative_to(project.root).as_posix()
        for path in (project.root / "results").rglob(f"*{escape(video)}*")
        if path.is_file() and not path.is_relative_to(hidden)
    )
