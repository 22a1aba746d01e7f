"""Checked values out of files that others wrote; PoseFileError says where one is not as it should.

`where` is the place in words: `frame 3, person 2`.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.importers._problems import FramesError, PoseFileError

_MOST_FRAME = 10**9  # more than a year of video: no frame number, but a time stamp or an id


def read_text(path: Path) -> str:
    """UTF-8 text of a file, with or without a byte-order mark."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PoseFileError("it is not a text file") from error
    except OSError as error:
        raise PoseFileError(f"it cannot be opened: {error.strerror or error}") from error


def read_json(path: Path) -> Any:
    """The JSON document of a file; NaN and Infinity are let through as numbers."""
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
    """`value`, if it is a JSON object."""
    if not isinstance(value, dict):
        raise PoseFileError(f"{where} should be an object, not {_kind(value)}")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """`value`, if it is a JSON array."""
    if not isinstance(value, list):
        raise PoseFileError(f"{where} should be a list, not {_kind(value)}")
    return value


def entry(value: dict[str, Any], key: str, where: str) -> Any:
    """value[key]."""
    if key not in value:
        raise PoseFileError(f"{where} has no '{key}'")
    return value[key]


def numbers(value: Any, where: str, count: int | None = None) -> FloatArray:
    """(n,) float64 of a flat list of numbers; null counts as NaN. count: n, where it is known."""
    items = sequence(value, where)
    if count is not None and len(items) != count:
        raise PoseFileError(f"{where} should have {count} numbers, not {len(items)}")
    return np.array([_number(item, where) for item in items], np.float64)


def number(value: Any, where: str) -> float:
    """A finite number."""
    found = _number(value, where)
    if not math.isfinite(found):
        raise PoseFileError(f"{where} should be a finite number, not {found}")
    return found


def positive(value: Any, where: str) -> float:
    """A finite number above 0."""
    found = number(value, where)
    if found <= 0:
        raise PoseFileError(f"{where} should be above 0, not {found:g}")
    return found


def frame_number(value: Any, where: str) -> int:
    """A frame number: a whole number of at least 0, also as text."""
    text = str(value).strip()
    whole = re.fullmatch(r"(\d{1,10})(\.0*)?", text) if not isinstance(value, bool) else None
    if whole is None or int(whole[1]) > _MOST_FRAME:
        raise FramesError(f"{where}: {shown(value)} is no frame number")
    return int(whole[1])


def last_number(name: str, where: str) -> int:
    """The frame number in the name of a file: its last group of digits before the ending."""
    stem = re.sub(r"\.[A-Za-z]\w*$", "", re.split(r"[/\\]", name)[-1])
    groups = re.findall(r"\d+", stem)
    if not groups:
        raise FramesError(f"{where}: there is no frame number in the name {shown(name)}")
    return frame_number(groups[-1].lstrip("0") or "0", where)


def shown(value: Any) -> str:
    """A value as it can stand in a sentence."""
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
