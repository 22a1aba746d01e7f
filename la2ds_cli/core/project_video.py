"""A clip of a project: one row of videos.csv, and what it is called."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from la2ds_cli.core.clip_id import slug


@dataclass(frozen=True)
class Video:
    """One row of videos.csv.

    path: the source file (a video or a label file), absolute, or relative to the project.
    sha256: digest of the source. frames, fps, width, height: of the extracted sequence, 0 =
    unknown. split: `train`, `test` or empty (= used for both). group: performer or session.
    person: which of the people in the video, 1 = its subject. options: how the file is read, as
    ClipOptions.to_text writes it, empty = as it is.
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

    @property
    def name(self) -> str:
        """The file name, and `#2` for its second person: short, and understood by Project.find.

        The id without its digest where the file name says too little: of several clips of a file,
        and of folders such as subject1/h1/1/cam4.
        """
        path = Path(self.path)
        own = re.fullmatch(r"(.+)-[0-9a-f]{8}", self.id)
        name = own[1] if own and _says_more(own[1], path) else path.name
        return f"{name}#{self.person}" if self.person > 1 else name


def _says_more(own: str, path: Path) -> bool:
    """Whether the readable part of an id names a clip better than its path does."""
    if own == slug(f"{path.parent.name}-{path.stem}"):
        return False
    return own == slug("-".join(path.parts[-4:])) or not own.endswith(slug(path.stem))


SPLITS = ("train", "test")
COLUMNS = tuple(field.name for field in fields(Video))
_NEEDED = tuple(field.name for field in fields(Video) if field.default is MISSING)
_TYPES = {field.name: str(field.type) for field in fields(Video)}


def check_columns(columns: Collection[str]) -> None:
    """ValueError for a needed column that is not there, and for one that is misspelt.

    Other columns are the user's own; they are not read.
    """
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and sign in next(iter(columns)):  # as some spreadsheets write it
            raise ValueError(f"its fields are separated by {name}, not by commas")
    absent = [column for column in COLUMNS if column not in columns]
    for column in columns:
        near = get_close_matches(column.strip().lower(), absent, n=1, cutoff=0.75)
        if column not in COLUMNS and near:
            raise ValueError(f"there is no column '{column}', write '{near[0]}'")
    missing = [column for column in absent if column in _NEEDED]
    if missing:
        raise ValueError(f"the column '{missing[0]}' is missing")


def video_of(row: Mapping[str, str]) -> Video:
    """The clip of a row of videos.csv (column -> text); ValueError names the column that is wrong.

    An empty cell counts as a column that is not there.
    """
    cells = {name: row[name] for name in COLUMNS if row.get(name)}
    empty = [name for name in _NEEDED if name not in cells]
    if empty:
        raise ValueError(f"the column '{empty[0]}' is empty")
    return Video(**{name: _value(name, text) for name, text in cells.items()})


def _value(column: str, text: str) -> Any:
    if column == "split" and text not in SPLITS:
        near = get_close_matches(text.strip().lower(), SPLITS, n=1, cutoff=0.75)
        if near:  # another name is a split that nothing here uses
            raise ValueError(f"split is '{text}', write '{near[0]}'")
    kind = _TYPES[column]
    if kind == "str":
        return text
    try:
        value = int(text) if kind == "int" else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        wanted = "a whole number" if kind == "int" else "a number"
        raise ValueError(f"{column} is '{text}', not {wanted} of at least 0")
    return value
