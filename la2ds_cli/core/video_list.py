"""videos.csv: the clips of a project, and finding a clip by name among very many."""

# ruff: noqa: PTH114, PTH117, PTH118, PTH119, PTH120, PTH122 - a Path for each clip would take longer than all the rest

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import (
    VIDEO_COLUMNS,
    Video,
    check_columns,
    family,
    is_complete_id,
    row_of,
    video_of,
)
from la2ds_cli.core.clip_names import (
    ClipName,
    as_on_disk,
    folded,
    is_part,
    is_same_file,
    keys_of,
    nfc,
)
from la2ds_cli.core.csv_tables import read_rows, table_of
from la2ds_cli.core.errors import Mismatch, UserError

T = TypeVar("T")
_NAMED = 5  # candidates that an error names

# --- the table ------------------------------------------------------------------------------------

_HINT = "correct the line, or delete it and extract or import its clip again; columns: "
_HINT += ",".join(VIDEO_COLUMNS)


def read_videos(path: Path) -> list[Video]:
    """Read the rows of videos.csv, equal ones once; none without the file.

    Raises UserError (exit 5) that names an unreadable line, or a line with the id of another clip:
    it would replace that clip when the table is next written.
    """
    rows: dict[str, Video] = {}

    def keep(cells: dict[str, str]) -> None:
        video = video_of(cells)
        if rows.setdefault(video.id, video) != video:
            raise ValueError(f"another line has the id '{video.id}', too")

    if path.exists():
        read_rows(path, keep, _HINT, check_columns)
    return list(rows.values())


def write_videos(path: Path, rows: Collection[Video]) -> None:
    """Write videos.csv, with the user's own columns after those of la2ds. Raises UserError (exit 7)
    if it cannot be written."""
    columns = (*VIDEO_COLUMNS, *(name for row in rows for name in row.own))
    artifact.write_text(path, table_of(columns, map(row_of, rows)))


def placed(old: Sequence[str], new: AbstractSet[str], order: Sequence[str]) -> list[str]:
    """Return old and new ids, each new id before the nearest old one that follows it in `order`, or
    at the end if there is none."""
    listed_before = set(old)
    before: dict[str | None, list[str]] = {}
    following: str | None = None
    for name in reversed(list(dict.fromkeys(order))):
        if name in listed_before:
            following = name
        elif name in new:
            before.setdefault(following, []).append(name)
    listed: list[str] = []
    for name in (*old, None):
        listed += [*reversed(before.get(name, [])), *([] if name is None else [name])]
    return listed + sorted(new - set(listed))


def first_people(videos: Sequence[Video]) -> list[Video]:
    """Return one clip of each reading of a file, that of the person with the lowest number."""
    first: dict[str, Video] = {}
    for video in videos:
        other = first.setdefault(video.shared_id, video)
        if video.person < other.person:
            first[video.shared_id] = video
    return list(first.values())


# --- finding a clip -------------------------------------------------------------------------------


class VideoList:
    """The rows of videos.csv in file order. root: the resolved folder of the project.

    The file system is not asked about every clip, unless a file must be compared with links.
    """

    def __init__(self, root: Path, rows: Sequence[Video]) -> None:
        self.videos = tuple(rows)
        self._root = os.fspath(root)
        self._folders: dict[str, str] = {}  # folder of a source as written -> resolved

    def find(self, name: str, folder: Path | None = None) -> Video | None:
        """Return the clip that a name means (the table at the top of core/clip_names.py).

        name: from a table, or typed by the user. folder: the current one, for typed names; None =
        the name means the same everywhere. Returns None if there is no such clip. Raises UserError
        (exit 5) if several films fit, or a film of which there are only parts.
        """
        rows, key = self._matches(name, folder)
        return self.choose([self.videos[row] for row in rows], key, name)

    def choose(self, videos: Sequence[Video], key: ClipName, name: str) -> Video | None:
        """Return the clip of a part and person among clips of films that fit a name.

        key: the part and the person; without a part, the whole film, or its only part; without a
        person, the first one, or the only one. name: for the error. Returns None if there is no
        such clip. Raises UserError (exit 5) as `find`.
        """
        fitting = self._fitting(videos, key)
        if len(fitting) < 2:
            return next(iter(fitting), None)
        people = {(self._film(video), video.person) for video in fitting}
        if len(people) == 1 and all(map(is_part, fitting)):
            raise self._only_parts(name, fitting)
        raise self._ambiguous(name, fitting)

    def _fitting(self, videos: Sequence[Video], key: ClipName) -> list[Video]:
        """Return those of the clips that show the part and person of a name."""
        if key.part is not None:
            return self._of_person(key.of_part(videos), key)
        rows = self._of_person(videos, key)
        return self._preferred(rows, lambda video: not is_part(video))

    def _of_person(self, videos: Sequence[Video], key: ClipName) -> list[Video]:
        """Return the clips of the person of a name, or else of the first person of each film, or
        else of all its people."""
        if key.person:
            return [video for video in videos if video.person == key.person]
        return self._preferred(videos, lambda video: video.person == 1)

    def _preferred(self, videos: Sequence[Video], test: Callable[[Video], bool]) -> list[Video]:
        """Return the clips that pass a test, and all clips of films of which none does."""
        films = {self._film(video) for video in videos if test(video)}
        return [video for video in videos if test(video) or self._film(video) not in films]

    def has_id(self, name: str) -> bool:
        """Return whether a clip has this id."""
        return nfc(name) in self._by_name[0]

    def file_of(self, name: str) -> tuple[str, str] | None:
        """Return the file and person (clip.family) that a name in a table means; None if none fits.

        The name fits clips as in `find`, or is an id that a clip of the file had when it was cut
        differently. Raises UserError (exit 5) if clips of several files or people fit.
        """
        if (file := family(name)) in self._files:
            return file
        rows, key = self._matches(name)
        videos = [self.videos[row] for row in rows]
        files = {family(video.id) for video in self._of_person(videos, key)}
        if len(files) > 1:
            raise self._ambiguous(name, videos)
        return next(iter(files), None)

    def of_file(self, file: tuple[str, str]) -> list[Video]:
        """Return the clips of a person in a file, see `file_of`."""
        return [self.videos[row] for row in self._files.get(file, ())]

    def name_of(self, video: Video) -> str:
        """Return the shortest name by which `find` gives this clip: its file name, with as many
        folders as needed, part and person; or else its id."""
        keys, steps = keys_of(video), video.path.split("/")
        for count in range(1, len(steps) + 1):
            name = "/".join(steps[-count:]) + keys
            rows, key = self._matches(name)
            if self._fitting([self.videos[row] for row in rows], key) == [video]:
                return name
        return video.id

    def _ambiguous(self, name: str, videos: Sequence[Video]) -> UserError:
        message = f"'{name}' fits {len(videos)} videos of the project"
        return Mismatch(message, hint=f"name one: {self._listed(videos)}")

    def _only_parts(self, name: str, videos: Sequence[Video]) -> UserError:
        return Mismatch(
            f"the project has no clip of all of '{name}', only {len(videos)} parts of it",
            hint=f"name one: {self._listed(videos)}; or make one: la2ds extract-poses "
            f"{shlex.quote(self._source(videos[0].path))} --time-range 0:",
        )

    def _listed(self, videos: Sequence[Video]) -> str:
        """Return the names of clips, with facts that distinguish them."""
        names = []
        for video in videos[:_NAMED]:
            facts = [f"{video.frames / video.fps:.1f} s"] if video.frames and video.fps else []
            facts += [f"group {video.group}"] if video.group else []
            names.append(self.name_of(video) + (f" ({', '.join(facts)})" if facts else ""))
        more = len(videos) - _NAMED
        return "; ".join(names) + (f"; and {more} more" if more > 0 else "")

    def _film(self, video: Video) -> tuple[str, str]:
        """Return a key that the parts and people of one film share."""
        return self._source(video.path), video.sha256

    def _matches(self, name: str, folder: Path | None = None) -> tuple[list[int], ClipName]:
        """Return the rows of the films that fit a name best, and the part and person it names."""
        whole, parsed = ClipName(name), ClipName.parse(name)
        if not name or "\0" in name:  # not a possible path
            return [], whole
        ids = self._by_name[0].get(nfc(name), [])
        if ids:  # an id means its own part and person
            row = next((row for row in ids if self.videos[row].id == name), ids[0])
            return [row], replace(whole, person=self.videos[row].person)
        searches = [(whole, self._by_path), (whole, self._by_file)]
        if parsed.has_keys:
            searches += [(parsed, self._by_path), (parsed, self._by_file)]
        searches += [(parsed, self._by_stem), (parsed, self._by_start)]
        for key, search in searches:
            rows = [row for row in search(key.film, folder) if self._has(row, key)]
            if rows and search == self._by_start and not key.person:
                key = replace(key, person=self._person_of_start(key.film, rows))
            if rows:
                return self._narrowed(rows, key.film, folder), key
        return [], parsed

    def _person_of_start(self, start: str, rows: Sequence[int]) -> int:
        """Return the person whom the start of ids names, 0 = none."""
        if is_complete_id(start):  # the id of a clip that is not listed
            return int(family(start)[1])
        films = {len(family(self.videos[row].id)[0]) for row in rows}
        people = {self.videos[row].person for row in rows}
        reaches = len(start) > max(films)  # into the part and person of the id
        return people.pop() if reaches and len(people) == 1 else 0

    def _has(self, row: int, key: ClipName) -> bool:
        """Return whether a clip shows the named person and part."""
        video = self.videos[row]
        if key.person and video.person != key.person:
            return False
        return key.part is None or bool(key.of_part([video]))

    def _narrowed(self, rows: list[int], name: str, folder: Path | None) -> list[int]:
        """Return, of rows of several films, those with exactly this spelling, or those in the
        current folder."""
        tests: list[Callable[[str], bool]] = [lambda path: f"/{name}" in f"/{path}"]
        if folder is not None:
            here = os.path.realpath(folder)
            tests.append(lambda path: os.path.dirname(self._source(path)) == here)
        for test in tests:
            if len({self._film(self.videos[row]) for row in rows}) == 1:
                break
            rows = [row for row in rows if test(self.videos[row].path)] or rows
        return rows

    # --- the forms of a name, see core/clip_names.py ---

    def _by_path(self, name: str, folder: Path | None) -> Sequence[int]:
        bases = [self._root] if folder is None else [os.fspath(folder), self._root]
        for base in bases:
            if rows := self._rows_of_source(Path(os.path.join(base, name))):
                return rows
        return ()

    def _by_file(self, name: str, folder: Path | None) -> Sequence[int]:
        return self._ending(self._by_name[1], name, lambda path: path)

    def _by_stem(self, name: str, folder: Path | None) -> Sequence[int]:
        return self._ending(self._by_name[2], name, lambda path: os.path.splitext(path)[0])

    def _ending(
        self, table: Mapping[str, list[int]], name: str, shown: Callable[[str], str]
    ) -> Sequence[int]:
        """Return the rows whose path, after `shown`, ends with the folders and the name."""
        name = nfc(name)
        if os.path.isabs(name):
            return ()
        rows = table.get(os.path.basename(name), ())
        if "/" not in name:
            return rows
        paths = {row: os.path.join(self._root, self.videos[row].path) for row in rows}
        return [row for row, path in paths.items() if nfc(shown(path)).endswith(f"/{name}")]

    def _by_start(self, name: str, folder: Path | None) -> Sequence[int]:
        start = nfc(name)
        return [row for row, video in enumerate(self.videos) if nfc(video.id).startswith(start)]

    @cached_property
    def _by_name(self) -> tuple[dict[str, list[int]], ...]:
        """Rows by id, by file name, and by its stem, in NFC."""
        tables: tuple[dict[str, list[int]], ...] = ({}, {}, {})
        for row, video in enumerate(self.videos):
            file = os.path.basename(video.path)
            names = video.id, file, os.path.splitext(file)[0]
            for table, name in zip(tables, names, strict=True):
                table.setdefault(nfc(name), []).append(row)
        return tables

    @cached_property
    def _files(self) -> dict[tuple[str, str], list[int]]:
        return self._rows_by(lambda video: family(video.id))

    @cached_property
    def _by_digest(self) -> dict[str, list[int]]:
        return self._rows_by(lambda video: video.sha256)

    @cached_property
    def _by_source(self) -> dict[str, list[int]]:
        """Rows by their resolved source, `folded`."""
        return self._rows_by(lambda video: folded(self._source(video.path)))

    def _rows_by(self, key: Callable[[Video], T]) -> dict[T, list[int]]:
        rows: dict[T, list[int]] = {}
        for row, video in enumerate(self.videos):
            rows.setdefault(key(video), []).append(row)
        return rows

    def of_source(self, path: Path) -> list[Video]:
        """Return the clips whose source is this file, under any name."""
        return [self.videos[row] for row in self._rows_of_source(path)]

    def of_content(
        self, path: Path, digest: str, is_there: Callable[[str], bool] = os.path.lexists
    ) -> list[Video]:
        """Return the clips with the content of a file.

        These are the clips listed with its path, or else those of a file that is gone, as after it
        was renamed or moved; of several such files, the one of the same name. digest: SHA-256 of
        the content; is_there: returns whether a resolved path exists.
        """
        rows = self._by_digest.get(digest, ())
        here = os.path.realpath(path)
        sources = {row: self._source(self.videos[row].path) for row in rows}
        if here not in sources.values():
            gone = sorted(file for file in set(sources.values()) if not is_there(file))
            named = [file for file in gone if os.path.basename(file) == os.path.basename(here)]
            here = next(iter(named + gone), here)
        return [self.videos[row] for row in rows if sources[row] == here]

    def copies(self, path: Path, digest: str) -> list[Video]:
        """Return the clips of a file with the name and the content of `path`; none if several files
        have both. digest: SHA-256 of the content."""
        name = nfc(path.name)
        rows = [self.videos[row] for row in self._by_digest.get(digest, ())]
        rows = [row for row in rows if nfc(os.path.basename(row.path)) == name]
        return rows if len({self._film(row) for row in rows}) == 1 else []

    def _rows_of_source(self, path: Path) -> Sequence[int]:
        target = os.path.realpath(path)
        if "_by_source" in vars(self) or os.path.lexists(target):
            rows = self._by_source.get(folded(target), ())
        else:  # a missing file can only be listed by its own name
            rows = self._by_name[1].get(nfc(os.path.basename(target)), ())
        sources = {row: self._source(self.videos[row].path) for row in rows}
        exact = [row for row in rows if sources[row] == target]
        return exact or [row for row in rows if is_same_file(sources[row], target)]

    def _source(self, written: str) -> str:
        """Return the resolved path of a source; each of the few folders is resolved once."""
        path = as_on_disk(os.path.join(self._root, written))
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)
