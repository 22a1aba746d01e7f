"""A clip that a person takes out of a project, with `la2ds remove` or in the studio.

Everything computed for it goes. What people have set for it stays in their tables, and its row of
videos.csv in `aside`; both count again if the same video comes back.
"""

from __future__ import annotations

import shutil
from glob import escape
from pathlib import Path

from la2ds_cli.core.project import Project


def take_out(project: Project, video: str) -> None:
    """Remove a clip from the list, with what was computed for it and its pictures. Call it with the
    project locked."""
    files = [*project.files_of(video), *pictures_of(project, video)]
    project.add_videos([], [video])
    for path in files:
        path.unlink(missing_ok=True)
    shutil.rmtree(project.film_dir(video), ignore_errors=True)


def pictures_of(project: Project, video: str) -> list[Path]:
    """Files that the studio made of a clip, besides its film: thumbnails and manifest."""
    folder = project.results_dir("studio")
    return [*(folder / "thumbnails").glob(f"{escape(video)}.*.webp"), folder / f"{video}.csv"]


def exported(project: Project, video: str) -> list[str]:
    """Files in `results` that show a clip, relative to the project; found by their names."""
    return sorted(
        path.relative_to(project.root).as_posix()
        for path in (project.root / "results").rglob(f"*{escape(video)}*")
        if path.is_file()
    )
