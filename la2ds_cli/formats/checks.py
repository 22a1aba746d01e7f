"""Errors of a pose file, one exception per item code (docs/reference/codes.md), and checked values
from files that other tools wrote."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray


class PoseFileError(Exception):
    """I001: the file does not follow its format. The message gives the problem but not the file."""

    code = "I001"
    exit_code = ExitCode.UNREADABLE
    usual_hint = "check that the file is complete and that the format is the right one"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.usual_hint

    def user_error(self, path: Path) -> UserError:
        """The error of a command that was given only this clip."""
        return UserError(
            f"{path}: {self}", hint=self.hint, exit_code=self.exit_code, code=self.code
        )

    def item(self, path: Path) -> ItemResult:
        """The row of this clip in a batch."""
        message = f"{path.name}: {self}"
        return ItemResult(str(path), "", "failed", code=self.code, message=message, hint=self.hint)


class JointsError(PoseFileError):
    """I002: the joints do not fit the skeleton, or no known skeleton has them."""

    code = "I002"
    exit_code = ExitCode.MISMATCH
    usual_hint = "name the joint order with --skeleton NAME"


class FramesError(PoseFileError):
    """I003: frame numbers are missing, repeated or not numbers."""

    code = "I003"
    exit_code = ExitCode.MISMATCH
    usual_hint = "write the file again, with one frame number for each frame of the video"


class VideoError(PoseFileError):
    """I004: the video given with --video is not the one that the poses were made from."""

    code = "I004"
    exit_code = ExitCode.MISMATCH
    usual_hint = "give the video that the poses were made from, or leave out --video"


class MissingFactError(PoseFileError):
    """I007: the frame rate is neither in the file nor given."""

    code = "I007"
    exit_code = ExitCode.USAGE


class FormatError(ValueError):
    """A format of `la2ds export` cannot hold these poses; the message gives the reason."""


# --- checked values; PoseFileError names the place of a wrong one --------------------------------

_MOST_FRAME = 10**9  # more than a year of video: not a frame number, but a time stamp or an id


@contextmanager
def unreadable_text() -> Iterator[None]:
    """Turns the errors of opening a file and of reading its text into PoseFileError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise PoseFileError("it is not a text file") from error
    except OSError as error:
        raise PoseFileError(f"it cannot be opened: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """UTF-8 text of a file, with or without a byte-order mark."""
    with unreadable_text():
        most = regular_file.MOST_IMPORTED
        return regular_file.text(path, "utf-8-sig", most=most, links=True)


def read_json(path: Path) -> Any:
    """The JSON document of a file; NaN and Infinity are accepted as numbers."""
    text = read_text(path)
    if not text.strip():
        raise PoseFileError("it is empty")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise PoseFileError("it is nested too deeply") from error
    except ValueError as error:
        raise PoseFileError(f"it is not JSON: {error}") from error


def mapping(value: Any, where: str) -> dict[str, Any]:
    """`value`, checked to be a JSON object."""
    if not isinstance(value, dict):
        raise PoseFileError(f"{where} should be an object, not {_kind(value)}")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """`value`, checked to be a JSON array."""
    if not isinstance(value, list):
        raise PoseFileError(f"{where} should be a list, not {_kind(value)}")
    return value


def entry(value: dict[str, Any], key: str, where: str) -> Any:
    """value[key], checked to exist."""
    if key not in value:
        raise PoseFileError(f"{where} has no '{key}'")
    return value[key]


def numbers(value: Any, where: str, count: int | None = None) -> FloatArray:
    """A flat list of numbers as (n,) float64; null becomes NaN. count: n, where it is known."""
    items = sequence(value, where)
    if count is not None and len(items) != count:
        raise PoseFileError(f"{where} should have {count} numbers, not {len(items)}")
    return np.array([_number(item, where) for item in items], np.float64)


def number(value: Any, where: str) -> float:
    """A finite number."""
    result = _number(value, where)
    if not math.isfinite(result):
        raise PoseFileError(f"{where} should be a finite number, not {result}")
    return result


def positive(value: Any, where: str) -> float:
    """A finite number above 0."""
    result = number(value, where)
    if result <= 0:
        raise PoseFileError(f"{where} should be above 0, not {result:g}")
    return result


def frame_number(value: Any, where: str) -> int:
    """A frame number: an integer of at least 0, also as text."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d{1,10})(\.0*)?", text) if not isinstance(value, bool) else None
    if match is None or int(match[1]) > _MOST_FRAME:
        raise FramesError(f"{where}: {shown(value)} is not a frame number")
    return int(match[1])


def last_number(name: str, where: str) -> int:
    """The frame number in the name of a file: its last group of digits before the ending."""
    stem = re.sub(r"\.[A-Za-z]\w*$", "", re.split(r"[/\\]", name)[-1])
    groups = re.findall(r"\d+", stem)
    if not groups:
        raise FramesError(f"{where}: there is no frame number in the name {shown(name)}")
    return frame_number(groups[-1].lstrip("0") or "0", where)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Puts the name of one of several files in front of the message of a PoseFileError."""
    try:
        yield
    except PoseFileError as error:
        raise type(error)(f"{name}: {error}", error.hint) from error


def identity(value: Any) -> str | None:
    """The identity of a person as text; None and -1 mean that there is none."""
    return None if value is None or value == -1 else str(value)[:200]


def confidence(item: dict[str, Any], key: str, where: str) -> float | None:
    """item[key] as a finite number, None if it is missing or null."""
    value = item.get(key)
    return None if value is None else number(value, f"the {key} of {where}")


def shown(value: Any) -> str:
    """A value as it is quoted in a message: its repr, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PoseFileError(f"{where} should hold numbers, not {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "nothing" if value is None else names.get(type(value), "a number")
