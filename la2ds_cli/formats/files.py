"""Shared code of the formats: options, one exception per item code (docs/reference/codes.md), text,
JSON, and tables with a row for each frame.

Tables (CSV of la2ds and of DeepLabCut, TRC) are read and written in pieces, since those of long
films are larger as text than in memory.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import encoded, write_bytes
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.table_size import check_table_size
from la2ds_cli.core.types import FloatArray


@dataclass(frozen=True)
class ImportOptions:
    """Facts that the user gives, since a pose file may lack them; None = take them from the file.

    fps: frames per second. size: (width, height). skeleton: a name of core.skeleton. video: the
    video file, or a folder with one video for each clip, with the same name; its rate and size
    override `fps` and `size`. renamed: joint name in the file -> joint of the skeleton.
    """

    fps: float | None = None
    size: tuple[int, int] | None = None
    skeleton: str | None = None
    video: Path | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


class PoseFileError(Exception):
    """I001: the file does not follow its format. The message gives the problem but not the file."""

    code = "I001"
    exit_code = ExitCode.UNREADABLE
    usual_hint = "check that the file is complete and that the format is the right one"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.usual_hint

    def user_error(self, path: Path) -> UserError:
        """Return the error of a command that imports only this clip."""
        return UserError(
            f"{path}: {self}", hint=self.hint, exit_code=self.exit_code, code=self.code
        )

    def item(self, path: Path) -> ItemResult:
        """Return the row of this clip in a batch."""
        message = f"{path.name}: {self}"
        return ItemResult(str(path), "", "failed", code=self.code, message=message, hint=self.hint)


class JointsError(PoseFileError):
    """I002: the joints do not fit the skeleton, or fit none."""

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


# --- content of files that other tools wrote ------------------------------------------------------

_MOST_FRAME = 10**9  # more than a year of video; larger numbers are time stamps or ids


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn errors of Python within the block into a PoseFileError that names the place `where`.

    The code inside assumes that the content follows its format: a missing key, an object in place
    of a list, and text in place of a number are thus errors of the file.
    """
    try:
        yield
    except PoseFileError as error:
        raise type(error)(f"{where}: {error}", error.hint) from error
    except KeyError as error:
        raise PoseFileError(f"{where} has no {shown(error.args[0])}") from error
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        problem = first_line(error)
        raise PoseFileError(f"{where} does not follow the format: {problem}") from error


@contextmanager
def unreadable_text() -> Iterator[None]:
    """Turn errors of opening a file and of reading its text into PoseFileError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise PoseFileError("it is not a text file") from error
    except OSError as error:
        raise PoseFileError(f"it cannot be opened: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """Read the UTF-8 text of a file, with or without a byte-order mark."""
    with unreadable_text():
        most = regular_file.MOST_IMPORTED
        return regular_file.text(path, "utf-8-sig", most=most, links=True)


def read_json(path: Path) -> Any:
    """Read the JSON document of a file; NaN and Infinity are accepted as numbers."""
    text = read_text(path)
    if not text.strip():
        raise PoseFileError("it is empty")
    if text.count("[") + text.count("{") > _MOST_PARTS:
        raise PoseFileError(f"it has more than {_MOST_PARTS:,} lists and objects")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise PoseFileError("it is nested too deeply") from error
    except ValueError as error:
        raise PoseFileError(f"it is not JSON: {error}") from error


def frame_number(value: Any) -> int:
    """Return a frame number, an integer of at least 0, also from text. Raises FramesError."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d{1,10})(\.0*)?", text) if not isinstance(value, bool) else None
    if match is None or int(match[1]) > _MOST_FRAME:
        raise FramesError(f"{shown(value)} is not a frame number")
    return int(match[1])


def last_number(name: str) -> int:
    """Return the frame number in a file's name: its last group of digits before the ending."""
    stem = re.sub(r"\.[A-Za-z]\w*$", "", re.split(r"[/\\]", name)[-1])
    groups = re.findall(r"\d+", stem)
    if not groups:
        raise FramesError(f"there is no frame number in the name {shown(name)}")
    return frame_number(groups[-1].lstrip("0") or "0")


def shown(value: Any) -> str:
    """Return a value for a message: its repr, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


# --- tables ---------------------------------------------------------------------------------------

Row = tuple[int, list[str]]  # number of the row, from 1, and its cells
_PIECE = 1000  # rows written at once
_MOST_ROWS = 2_000_000  # of a table: 18 hours at 30 frames a second
_MOST_CELLS = 200_000_000
_MOST_PARTS = 10_000_000  # lists and objects of a JSON document, which take 1 GB


def rows_of(path: Path, delimiter: str = ",") -> Iterator[Row]:
    """Yield the rows of a file that are not blank, as they are read. Raises PoseFileError."""
    number = 0
    with (
        unreadable_text(),
        regular_file.opened(path, regular_file.MOST_IMPORTED, links=True) as stream,
    ):
        try:
            check_table_size(stream, _MOST_ROWS, _MOST_CELLS, delimiter)
        except ValueError as error:
            raise PoseFileError(str(error), "split the film into several files") from error
        with io.TextIOWrapper(stream, "utf-8-sig", newline="") as lines:
            try:
                for cells in csv.reader(lines, delimiter=delimiter):
                    row = [cell.strip() for cell in cells]
                    if any(row):
                        number += 1
                        yield number, row
            except csv.Error as error:
                raise PoseFileError(f"it is not a table: {error}") from error


def cell_number(cell: str) -> float:
    """Return the number in a cell; NaN if it is empty, nan or na. Raises ValueError."""
    return float(cell) if cell and cell.lower() != "na" else math.nan


def read_frames(
    rows: Iterable[Row], width: int, columns: Sequence[int], frame: int | None = 0
) -> tuple[list[int], FloatArray]:
    """Return the frame numbers (T,) of the rows, and the numbers (T, C) in some columns.

    Parameters
    ----------
    rows
        As from rows_of, without the header.
    width
        Number of columns in the header; cells that a short row lacks are NaN.
    columns
        The C columns to return, from 0.
    frame
        The column of the frame numbers, None = count the rows from 0.
    Raises
    ------
    PoseFileError
        With the number of the row; FramesError if the frame numbers do not increase.
    """
    numbers: list[int] = []
    values = array("d")
    for line, cells in rows:
        with reading(f"row {line}"):
            if any(cells[width:]):  # some programs end each row with an empty cell
                raise PoseFileError(f"it has {len(cells)} columns, but the header has {width}")
            cells += [""] * (width - len(cells))
            number = len(numbers) if frame is None else frame_number(cells[frame])
            if numbers and number <= numbers[-1]:
                raise FramesError(f"frame {number} comes after frame {numbers[-1]}")
            numbers.append(number)
            values.extend(cell_number(cells[column]) for column in columns)
    if not numbers:
        raise PoseFileError("it has no rows below its header")
    return numbers, np.frombuffer(values).reshape(-1, len(columns))


def joint_cells(values: FloatArray, missing: str) -> Iterator[list[str]]:
    """Yield the cells of each row of `values` (T, ...), with four decimals; `missing` for NaN."""
    for row in values:
        cells = row.ravel().tolist()
        yield [missing if value != value else f"{value:.4f}" for value in cells]


def write_rows(path: Path, rows: Iterable[Sequence[str]], delimiter: str = ",") -> None:
    """Write a table atomically. Raises UserError (exit 7)."""

    def pieces() -> Iterator[bytes]:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
        for count, row in enumerate(rows, start=1):
            writer.writerow(row)
            if count % _PIECE == 0:
                yield encoded(buffer.getvalue())
                buffer.seek(0)
                buffer.truncate()
        yield encoded(buffer.getvalue())

    write_bytes(path, pieces())
