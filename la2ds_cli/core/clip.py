"""A clip of a project: its row in videos.csv, its name and id, and the options of its file."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from la2ds_cli.core.errors import Mismatch, UserError

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".flv", ".3gp", ".ogv", ".gif"}
)


def check_id(name: str) -> None:
    """Raise ValueError for an id that cannot be a file name.

    Ids name the files and results of a project, so an id with a separator would lead out of it.
    """
    if _PLAIN_ID.fullmatch(name):
        return
    plain = name.isprintable() and not re.search(r'[/\\:*?"<>|]', name)
    if not name or not plain or name.startswith("."):
        raise ValueError(
            f"the id {name!a} is not valid: use letters, digits and hyphens, no separators, and "
            "no leading dot"
        )
    if len(name.encode()) > _ID_BYTES:
        raise ValueError(f"the id {name[:20]!a}... is longer than {_ID_BYTES} bytes")


_ID_BYTES = 120  # two ids and a few letters make the name of a result, of at most 255 bytes
_PLAIN_ID = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{_ID_BYTES - 1}}}")  # nearly all ids


@dataclass(frozen=True, slots=True)
class Video:
    """A row of videos.csv.

    id: names its files; ValueError as `check_id`. path: the source file (a video or a pose file),
    absolute, or relative to the project. sha256: digest of the source. frames, fps, width, height:
    of the extracted sequence, 0 = unknown. split: `train`, `test` or empty (= used for both).
    group: performer or session. person: number of the person in the video, which stays with them
    however the video is read (core/people_table.py). options: how the file is read, as from
    ClipOptions.to_text, empty = the defaults. own: text of the user's own columns, not compared.
    """

    id: str
    path: str
    sha256: str
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    split: str = ""
    group: str = ""
    person: int = 1
    options: str = ""
    own: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        check_id(self.id)

    @property
    def name(self) -> str:
        """A short name for StoredProject.find: the file name, with `#2` for its second person.

        If the file name is ambiguous, as for several clips of a file and for folders such as
        subject1/h1/1/cam4, it is the id without its digest.
        """
        path = Path(self.path)
        match = re.fullmatch(r"(.+)-[0-9a-f]{8}", self.id)
        name = match[1] if match and _is_clearer(match[1], path) else path.name
        return f"{name}#{self.person}" if self.person > 1 else name

    @property
    def shared_id(self) -> str:
        """The id without the number of the person, which all people of one reading share."""
        return self.id.removesuffix(f"-p{self.person}")

    @property
    def title(self) -> str:
        """The name and, for a part of a file, its seconds: `squats.mp4, 2.70 to 5.83 s`. Only for
        display: parts of a file have one name."""
        if not self.options:
            return self.name
        options = ClipOptions.from_text(self.options)
        if options.end < inf:
            return f"{self.name}, {options.start:.2f} to {options.end:.2f} s"
        return f"{self.name}, from {options.start:.2f} s" if options.is_cut else self.name


def _is_clearer(text: str, path: Path) -> bool:
    """Return whether the readable part of an id describes a clip better than its path, which may be
    a file with many clips. That of a renamed video does not."""
    if text == slug(f"{path.parent.name}-{path.stem}") or path.suffix.lower() in VIDEO_SUFFIXES:
        return False
    return text == slug("-".join(path.parts[-4:])) or not text.endswith(slug(path.stem))


SPLITS = ("train", "test")
_TYPES = {each.name: str(each.type) for each in fields(Video) if each.name != "own"}
VIDEO_COLUMNS = tuple(_TYPES)
_NEEDED = tuple(f.name for f in fields(Video) if f.default is MISSING and f.name in _TYPES)
_OPTIONAL = VIDEO_COLUMNS[len(_NEEDED) :]
MOST_FRAMES = 10**9  # per clip: more than a year of video
MOST_LETTERS = 100_000  # per cell; csv reads at most 131,072
_LARGEST = {"frames": MOST_FRAMES, "fps": 10**6, "width": 10**6, "height": 10**6, "person": 10**6}


def check_columns(columns: Collection[str]) -> None:
    """Raise ValueError for a missing or misspelt column.

    Other columns are the user's own and are not read.
    """
    if not columns:
        raise ValueError("it is empty, without even column names")
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and sign in next(iter(columns)):  # as some spreadsheets write
            raise ValueError(f"its fields are separated by {name}, not by commas")
    absent = [column for column in VIDEO_COLUMNS if column not in columns]
    for column in columns:
        near = get_close_matches(column.strip().lower(), absent, n=1, cutoff=0.75)
        if column not in VIDEO_COLUMNS and near:
            raise ValueError(f"there is no column '{column}', write '{near[0]}'")
    missing = [column for column in absent if column in _NEEDED]
    if missing:
        raise ValueError(f"the column '{missing[0]}' is missing")


def video_of(cells: Mapping[str, str]) -> Video:
    """Return the clip of a row of videos.csv, column -> text, whose columns passed check_columns.

    An empty cell counts as a missing column; a required one must not be empty. Raises a ValueError
    that names the column.
    """
    for name in _NEEDED:
        if not cells[name] or "\0" in cells[name]:
            problem = "contains a null character" if cells[name] else "is empty"
            raise ValueError(f"the column '{name}' {problem}")
    optional = {name: _value(name, text) for name in _OPTIONAL if (text := cells.get(name))}
    own = {name: text for name, text in cells.items() if name not in _TYPES}
    return Video(cells["id"], path_of_cell(cells["path"]), cells["sha256"], **optional, own=own)


@lru_cache(maxsize=1 << 14)  # in a large table, many cells are equal
def _value(column: str, text: str) -> Any:
    if column == "split" and text not in SPLITS:
        near = get_close_matches(text.strip().lower(), SPLITS, n=1, cutoff=0.75)
        if near:  # other names are splits that la2ds does not use
            raise ValueError(f"split is '{text}', write '{near[0]}'")
    kind = _TYPES[column]
    if "\0" in text:
        raise ValueError(f"{column} contains a null character")
    if column == "options":
        try:
            ClipOptions.from_text(text)
        except (UserError, ValueError) as error:
            raise ValueError(f"options are {text[:40]!a}: {error}") from None
    if kind == "str":
        return text
    try:
        value = int(text) if kind == "int" else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LARGEST[column]:
        expected = "a whole number" if kind == "int" else "a number"
        limit = f"most {_LARGEST[column]:,}" if value > 0 else "least 0"
        raise ValueError(f"{column} is {text[:40]!r}, not {expected} of at {limit}")
    return value


def row_of(video: Video) -> dict[str, str]:
    """Return the row of a clip in videos.csv, column -> text; `video_of` is the inverse."""
    row = {name: str(getattr(video, name)) for name in VIDEO_COLUMNS}
    return {**row, "path": cell_of_path(video.path), **video.own}


def listable(video: Video) -> Video:
    """Check that the row of a clip can be read back, and return the clip. Raises UserError (exit 5)
    that names the column."""
    row = row_of(video)
    try:
        if max(map(len, row.values())) > MOST_LETTERS:
            problem = f"a cell has more than {MOST_LETTERS:,} letters"
        elif video_of(row) == video:
            return video
        else:
            problem = "its values would change when they are read back"
    except ValueError as error:
        problem = str(error)
    raise Mismatch(f"{video.id} cannot be listed in videos.csv: {problem}")


# --- ids: readable, and independent of where the project is --------------------------------------


def slug(text: str) -> str:
    """Return text as lower-case ASCII letters, digits and single hyphens: 1 to 60 characters."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:60].strip("-") or "clip"


def video_id(path: Path, digest: str, *, part: str = "", person: int = 1) -> str:
    """Return the project id of a clip: slug of `folder-stem` and 8 hex digits of `digest`.

    Two files with the same name in different folders get different ids; renaming the project
    changes none. digest: SHA-256 of the source. part: the seconds of the source that the clip
    shows, such as `1.5-4`. person: number of the person, which is part of the id from 2 on.
    """
    source = path.resolve()
    return id_within(slug(f"{source.parent.name}-{source.stem}") + f"-{digest[:8]}", part, person)


def id_within(file: str, part: str = "", person: int = 1) -> str:
    """Return the id of a person in a part of a file. file: id of its first person in the whole
    file."""
    return file + (f"-t{part}" if part else "") + (f"-p{person}" if person > 1 else "")


# An id from video_id: the file, the time range in seconds, the person.
_SECONDS = r"\d+(?:\.\d+)?(?:e[+-]\d+)?"  # as ClipOptions.part writes them
_ID = re.compile(
    rf"(.+-[0-9a-f]{{8}})(?:-t{_SECONDS}-(?:{_SECONDS})?)?(?:-p([1-9]\d*))?", re.DOTALL
)


def family(video: str) -> tuple[str, str]:
    """Return the file and person of an id, which are the same when a clip is read with other
    options. An id of another form is its own file, with person 1."""
    match = _ID.fullmatch(video)
    return (match[1], match[2] or "1") if match else (video, "1")


def name_for_draws(video: str) -> str:
    """Return an id without the digest of its file, for random draws and orders of clips.

    The digest differs with the encoder that wrote the film, and so between machines. Clips of one
    name, which a caller must tell apart, are in the order of videos.csv.
    """
    match = _ID.fullmatch(video)
    return video if match is None else match[1][: -len("-1a2b3c4d")] + video[match.end(1) :]


def is_complete_id(text: str) -> bool:
    """Return whether a text has the form of an id from `video_id`, which names its person."""
    return _ID.fullmatch(text) is not None


# --- how a file is read: its part, its orientation and its speed ---------------------------------


_LATEST = 1e9  # seconds
_FASTEST = 1e6  # frames per second; also the largest factor of slow motion
FLAGS = {"true": True, "1": True, "false": False, "0": False}  # in any case, as people write them


@dataclass(frozen=True)
class ClipOptions:
    """Options of one clip; the defaults change nothing.

    start, end: seconds of the file as a player shows them, end exclusive. rotate: degrees
    clockwise, a multiple of 90 (stored as 0, 90, 180 or 270), in addition to the orientation stored
    in the file. mirror: flip left and right, after the rotation. slowmo: seconds of the file per
    second of the movement, 8 for footage slowed down 8 times. fps: images per second, for folders
    of images only; 0 = not given.

    Raises a UserError (exit 2) that names the option if a value is out of range.
    """

    start: float = 0.0
    end: float = inf
    rotate: int = 0
    mirror: bool = False
    slowmo: float = 1.0
    fps: float = 0.0

    def __post_init__(self) -> None:
        for name, fits, allowed in (
            ("start", 0 <= self.start <= _LATEST, f"from 0 to {_LATEST:g} s"),
            ("end", self.end > self.start, f"later than the start ({self.start:g} s)"),
            ("rotate", self.rotate % 90 == 0, "a multiple of 90 degrees"),
            ("slowmo", 0 < self.slowmo <= _FASTEST, f"above 0 and at most {_FASTEST:g}"),
            ("fps", 0 <= self.fps <= _FASTEST, f"above 0 and at most {_FASTEST:g}"),
        ):
            if not fits:
                raise UserError(f"{name} must be {allowed}, not {getattr(self, name):g}")
        object.__setattr__(self, "rotate", int(self.rotate) % 360)

    @property
    def is_cut(self) -> bool:
        """Whether a part of the file is left out."""
        return self.start > 0 or self.end < inf

    def amended(self, values: Mapping[str, Any]) -> ClipOptions:
        """Return the options with other values. start and end go together: if only one of them is
        given, the other becomes its default."""
        part = {"start": 0.0, "end": inf} if {"start", "end"} & values.keys() else {}
        return replace(self, **{**part, **values})

    def to_json(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, by name."""
        values = {each.name: (getattr(self, each.name), each.default) for each in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}

    def to_text(self) -> str:
        """Return the values that differ from the defaults, such as `start=1.5 rotate=90`."""
        return " ".join(f"{name}={_exact(value)}" for name, value in self.to_json().items())

    @classmethod
    def from_text(cls, text: str) -> ClipOptions:
        """Parse the text of to_text, with `mirror` as any of FLAGS. Raises ValueError."""
        values: dict[str, Any] = {}
        kinds = {each.name: type(each.default) for each in fields(cls)}
        for item in text.split():
            name, _, value = item.partition("=")
            if name not in kinds:
                raise ValueError(f"unknown option '{name}'")
            values[name] = _flag(name, value) if kinds[name] is bool else kinds[name](value)
        return cls(**values)

    @property
    def part(self) -> str:
        """`1.5-4`: the seconds of the file that a clip shows; empty for the complete file."""
        if not self.is_cut:
            return ""
        return f"{self.start:.10g}-" + (f"{self.end:.10g}" if self.end < inf else "")


def _flag(name: str, text: str) -> bool:
    if text.lower() not in FLAGS:
        raise ValueError(f"{name} is '{text}', write {name}=true or {name}=false")
    return FLAGS[text.lower()]


def _exact(value: Any) -> str:
    """Return text that is read back as exactly this value, with at most 10 digits if possible: 1.5,
    3, and 0.30000000000000004."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.10g}"
    return text if float(text) == value else repr(value)


# --- paths as cells: a file name may hold any byte but 0 and the separator -----------------------

_FILE = "file:"


def cell_of_path(path: str) -> str:
    """Return a path as a cell of a table; `path_of_cell` is the inverse.

    It becomes `file:` and its bytes percent-encoded if it begins like a formula, or contains bytes
    that are not UTF-8, line breaks or other control characters.
    """
    plain = path.isprintable() and not path.startswith((_FILE, "=", "+", "-", "@", "'"))
    return path if plain else _FILE + quote_from_bytes(os.fsencode(path))


def path_of_cell(text: str) -> str:
    """Return the path of a cell, see cell_of_path. Raises ValueError for a null character."""
    path = text
    if text.startswith(_FILE):
        path = os.fsdecode(unquote_to_bytes(text.removeprefix(_FILE)))
    if "\0" in path:
        raise ValueError("path contains a null character")
    return path
