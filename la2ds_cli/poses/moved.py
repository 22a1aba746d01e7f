"""Files that were renamed, moved or replaced since the project listed them.

A file with the content of a clip whose own file is gone belongs to that clip, which keeps its id
and gets the new path. A file with other content than the clips of its path is another clip. In both
cases the names in phases.csv and subjects.csv keep meaning the clips that they meant.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.video_list import VideoList
from la2ds_cli.poses.subjects import ClipSubjects

_NAMED = 3  # clips that a note names


def listed_as(project: Project, path: Path, digest: str) -> str:
    """The id under which the project lists a file (`core.clip.id_within`); empty if it does not
    know the content, or has given it an id of another form."""
    ids = {family(row.id)[0] for row in project.video_list().of_content(path, digest)}
    known = next(iter(ids)) if len(ids) == 1 else ""
    return known if known.endswith(f"-{digest[:8]}") else ""


def follow_files(project: Project, files: Sequence[tuple[Path, str]]) -> str:
    """Give the clips of renamed and moved files their new path, and return what to tell the user
    about them and about replaced ones, in one line; empty if all files are where they were.

    files: resolved path and SHA-256 of the content of each. Call it with the project locked, before
    the files are read. Raises UserError (exit 5) for a table that cannot be read.
    """
    listed, now = project.video_list(), {os.fspath(path): digest for path, digest in files}
    moved: dict[str, Video] = {}
    places, others = [], []
    for path, digest in files:
        known = listed.of_content(
            path, digest, lambda file, digest=digest: _holds(file, digest, now)
        )
        if known and (project.source(known[0]) == path or known[0].id in moved):
            continue
        moved |= {row.id: replace(row, path=project.path_cell(path)) for row in known}
        places += [f"{row.id} is now {path.name}" for row in known[:1]]
        others += [row for row in listed.of_source(path) if row.sha256 != digest]
    replaced = [row for row in others if row.id not in moved]
    if moved or replaced:
        with project.tables():
            _keep_names(project, moved, {row.id for row in replaced})
            project.add_videos(moved.values())
    told = [f"renamed or moved: {_some(places)}"] if places else []
    if replaced:
        names = _some([row.id for row in replaced if row.person == 1])
        told.append(f"replaced by another video: {names} (la2ds remove takes a clip out)")
    return "; ".join(told)


def _holds(file: str, digest: str, now: Mapping[str, str]) -> bool:
    """Whether a file exists and, as far as is known, has this content. now: path -> digest."""
    return os.path.lexists(file) and now.get(file, digest) == digest


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _keep_names(project: Project, moved: Mapping[str, Video], replaced: Collection[str]) -> None:
    """Replace names of clips by their ids, where the name will mean another clip or none.

    A name in phases.csv means one clip, one in subjects.csv all clips of that name.
    """
    before = project.video_list()
    after = VideoList(project.root, [moved.get(row.id, row) for row in before.videos])

    def kept(name: str) -> str:
        meant = _find(before, name)
        if meant is None or name == meant.id:
            return name
        now = _find(after, name)
        same = now is not None and now.id == meant.id and meant.id not in replaced
        return name if same else meant.id

    table = project.phase_table()
    rows = tuple(replace(row, video=kept(row.video)) for row in table.rows)
    if rows != table.rows:
        project.write_phase_table(replace(table, rows=rows))
    ClipSubjects.read(project).follow(before.videos, after.videos)


def _find(listed: VideoList, name: str) -> Video | None:
    try:
        return listed.find(name)
    except UserError:  # it fits several clips
        return None
