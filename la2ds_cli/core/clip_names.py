"""What a name of a clip says: the film, the part of it and the person; and files however their
names are spelled.

A name is resolved once, where it enters: `poses.current.find_clip` for what a person types,
`VideoList.find` and `file_of` for the tables of a project, which mean the same in every folder.
The first form that fits decides:

| form | example |
| --- | --- |
| id | `gym-anna-1a2b3c4d-t1.5-4` |
| path from the current folder (typed names alone), from the project, or absolute | `gym/anna.mp4` |
| file name, with as many of its folders as needed | `anna.mp4`, `gym/anna.mp4` |
| file name without its suffix | `anna`, `gym/anna` |
| start of an id | `gym-anna` |

`#1.5-4` behind it is a part of the film in seconds (`#1.5-`: to its end), `#2` a person, `#1.5-4#2`
both. A name without a part is the whole film, or its only part; without a person, the first one, or
the only one whom the project has of the film (of the part, if that is named). The person is decided
before the part, so that a name means the same person in tables, where it stands for all parts. Of
several films that fit, the one that is spelled exactly so is meant, or else the one in the current
folder. Spelling is compared in NFC; the case of letters counts unless the file system says that
both names are one file.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
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
_ROUNDED = 0.006  # seconds between a part and how a title rounds it


@dataclass(frozen=True)
class ClipName:
    """A name taken apart. part: its first second and its end, None = not given; person: 0 = not
    given."""

    film: str
    part: tuple[float, float] | None = None
    person: int = 0

    @classmethod
    def parse(cls, text: str) -> ClipName:
        """Take the keys off the end of a name; a name without keys is its own film."""
        found = _KEYS.fullmatch(text)
        if found is None:
            return cls(text)
        film, start, end, person = found.group("film", "start", "end", "person")
        part = None if start is None else (float(start), float(end) if end else inf)
        return cls(film, part, int(person or 0))

    @property
    def has_keys(self) -> bool:
        """Whether it names a part or a person."""
        return self.part is not None or self.person > 0

    def of_part(self, videos: Sequence[Video]) -> list[Video]:
        """Those of the clips that show the part: exactly it, or else as titles round it."""
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
    """Whether a clip leaves out a part of its film."""
    return bool(video.options) and ClipOptions.from_text(video.options).is_cut


def keys_of(video: Video) -> str:
    """`#1.5-4#2`: what stands behind the name of a film for this part and person of it."""
    part = ClipOptions.from_text(video.options).part if video.options else ""
    return (f"#{part}" if part else "") + (f"#{video.person}" if video.person > 1 else "")


# --- spelling: one file, however its name is written ----------------------------------------------


def nfc(text: str) -> str:
    """The text with composed letters, as names are compared; macOS lists decomposed ones."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(path: str) -> str:
    """Equal for paths that may be one file on some file system."""
    return nfc(path).casefold()


def is_same_file(a: str, b: str) -> bool:
    """Whether two resolved paths are one file: the same text, names that the file system takes for
    one, or two spellings of which at most one exists."""
    if a == b:
        return True
    if folded(a) != folded(b):
        return False
    with suppress(OSError, ValueError):
        return Path(a).samefile(b)
    return nfc(a) == nfc(b)


def as_on_disk(path: str) -> str:
    """The path as the file system spells it, if only composed or decomposed letters differ; the
    path itself if it exists or nothing fits."""
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
    """The current folder, None if it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return None
