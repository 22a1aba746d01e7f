"""Label files of other tools: one module per tool, reading and writing side by side.

A tool's module has

* `TOOL`, its name, and `SUFFIXES`, the endings of its files;
* `write(labels, stem) -> str`, the text of the file STEM.* with the labels of one video;
* `read(text, name, layer) -> list[LabelFile | LabelError]`, the labels of each video in the text of
  the file `name`. For an invalid file, it raises LabelError or ValueError, LookupError, TypeError
  and the like, of which `reader` makes a LabelError.

Times are seconds of the video file as a player shows them. Paths in such files come from other
machines.

Files that la2ds writes say which clip they are of (ClipKey) and who placed each end (`end_note`),
in fields that the tool shows and keeps. What is read from such a file is what was written, unless
somebody has changed it in the tool.

To add a tool: a module here, its name in FORMATS, and tests/labels/files/test_NAME.py, which opens
the written files with the tool's own reader, if there is one. ../exchange.py knows the project.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from la2ds_cli.core import regular_file
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import BY_PERSON, PERSON, Origins

# Name of a format, which is that of its module -> the ending of the files that are written.
FORMATS = {"boris": ".boris", "elan": ".eaf", "kinovea": ".kva", "via3": ".json"}
_MOST_BYTES = 200_000_000  # of a file
_MOST_LETTERS = 10_000  # of the name of a phase


class LabelError(ValueError):
    """A label file that does not follow its format; the message names the file and the place."""


@dataclass(frozen=True)
class TimedPhase:
    """A phase in a video file. start, end: seconds of the file."""

    start: float
    end: float
    name: str
    origins: Origins = BY_PERSON


@dataclass(frozen=True)
class ClipKey:
    """The clip that a file written by la2ds is of, the same in every project.

    sha256: digest of the film.
    part: the seconds of the film that the clip shows, as ClipOptions.part.
    person: number of the person.
    name: of the clip in the project that wrote the file.
    """

    sha256: str
    part: str = ""
    person: int = 1
    name: str = ""

    def to_text(self) -> str:
        """Return `DIGEST#1.5-4#2 NAME`."""
        part = f"#{self.part}" if self.part else ""
        return f"la2ds {quote(self.sha256, safe='')}{part}#{self.person} {quote(self.name)}"

    @classmethod
    def from_text(cls, text: object) -> ClipKey | None:
        """Return the first key in a text; None if there is none."""
        found = _KEY.search(str(text or ""))
        if found is None:
            return None
        digest, part, person, name = found.groups()
        return cls(unquote(digest), part or "", int(person), unquote(name))


_KEY = re.compile(
    r"la2ds ([^\s#]+)(?:#([\d.e+-]*-[\d.e+-]*))?#([1-9]\d{0,6}) ([\w.~/%-]*)", re.ASCII
)


@dataclass(frozen=True)
class LabelFile:
    """The labels of one video.

    media: its path in the file, empty if there is none.
    fps, seconds: of the video, 0 = not known.
    key: of the clip, in files of la2ds.
    title: what the tool calls these labels, if a file can hold those of several videos.
    """

    media: str
    phases: list[TimedPhase]
    fps: float = 0.0
    seconds: float = 0.0
    key: ClipKey | None = None
    title: str = ""

    @property
    def path(self) -> str:
        """The path of the video without the form of a URL, with `/` between folders."""
        path = self.media
        if path.startswith("file:"):
            path = re.sub("^file:(?://[^/]*)?", "", unquote(path))
        return PureWindowsPath(path).as_posix() if "\\" in path else path

    @property
    def name(self) -> str:
        """The file name of the video."""
        return PurePosixPath(self.path).name


Write = Callable[[LabelFile, str], str]
Read = Callable[[Path, str], list[LabelFile | LabelError]]
Parse = Callable[[str, str, str], list[LabelFile | LabelError]]


def writer(name: str) -> tuple[Write, str]:
    """The writer of a format, and the ending of its files. Raises UserError (exit 2) for an unknown
    format."""
    return tool_module(name).write, FORMATS[name]


def tool_module(name: str) -> Any:
    """The module of a format. Raises UserError (exit 2) for an unknown one."""
    if name not in FORMATS:
        raise UserError(f"unknown label format '{name}'", hint=f"formats: {', '.join(FORMATS)}")
    return import_module(f"{__name__}.{name}")


def reader(name: str) -> tuple[Read, tuple[str, ...]]:
    """The reader of a format, and the endings of its files. Raises UserError (exit 2) for an
    unknown format."""
    parse, suffixes = parser(name), tool_module(name).SUFFIXES
    return lambda path, layer: parse(text_of(path), path.name, layer), suffixes


def parser(name: str) -> Parse:
    """The function that reads the text of a file of a format, see the top of this module. Raises
    UserError (exit 2) for an unknown format."""
    module = tool_module(name)

    def parse(text: str, file: str, layer: str = "") -> list[LabelFile | LabelError]:
        try:
            found = module.read(text, file, layer)
        except LabelError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise LabelError(f"{file} is not a file of {module.TOOL}: {error!r}") from error
        return [
            one if isinstance(one, LabelError) else _with_usable_names(one, file) for one in found
        ]

    return parse


def _with_usable_names(labels: LabelFile, file: str) -> LabelFile | LabelError:
    """Labels with names that phases.csv can hold: those of la2ds as they are, others as one line.
    Labels without a name are left out."""
    phases = labels.phases
    if labels.key is None:
        phases = [replace(one, name=one_line(one.name)) for one in phases]
    for one in phases:
        if len(one.name) > _MOST_LETTERS or _NOT_TEXT.search(one.name):
            problem = f"has more than {_MOST_LETTERS:,} letters or holds what no text does"
            return LabelError(f"{file}: the name {one.name[:20]!a} {problem}")
    return replace(labels, phases=[one for one in phases if one.name.strip()])


_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def one_line(text: object) -> str:
    """Text without line breaks, other control characters and repeated spaces; empty for None."""
    words = " ".join(str(text or "").split())
    return "".join(c for c in words if unicodedata.category(c) not in ("Cc", "Cs")).strip()


# --- who placed an end ----------------------------------------------------------------------------


def end_note(side: str, origin: str, seconds: float) -> str:
    """Return `start carried at 0.6400 s`: who placed an end of a phase, and where it was then.

    Parameters
    ----------
    side: `start` or `end`.
    origin: see types.Origins.
    seconds: as written to the file.
    """
    return f"{side} {quote(origin, safe='')} at {seconds:.4f} s"


def noted_origin(side: str, text: object, seconds: float) -> str | None:
    """Return who placed an end of a phase, from a text that holds its `end_note`; None without one.

    An end that was moved in the tool since (by more than 2 ms) is a person's.
    """
    found = re.search(rf"\b{side} ([^\s\\]+) at (-?\d+\.\d+) s", str(text or ""))
    if found is None:
        return None
    return unquote(found[1]) if abs(float(found[2]) - seconds) < _MOVED else PERSON


_MOVED = 0.002  # seconds


def notes_of(phase: TimedPhase, start: float, end: float) -> str:
    """Return the notes of those ends of a phase that a person has not placed; empty if there is
    none. start, end: seconds as written to the file."""
    sides = zip(Origins._fields, phase.origins, (start, end), strict=True)
    return ", ".join(end_note(*one) for one in sides if one[1] != PERSON)


def noted_origins(text: object, start: float, end: float) -> Origins:
    """Inverse of notes_of."""
    return Origins(
        noted_origin("start", text, start) or PERSON, noted_origin("end", text, end) or PERSON
    )


# --- the text of a file ---------------------------------------------------------------------------


def text_of(path: Path) -> str:
    """The text of a label file, UTF-8 with or without a byte-order mark. Raises LabelError for
    any other, and OSError."""
    if path.stat().st_size > _MOST_BYTES:
        raise LabelError(
            f"{path.name} has more than {_MOST_BYTES // 10**6} MB, too many for labels"
        )
    try:
        return regular_file.text(path, "utf-8-sig", links=True)
    except UnicodeDecodeError as error:
        raise LabelError(f"{path.name} is not UTF-8 text") from error


def json_object(text: str, file: str) -> dict[str, Any]:
    """A JSON object; raises LabelError for anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise LabelError(f"{file} contains no JSON object")
    return content


# What XML 1.0 cannot hold, not even escaped: most control characters, and halves of a character.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(root: ElementTree.Element) -> str:
    """An XML document as indented text, without the characters that XML cannot hold."""
    ElementTree.indent(root)
    body = _NOT_XML.sub("", ElementTree.tostring(root, encoding="unicode"))
    body = body.replace("\r", "&#13;")  # which a reader would take for a line feed
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def xml_root(text: str, file: str, tag: str, tool: str) -> ElementTree.Element:
    """The root of an XML document, which is `tag`; raises LabelError for anything else."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities can grow without bound
        raise LabelError(f"{file} declares a document type, which files of {tool} do not")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, RecursionError, ValueError) as error:
        raise LabelError(f"{file} is not XML: {error}") from error
    if root.tag != tag:
        raise LabelError(f"{file} is not a valid {tool} file: it begins with {root.tag[:40]!a}")
    return root
