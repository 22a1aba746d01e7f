"""How commands find or create the project, and how they show a batch."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.core.clip import VIDEO_SUFFIXES
from la2ds_cli.core.clip_names import as_on_disk
from la2ds_models.file_lock import system_lock

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.stored_project import StoredProject


def on_project(command: str, root: Path) -> str:
    """Return a command for the project at `root`, ready to be typed."""
    return f"{command} --project {shlex.quote(str(root))}"


def open_project(root: Path) -> StoredProject:
    """Return the project at `root`.

    Raises
    ------
    UserError: exit 2 if there is none.
    """
    from la2ds_cli.core.stored_project import StoredProject

    return StoredProject.open(root)


def open_or_create(root: Path, console: Console) -> StoredProject:
    """Return the project at `root`, created with a note if there is none.

    A new project is removed if the command ends without putting anything into it, so that a
    mistyped folder does not become an empty project.
    """
    from la2ds_cli.core.stored_project import PROJECT_FILE, StoredProject

    if (root / PROJECT_FILE).exists():
        return StoredProject.open(root)
    console.note(f"new project in {root.resolve()}")
    before = {path.name for path in root.iterdir()} if root.is_dir() else None
    project = StoredProject.create(root)

    def end() -> None:
        if _take_back(project.root, PROJECT_FILE, before):
            console.note("the new project was removed again, since it is empty")

    console.at_end(end)
    return project


def _take_back(root: Path, project_file: str, before: set[str] | None) -> bool:
    """Remove a new project unless it contains anything or another command uses it; return whether
    it was removed. before: names in the folder before, None if the folder is new."""
    with suppress(OSError):  # also raised by a lock that another command holds
        made = {path.name for path in root.iterdir()} - (before or set())
        locks = list((root / "logs").iterdir()) if "logs" in made else []
        if not made <= {project_file, "logs"} or any("lock" not in path.name for path in locks):
            return False
        for path in locks:
            with system_lock(path, timeout=0):
                pass
        for path in (*locks, root / project_file):
            path.unlink(missing_ok=True)
        folders = ["logs"] * ("logs" in made) + [""] * (before is None)
        for folder in folders:
            (root / folder).rmdir()
        return True
    return False


def open_or_create_for(root: Path, names: Sequence[str], console: Console) -> StoredProject:
    """Return the project at `root`, created if there is none and at least one name exists.

    Parameters
    ----------
    names: files, folders, patterns, lists or URLs.

    Raises
    ------
    UserError: exit 3 if there is no project and none of the names exists.
    """
    from la2ds_cli.core.stored_project import PROJECT_FILE

    if names and not (root / PROJECT_FILE).exists():
        from la2ds_cli.poses.sources import stands_for_clips
        from la2ds_cli.video.media_files import missing_files, unreadable

        if not any(stands_for_clips(name) for name in names):
            gone = [name for name in names if not _is(Path.is_dir, name)]
            if gone:
                raise missing_files(gone, "no project was created")
            raise unreadable(
                f"the folder {names[0]} contains no videos or images",
                "check the spelling of the path; no project was created",
                "V006",
            )
    return open_or_create(root, console)


def open_for_clips(root: Path, names: Sequence[str], console: Console) -> StoredProject:
    """Return the project at `root`, created if there is none and all clips are files.

    Raises
    ------
    UserError: exit 3 if there is no project and a clip does not exist that was probably meant as a
        file: another name is a file, or a name ends like a video; exit 2 otherwise.
    """
    from la2ds_cli.core.stored_project import PROJECT_FILE
    from la2ds_cli.video.media_files import missing_files

    files = [name for name in names if _is(Path.is_file, name)]
    if len(files) == len(names):
        return open_or_create(root, console)
    gone = [name for name in names if not _is(Path.exists, name)]
    meant = files or any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in gone)
    if meant and gone and not (root / PROJECT_FILE).exists():
        raise missing_files(gone)
    return open_project(root)


def _is(test: Callable[[Path], bool], name: str) -> bool:
    try:
        return test(Path(as_on_disk(name)))
    except OSError:  # a name longer than the system allows; reading it will report that
        return False


def show_batch(
    console: Console,
    command: str,
    project: StoredProject,
    results: Sequence[ItemResult],
    *,
    paths: bool = False,
    **also: object,
) -> bool:
    """Print the outcome of a batch, and return whether anything is usable.

    Parameters
    ----------
    paths: also print the paths of written files.
    also: further keys of the JSON document.
    """
    console.items(results, project.clip_names())
    usable = [result for result in results if result.usable]
    for result in usable if paths else ():
        console.line(result.path)
    console.document(command, {"project": project.root, **also, "items": results})
    return bool(usable)
