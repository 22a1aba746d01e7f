"""The actions of IKEA ASM out of its SQLite file: which action each annotated scan shows when.

`ikea_annotation_db_full` numbers actions and objects. A pair of the two is an action of the
benchmark where action_object_relation_list.txt lists it, and the same line of
atomic_action_list.txt is its name. Tables, columns and their reading are those of the data set's
own loader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.importers._problems import FramesError, PoseFileError
from la2ds_cli.formats.importers._values import frame_number, read_text, shown

BACKGROUND = "NA"  # what the data set calls frames without an action
DATABASE = "ikea_annotation_db_full"
LISTS = ("atomic_action_list.txt", "action_object_relation_list.txt")
ANNOTATED = "dev3"
_COLUMNS = {
    "videos": ("id", "video_path", "camera", "annotated", "nframes"),
    "annotations": ("video_id", "atomic_action_id", "object_id", "starting_frame", "ending_frame"),
}
_LONGEST = 2**20  # bytes of a value: a damaged or hostile file does not fill the memory

Pair = tuple[int, int]  # atomic_action_id, object_id
Actions = dict[str, list[Phase] | PoseFileError]


@dataclass(frozen=True)
class _Video:
    """A row of `videos`; the values are unchecked."""

    id: Any
    camera: Any
    frames: Any


@dataclass(frozen=True)
class _Row:
    """A row of `annotations`; the values are unchecked. number: its place in the table."""

    number: Any
    action: Any
    object: Any
    start: Any
    end: Any


def action_names(listed: Path, related: Path) -> dict[Pair, str]:
    """Name of each pair of action and object, by two files with a line for each action.

    A pair that is there twice gets the name that comes first in the alphabet, as in the loader.
    UserError: no text or a line that does not fit (exit 3), lists of different length (exit 5).
    """
    names, pairs = _lines(listed), _lines(related)
    if len(names) != len(pairs):
        raise UserError(
            f"{listed} has {len(names)} actions, {related.name} has {len(pairs)} pairs",
            hint="copy both lists again from the data set: their lines belong together",
            exit_code=ExitCode.MISMATCH,
        )
    found: dict[Pair, str] = {}
    for line, (name, pair) in enumerate(zip(names, pairs, strict=True), start=1):
        try:
            if not name:
                raise PoseFileError(f"{listed.name} has no action")
            words = pair.split()
            if len(words) != 2:
                raise PoseFileError(f"{shown(pair)} should be the numbers of action and object")
            action, thing = _number(words[0]), _number(words[1])
        except PoseFileError as error:
            raise UserError(
                f"{related} line {line}: {error}",
                hint="copy both lists again from the data set",
                exit_code=ExitCode.UNREADABLE,
            ) from error
        found[action, thing] = min(name, found.get((action, thing), name))
    return found


def _lines(path: Path) -> list[str]:
    """Lines without the blanks around them; empty lines at the end do not count."""
    try:
        return [line.strip() for line in read_text(path).rstrip().splitlines()]
    except PoseFileError as error:
        raise error.user_error(path) from error


def _number(word: str) -> int:
    try:
        return frame_number(word, "")
    except FramesError as error:
        raise PoseFileError(f"{shown(word)} is no number of an action or object") from error


def read_actions(path: Path, names: Mapping[Pair, str], camera: str) -> Actions:
    """`furniture/scan` -> its actions in time order, or what is wrong with its rows.

    Of scans with `annotated = 1`: by the rows of `camera` where it is annotated, else of dev3, else
    of any other, since the cameras ran together. Frames are [starting_frame, ending_frame), cut
    at `nframes`; where rows overlap, the later one counts; neighbours of one name are one action.
    Rows of a pair without a name change nothing, BACKGROUND is left out. The file is opened
    read-only. UserError (exit 3): it is no such database.
    """
    try:
        with _opened(path) as database:
            _check_columns(database)
            videos = _annotated(database, camera)
            rows = _rows(database, {video.id for found in videos.values() for video in found})
    except PoseFileError as error:
        raise UserError(
            f"{path}: {error}",
            hint=f"copy {DATABASE} again from the data set",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    actions: Actions = {}
    for scan, found in videos.items():
        try:
            if len(found) > 1:
                raise PoseFileError(f"{len(found)} annotated videos of {shown(found[0].camera)}")
            actions[scan] = _actions(found[0], rows.get(found[0].id, ()), names)
        except PoseFileError as error:
            actions[scan] = type(error)(f"{DATABASE}, {scan}: {error}", error.hint)
    return actions


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only, without a lock or a journal beside the file; errors of SQLite are named."""
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            database.text_factory = lambda data: data.decode("utf-8", "replace")
            yield database
    except UnicodeDecodeError as error:  # of a message of SQLite that quotes damaged bytes
        raise PoseFileError("it is a damaged SQLite database") from error
    except sqlite3.Error as error:
        said = " ".join(str(error).split())
        raise PoseFileError(f"it cannot be read as an SQLite database: {said}") from error


def _check_columns(database: sqlite3.Connection) -> None:
    """Real tables only: a view or a virtual table could be a program that does not end."""
    listed = database.execute("SELECT name FROM sqlite_master WHERE type='table' AND rootpage > 0")
    tables = {str(name).lower() for (name,) in listed}
    for table, wanted in _COLUMNS.items():
        if table not in tables:
            raise PoseFileError(f"it has no table '{table}'")
        there = {str(row[1]).lower() for row in database.execute(f"PRAGMA table_info({table})")}
        missing = [column for column in wanted if column not in there]
        if missing:
            raise PoseFileError(f"its table '{table}' has no column '{missing[0]}'")


def _annotated(database: sqlite3.Connection, camera: str) -> dict[str, list[_Video]]:
    """`furniture/scan` -> its annotated videos of one camera; one, unless the table is wrong."""
    videos: dict[str, list[_Video]] = {}
    found = database.execute(
        "SELECT id, video_path, camera, nframes FROM videos WHERE annotated = 1 ORDER BY rowid"
    )
    for identity, path, seen_by, frames in found:
        parts = path.strip("/").split("/") if isinstance(path, str) else []
        if len(parts) < 2:
            raise PoseFileError(
                f"the video {shown(identity)} has the path {shown(path)}, not "
                f"<furniture>/<scan>/{ANNOTATED}/images"
            )
        video = _Video(identity, seen_by, frames)
        videos.setdefault("/".join(parts[:2]), []).append(video)
    for scan, known in videos.items():
        there = [video.camera for video in known]
        best = next((name for name in (camera, ANNOTATED) if name in there), there[0])
        videos[scan] = [video for video in known if video.camera == best]
    return videos


def _rows(database: sqlite3.Connection, wanted: set[Any]) -> dict[Any, list[_Row]]:
    """Rows of `annotations` in the order of the table, by id of the video."""
    rows: dict[Any, list[_Row]] = {}
    for video, *values in database.execute(
        "SELECT video_id, rowid, atomic_action_id, object_id, starting_frame, ending_frame "
        "FROM annotations ORDER BY rowid"
    ):
        if video in wanted:
            rows.setdefault(video, []).append(_Row(*values))
    return rows


def _actions(video: _Video, rows: Sequence[_Row], names: Mapping[Pair, str]) -> list[Phase]:
    """Actions of a video in time order; FramesError or PoseFileError names the row."""
    length = frame_number(video.frames, "nframes") if video.frames is not None else None
    spans: list[Phase] = []
    for row in rows:
        where = f"row {row.number} of annotations"
        start = frame_number(row.start, f"{where}, starting_frame")
        end = frame_number(row.end, f"{where}, ending_frame")
        if end < start:
            raise FramesError(f"{where}: it begins at frame {start} and ends at {end}")
        for value in (row.action, row.object):
            if value is not None and not isinstance(value, int):
                raise PoseFileError(f"{where}: {shown(value)} is no number of an action or object")
        end = end if length is None else min(end, length)
        if (name := names.get((row.action, row.object))) is not None and start < end:
            spans.append(Phase(start, end, name))
    return [phase for phase in _painted(spans) if phase.name != BACKGROUND]


def _painted(spans: Sequence[Phase]) -> list[Phase]:
    """What is seen of spans that are laid over each other, each run of one name as one phase."""
    edges = sorted({edge for span in spans for edge in (span.start, span.end)})
    place = {edge: n for n, edge in enumerate(edges)}
    name = [""] * len(edges)  # of the frames from one edge to the next
    for span in spans:
        first, last = place[span.start], place[span.end]
        name[first:last] = [span.name] * (last - first)
    phases: list[Phase] = []
    for n, (start, end) in enumerate(pairwise(edges)):
        if phases and phases[-1].name == name[n] and phases[-1].end == start:
            phases[-1] = Phase(phases[-1].start, end, name[n])
        elif name[n]:
            phases.append(Phase(start, end, name[n]))
    return phases
