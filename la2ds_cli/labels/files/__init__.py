"""Label files of other tools: one file per tool, reading and writing side by side.

A tool's module has

* `TOOL`, its name, and `SUFFIXES`, the endings of its files;
* `write(labels, path)`, which writes the labels of one video;
* `read(path, layer) -> list[LabelFile]`. For an invalid file, it raises LabelError or what it met:
  ValueError, LookupError, TypeError and the like, of which `reader` makes a LabelError.

Times are seconds of the video file as a player shows them. Paths in such files come from other
machines, so only the file name is used.

To add a tool: a file here, its name in FORMATS, and tests/labels/files/test_NAME.py,
which opens the written files with the tool's own reader, if there is one. ../exchange.py knows the
project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from la2ds_cli.core import regular_file
from la2ds_cli.core.errors import UserError

# Name of a format, which is that of its module -> the ending of the files that are written.
FORMATS = {"boris": ".boris", "elan": ".eaf", "kinovea": ".kva", "via3": ".json"}
CARRIED = "carried, not checked"  # comment on labels that nobody has checked
_MOST = 200_000_000  # bytes of a file


class LabelError(ValueError):
    """A label file that does not follow its format; the message names the file and the place."""


@dataclass(frozen=True)
class Span:
    """start, end: seconds of the file; name: of the phase. carried: nobody has checked it."""

    start: float
    end: float
    name: str
    carried: bool = False


@dataclass(frozen=True)
class LabelFile:
    """The labels of one video. media: its path in the file, empty if there is none. fps, seconds:
    of the video, 0 = not known."""

    media: str
    spans: list[Span]
    fps: float = 0.0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The file name of the video, for paths of any system and for URLs."""
        path = unquote(self.media) if self.media.startswith("file:") else self.media
        return PurePosixPath(PureWindowsPath(path).as_posix()).name


Write = Callable[[LabelFile, Path], None]
Read = Callable[[Path, str], list[LabelFile]]


def writer(name: str) -> tuple[Write, str]:
    """The writer of a format, and the ending of its files. Raises UserError (exit 2) for an unknown
    format."""
    return _module(name).write, FORMATS[name]


def _module(name: str) -> Any:
    if name not in FORMATS:
        raise UserError(f"unknown label format '{name}'", hint=f"formats: {', '.join(FORMATS)}")
    return import_module(f"{__name__}.{name}")


def reader(name: str) -> tuple[Read, tuple[str, ...]]:
    """The reader of a format, and the endings of its files. Raises UserError (exit 2) for an
    unknown format."""
    module = _module(name)

    def read(path: Path, layer: str) -> list[LabelFile]:
        try:
            return module.read(path, layer)
        except LabelError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise LabelError(f"{path.name} is not a file of {module.TOOL}: {error!r}") from error

    return read, module.SUFFIXES


def text_of(path: Path) -> str:
    """The text of a label file, UTF-8 with or without a byte-order mark. Raises LabelError for
    any other, and OSError."""
    if path.stat().st_size > _MOST:
        raise LabelError(f"{path.name} has more than {_MOST // 10**6} MB, too many for labels")
    try:
        return regular_file.text(path, "utf-8-sig", links=True)
    except UnicodeDecodeError as error:
        raise LabelError(f"{path.name} is not UTF-8 text") from error


def one_line(text: object) -> str:
    """Text without line breaks and repeated spaces; empty for None."""
    return " ".join(str(text or "").split())


def json_of(path: Path) -> dict[str, Any]:
    """A JSON object; raises LabelError for anything else."""
    try:
        content = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise LabelError(f"{path.name} contains no JSON object")
    return content


# What XML 1.0 cannot hold, not even escaped: most control characters, and halves of a character.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(root: ElementTree.Element) -> str:
    """An XML document as indented text, without the characters that XML cannot hold."""
    ElementTree.indent(root)
    return _NOT_XML.sub("", ElementTree.tostring(root, encoding="unicode"))


def xml_of(path: Path, tag: str, tool: str) -> ElementTree.Element:
    """The root of an XML file, which is `tag`; raises LabelError for anything else."""
    text = text_of(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities can grow without bound
        raise LabelError(f"{path.name} declares a document type, which files of {tool} do not")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, RecursionError, ValueError) as error:
        raise LabelError(f"{path.name} is not XML: {error}") from error
    if root.tag != tag:
        raise LabelError(
            f"{path.name} is not a valid {tool} file: it begins with {root.tag[:40]!a}"
        )
    return root
