"""Names of the files of la2ds in a project, which commands leave out when they search a folder for
recordings or pose files.

A project may be in the folder of the films, or the films in it, so a search leaves out the files of
la2ds in every project there. A path that the user names below such a folder, for example
`results/export/wide-csv`, is searched.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

PROJECT_FILE = "project.toml"
# Folders whose files commands read again; no output may be written there.
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

    names: of all entries of the folder, None = not listed yet.
    """
    # Other programs have a file project.toml, too, but not also a list of clips.
    needed = (PROJECT_FILE, TABLES[0])
    if names is None:
        is_project = all((folder / name).is_file() for name in needed)
    else:
        is_project = all(name in names for name in needed)
    return _NAMES if is_project else frozenset()


def is_own(path: Path) -> bool:
    """Return whether a path is, or lies in, a file or folder of la2ds in a project."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 (a link stays where it is)
    return any(
        child.name in _NAMES and child.name in own_names(child.parent)
        for child in (whole, *whole.parents)
    )


def found_files(root: Path) -> Iterator[Path]:
    """Yield the files in a folder and below that people put there, without hidden ones.

    root: a folder, which may itself lie in a folder of la2ds.
    """
    if root.name in own_names(root.parent):
        return
    for folder, folders, names in os.walk(root):
        skipped = own_names(Path(folder), [*folders, *names])
        folders[:] = [name for name in folders if name not in skipped and name[0] != "."]
        yield from (Path(folder, name) for name in names if name not in skipped and name[0] != ".")
