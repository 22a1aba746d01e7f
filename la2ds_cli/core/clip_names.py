"""Names of clips: the film, the part of it and the person; and comparison of file names.

A name is resolved once, where it enters: by `poses.current.find_clip` if the user typed it, by
`VideoList.find` and `file_of` if it is in a table of a project, where it means the same in every
folder. The first form that fits decides:

| form | example |
| --- | --- |
| id | `gym-anna-1a2b3c4d-t1.5-4` |
| path from the current folder (only typed names), from the project, or absolute | `gym/anna.mp4` |
| file name, with as many of its folders as needed | `anna.mp4`, `gym/anna.mp4` |
| file name without its suffix | `anna`, `gym/anna` |
| start of an id | `gym-anna` |

After it, `#1.5-4` is a part of the film in seconds (`#1.5-`: to its end), `#2` a person, `#1.5-4#2`
both. A name without a part is the whole film, or its only part; without a person, the first one, or
the only person of the film (of the part, if it is named) in the project. The person is decided
before the part, so that a name means the same person in tables, where it stands for all parts. Of
several films that fit, the name means the one with exactly this spelling, or else the one in the
current folder. Spelling is compared in NFC; the case of letters counts unless the file system says
that both names are one file.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

from la2ds_cli.core.clip import ClipOptions, Video

_SECONDS = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_KEYS = re.compile(
    rf"(?P<film>.+?)(?:#(?P<start>{_SECONDS})-(?P<end>{_SECONDS})?)?(?:#(?P<person>[1-9]\d{{0,6}}))?",
    re.DOTALL,
)
_ROUNDED = 0.006  # most seconds between a part and its rounded form in a title


def list_names(names: str | Path | Iterable[str | Path]) -> list[str]:
    """Return the names of clips or files that a program gives as one or as several."""
    return [str(names)] if isinstance(names, str | Path) else [str(name) for name in names]


class ShownNames(dict[str, str]):
    """What a person calls each clip, by its id. An id without an entry is its own name."""

    def __missing__(self, clip: str) -> str:
        return clip


@dataclass(frozen=True)
class ClipName:
    """A parsed name. part: its first second and end, None = not named; person: 0 = not named."""

    film: str
    part: tuple[float, float] | None = None
    person: int = 0

    @classmethod
    def parse(cls, text: str) -> ClipName:
        """Split a name into film, part and person; a name without keys is only a film."""
        match = _KEYS.fullmatch(text)
        if match is None:
            return cls(text)
        film, start, end, person = match.group("film", "start", "end", "person")
        part = None if start is None else (float(start), float(end) if end else inf)
        return cls(film, part, int(person or 0))

    @property
    def has_keys(self) -> bool:
        """Whether the name has a part or a person."""
        return self.part is not None or self.person > 0

    def of_part(self, videos: Sequence[Video]) -> list[Video]:
        """Return the clips that show the part: exactly it, or else as titles round it."""
        assert self.part is not None
        spans = [(video, *_span(video)) for video in videos]
        start, end = self.part
        exact = [video for video, *span in spans if _text(*span) == _text(start, end)]
        return exact or [
            video
            for video, first, last in spans
            if abs(first - start) < _ROUNDED and (first, last) != (0.0, inf)
            and (last == end or abs(last - end) < _ROUNDED)
        ]  # fmt: skip


def _span(video: Video) -> tuple[float, float]:
    options = ClipOptions.from_text(video.options)
    return options.start, options.end


def _text(start: float, end: float) -> str:
    return f"{start:.10g}-{end:.10g}"


def is_part(video: Video) -> bool:
    """Return whether a clip leaves out a part of its film."""
    return bool(video.options) and ClipOptions.from_text(video.options).is_cut


def keys_of(video: Video) -> str:
    """Return what follows the name of a film for the part and person of a clip: `#1.5-4#2`."""
    part = ClipOptions.from_text(video.options).part if video.options else ""
    return (f"#{part}" if part else "") + (f"#{video.person}" if video.person > 1 else "")


# --- spelling: one file under several spellings ---------------------------------------------------


def nfc(text: str) -> str:
    """Return text with composed letters, for comparison of names; macOS lists decomposed ones."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(path: str) -> str:
    """Return text that is equal for paths that may be one file on some file system."""
    return nfc(path).casefold()


def is_same_file(a: str, b: str) -> bool:
    """Return whether two resolved paths are one file: the same text, one file by the file system,
    or two spellings of which at most one exists."""
    if a == b:
        return True
    if folded(a) != folded(b):
        return False
    with suppress(OSError, ValueError):
        return Path(a).samefile(b)
    return nfc(a) == nfc(b)


def as_on_disk(path: str) -> str:
    """Return the path as the file system spells it, if only composed or decomposed letters differ;
    the path itself if it exists or nothing fits."""
    if path.isascii() or "\0" in path or os.path.lexists(path):
        return path
    folder, name = os.path.split(path.rstrip(os.sep))
    if not name or folder == path:
        return path
    folder = as_on_disk(folder)
    with suppress(OSError):
        for entry in sorted(os.listdir(folder or os.curdir)):  # noqa: PTH208
            if nfc(entry) == nfc(name):
                return os.path.join(folder, entry)  # noqa: PTH118
    return path


def current_folder() -> Path | None:
    """Return the current folder, None if it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return None
