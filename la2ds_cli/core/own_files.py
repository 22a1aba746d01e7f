"""Files that la2ds keeps in a project, which no command takes for recordings or pose files when it
searches a folder.

A project may lie in the folder of the films, or the films in it: whoever searches a folder leaves
out what la2ds made in every project there. A path that a person names below such a folder, for
example `results/export/wide-csv`, is taken as it is.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

PROJECT_FILE = "project.toml"
# Folders whose files commands read again, and in which no result belongs.
KEPT_FOLDERS = (
    *("poses", "heatmaps", "features", "film", "checkpoints", "embeddings", "aside"),
    *("logs", "results/phases"),
)
TABLES = (
    *("videos.csv", "phases.csv", "subjects.csv", "annotations.csv", "people.csv"),
    "store-name.txt",
)
_NAMES = frozenset({PROJECT_FILE, "results", *TABLES, *KEPT_FOLDERS} - {"results/phases"})


def own_names(folder: Path, names: Collection[str] | None = None) -> frozenset[str]:
    """Return the names in a folder that belong to la2ds; none if the folder is no project.

    Parameters
    ----------
    names : of all entries of the folder, None = not listed yet
    """
    # Other programs have a file project.toml, too; a project with results has a list of its clips.
    needed = (PROJECT_FILE, TABLES[0])
    if names is None:
        is_project = all((folder / name).is_file() for name in needed)
    else:
        is_project = all(name in names for name in needed)
    return _NAMES if is_project else frozenset()


def is_own(path: Path) -> bool:
    """Return whether a path is, or lies in, what la2ds keeps of a project around it."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 (a link stays where it is)
    return any(
        child.name in _NAMES and child.name in own_names(child.parent)
        for child in (whole, *whole.parents)
    )


def found_files(root: Path) -> Iterator[Path]:
    """Yield the files in a folder and below that a person put there; hidden ones are left out.

    Parameters
    ----------
    root : a folder, which may itself lie in what la2ds keeps of a project
    """
    if root.name in own_names(root.parent):
        return
    for folder, folders, names in os.walk(root):
        skipped = own_names(Path(folder), [*folders, *names])
        folders[:] = [name for name in folders if name not in skipped and name[0] != "."]
        yield from (Path(folder, name) for name in names if name not in skipped and name[0] != ".")
