"""videos.csv: the clips of a project, and finding one by name among very many."""

# ruff: noqa: PTH114, PTH118, PTH119, PTH122 - a Path for each clip would take longer than all the rest

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import VIDEO_COLUMNS, Video, check_columns, family, row_of, video_of
from la2ds_cli.core.csv_tables import read_rows, table_of
from la2ds_cli.core.errors import Mismatch, UserError

T = TypeVar("T")

# --- the table ------------------------------------------------------------------------------------

_HINT = "correct the line, or delete it and extract or import its clip again; columns: "
_HINT += ",".join(VIDEO_COLUMNS)


def read_videos(path: Path) -> list[Video]:
    """The rows of videos.csv, equal ones once; none without the file. Raises a UserError (exit 5)
    that names an unreadable line, and one whose id another clip has: it would take the place of
    that clip as soon as the table is written."""
    rows: dict[str, Video] = {}

    def keep(cells: dict[str, str]) -> None:
        video = video_of(cells)
        if rows.setdefault(video.id, video) != video:
            raise ValueError(f"another line has the id '{video.id}' as well")

    if path.exists():
        read_rows(path, keep, _HINT, check_columns)
    return list(rows.values())


def write_videos(path: Path, rows: Collection[Video]) -> None:
    """Write videos.csv, with the columns that a user has added behind those of la2ds. Raises
    UserError (exit 7) if it cannot be written."""
    columns = (*VIDEO_COLUMNS, *(name for row in rows for name in row.own))
    artifact.write_text(path, table_of(columns, map(row_of, rows)))


def placed(old: Sequence[str], new: AbstractSet[str], order: Sequence[str]) -> list[str]:
    """Old and new ids, each new one before the nearest old one that follows it in `order`, or at
    the end if there is none."""
    known = set(old)
    before: dict[str | None, list[str]] = {}
    following: str | None = None
    for name in reversed(list(dict.fromkeys(order))):
        if name in known:
            following = name
        elif name in new:
            before.setdefault(following, []).append(name)
    listed: list[str] = []
    for name in (*old, None):
        listed += [*reversed(before.get(name, [])), *([] if name is None else [name])]
    return listed + sorted(new - set(listed))


# --- finding a clip -------------------------------------------------------------------------------


class VideoList:
    """Rows of videos.csv in file order. root: the resolved folder of the project.

    Nothing here asks the file system about every clip, unless a file must be compared with links.
    """

    def __init__(self, root: Path, rows: Sequence[Video]) -> None:
        self.videos = tuple(rows)
        self._root = os.fspath(root)
        self._folders: dict[str, str] = {}  # folder of a source as written -> resolved

    def find(self, name: str, sha256: str = "") -> Video | None:
        """The video with this id, path, file name, stem or id prefix; None if there is none.

        `NAME#2` is the second person of a video with several subjects. sha256: only among videos
        whose source has this digest, empty = any. Raises UserError (exit 5) if several videos fit.
        """
        rows = self._matches(name, sha256)
        if len(rows) > 1:
            raise self._ambiguous(name, rows)
        return self.videos[rows[0]] if rows else None

    def file_of(self, name: str) -> tuple[str, str] | None:
        """The file and person (clip.family) of the clips that a name fits as in `find`, or of an id
        that such a clip had when it was cut differently; None if there are none. Raises UserError
        (exit 5) if clips of several files fit."""
        if (own := family(name)) in self._files:
            return own
        rows = self._matches(name)
        files = {family(self.videos[row].id) for row in rows}
        if len(files) > 1:
            raise self._ambiguous(name, rows)
        return next(iter(files), None)

    def of_file(self, file: tuple[str, str]) -> list[Video]:
        """The clips of a person in a file, see `file_of`."""
        return [self.videos[row] for row in self._files.get(file, ())]

    def _ambiguous(self, name: str, rows: Sequence[int]) -> UserError:
        return Mismatch(
            f"'{name}' fits {len(rows)} videos of the project",
            hint=f"use one of the ids: {', '.join(self.videos[row].id for row in rows[:5])}",
        )

    def _matches(self, name: str, sha256: str = "") -> list[int]:
        """The rows that a name fits best."""
        if not name or "\0" in name:  # which no path holds
            return []
        ids, paths, files, stems = self._by_name
        number, person = 0, re.fullmatch(r"(.+)#([1-9]\d*)", name)
        if person and name not in ids and name not in paths:
            name, number = person[1], int(person[2])
        tiers = (
            lambda: ids.get(name, ()),
            lambda: {*paths.get(name, ()), *self._rows_of_source(Path(name))},
            lambda: files.get(name, ()),
            lambda: stems.get(name, ()),
            lambda: (row for row, video in enumerate(self.videos) if video.id.startswith(name)),
        )
        for place, tier in enumerate(tiers):
            wanted = number or (place > 0)  # an id stands for its own person
            rows = [
                row
                for row in tier()
                if (not wanted or self.videos[row].person == wanted)
                and (not sha256 or self.videos[row].sha256 == sha256)
            ]
            if rows:
                return sorted(rows)
        return []

    @cached_property
    def _by_name(self) -> tuple[dict[str, list[int]], ...]:
        """Rows by id, by path as written, by file name, and by its stem."""
        tables: tuple[dict[str, list[int]], ...] = ({}, {}, {}, {})
        for row, video in enumerate(self.videos):
            file = os.path.basename(video.path)
            names = video.id, video.path, file, os.path.splitext(file)[0]
            for table, name in zip(tables, names, strict=True):
                table.setdefault(name, []).append(row)
        return tables

    @cached_property
    def _files(self) -> dict[tuple[str, str], list[int]]:
        return self._rows_by(lambda video: family(video.id))

    @cached_property
    def _by_digest(self) -> dict[str, list[int]]:
        return self._rows_by(lambda video: video.sha256)

    @cached_property
    def _by_source(self) -> dict[str, list[int]]:
        """Rows of a resolved source."""
        return self._rows_by(lambda video: self._source(video.path))

    def _rows_by(self, key: Callable[[Video], T]) -> dict[T, list[int]]:
        rows: dict[T, list[int]] = {}
        for row, video in enumerate(self.videos):
            rows.setdefault(key(video), []).append(row)
        return rows

    def of_source(self, path: Path) -> list[Video]:
        """The clips whose source is this file, under any name."""
        return [self.videos[row] for row in self._rows_of_source(path)]

    def of_content(
        self, path: Path, digest: str, is_there: Callable[[str], bool] = os.path.lexists
    ) -> list[Video]:
        """The clips with the content of a file: those listed with its path, or else those of a file
        that is gone, as after it was renamed or moved; of several such files, the one of the same
        name. digest: SHA-256 of the content; is_there: whether a resolved path is not gone."""
        rows = self._by_digest.get(digest, ())
        here = os.path.realpath(path)
        sources = {row: self._source(self.videos[row].path) for row in rows}
        if here not in sources.values():
            gone = sorted(file for file in set(sources.values()) if not is_there(file))
            named = [file for file in gone if os.path.basename(file) == os.path.basename(here)]
            here = next(iter(named + gone), here)
        return [self.videos[row] for row in rows if sources[row] == here]

    def _rows_of_source(self, path: Path) -> Sequence[int]:
        target = os.path.realpath(path)
        if "_by_source" in vars(self) or os.path.lexists(target):
            return self._by_source.get(target, ())
        # Nothing leads to a file that is not there but its own name.
        named = self._by_name[2].get(os.path.basename(target), ())
        return [row for row in named if self._source(self.videos[row].path) == target]

    def _source(self, written: str) -> str:
        """The resolved path of a source; folders, of which there are few, are resolved once."""
        path = os.path.join(self._root, written)
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)
