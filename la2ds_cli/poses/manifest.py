"""Lists of clips in a CSV table: which part of which file, how it is read, who is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.csv_tables import read_rows
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.video.media_files import refuse_url, unreadable

SPLITS = ("train", "test")  # of videos.csv
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Entry:
    """A clip that the user named: a file or folder, how to read it, and its row in videos.csv.

    subject: whom to follow; group: performer or session; split: one of SPLITS. Empty = not said.
    """

    name: str
    options: ClipOptions = field(default_factory=ClipOptions)
    subject: str = ""
    group: str = ""
    split: str = ""


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError
    return value


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError
    return _FLAGS[text.lower()]


def _split(text: str) -> str:
    if text not in SPLITS:
        raise ValueError
    return text


# Column -> what reads a cell, and what is allowed in it.
_OPTIONS: dict[str, tuple[Callable[[str], Any], str]] = {
    "start": (_number, "seconds such as 1.5"),
    "end": (_number, "seconds such as 4"),
    "rotate": (int, "0, 90, 180 or 270"),
    "mirror": (_flag, "true, false, 1 or 0"),
    "slowmo": (_number, "a factor such as 8"),
    "fps": (_number, "images per second such as 30"),
}
_FACTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "subject": (str, "text"),
    "group": (str, "text"),
    "split": (_split, " or ".join(SPLITS)),
}
_COLUMNS = ("path", *_OPTIONS, *_FACTS)
_HINT = f"one row per clip, separated by commas; columns: {', '.join(_COLUMNS)}; path is required"


def read_manifest(path: str | Path, options: ClipOptions | None = None) -> list[Entry]:
    """Entries of a CSV table with a header, in its order.

    Columns: path (required; relative to the folder of the table), start, end, rotate, mirror,
    slowmo, fps, subject, group, split. Empty cells and missing columns leave what `options` says.

    Raises UserError: V006 no such file (exit 3); exit 5 for an unknown column, a value that is
    not allowed or a clip listed twice, naming file, line and column.
    """
    path = Path(path)
    if not path.is_file():
        raise unreadable(f"no such file: {path}", "check the spelling of the path", "V006")
    usual = options or ClipOptions()
    entries = read_rows(path, lambda row: _entry(row, path.parent, usual), _HINT)
    if not entries:
        raise _mismatch(f"{path} lists no clip", _HINT)
    seen: set[tuple[str, ClipOptions]] = set()
    for entry in entries:
        if (entry.name, entry.options) in seen:
            hint = "give each row its own start and end"
            raise _mismatch(f"{path} lists the same part of {entry.name} twice", hint)
        seen.add((entry.name, entry.options))
    return entries


def _entry(row: dict[str, str], folder: Path, usual: ClipOptions) -> Entry:
    """ValueError and KeyError say what is wrong, for read_rows to say where."""
    unknown = [column for column in row if column not in _COLUMNS]
    if unknown:
        raise ValueError(f"column '{unknown[0]}' is unknown; allowed are {', '.join(_COLUMNS)}")
    cells = {column: text.strip() for column, text in row.items()}
    name = cells.pop("path")
    if not name:
        raise ValueError("column path is empty; it names a video file or a folder of images")
    _refuse_url(name)
    changed = {c: _read(c, cells[c], *_OPTIONS[c]) for c in _OPTIONS if cells.get(c)}
    facts = {c: _read(c, cells[c], *_FACTS[c]) for c in _FACTS if cells.get(c)}
    try:
        options = replace(usual, **changed)
    except UserError as error:
        raise ValueError(f"column {error.message.removeprefix('--')}") from error
    return Entry(str(folder / name), options, **facts)


def _refuse_url(name: str) -> None:
    """ValueError for a URL."""
    try:
        refuse_url(name)
    except UserError as error:
        raise ValueError(f"column path: {error.message}") from error


def _read(column: str, text: str, parse: Callable[[str], Any], allowed: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        raise ValueError(f"column {column} is '{text}'; allowed: {allowed}") from None


def _mismatch(message: str, hint: str) -> UserError:
    return UserError(message, hint=hint, exit_code=ExitCode.MISMATCH)
