"""The lists of IKEA ASM: the split of each scan, and the actions in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.checks import (
    FramesError,
    PoseFileError,
    entry,
    frame_number,
    mapping,
    read_json,
    read_text,
    sequence,
    shown,
)

SEGMENTS = "gt_segments.json"
_FOLDERS = (".", "indexing_files")  # of the lists, in the data set and its downloads
_LISTS = {"train": "train_cross_env.txt", "test": "test_cross_env.txt"}
_SUBSETS = {"training": "train", "testing": "test"}


def _list_path(root: Path, name: str) -> Path | None:
    return next((path for f in _FOLDERS if (path := root / f / name).is_file()), None)


def _load(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except PoseFileError as error:
        raise error.user_error(path) from error


def read_splits(root: Path) -> dict[str, str]:
    """`furniture/scan` -> `train` or `test`, by train_cross_env.txt and test_cross_env.txt.

    Empty without lists. Raises UserError if a list is not text (exit 3), and if a scan is in both
    (exit 5).
    """
    splits: dict[str, str] = {}
    for split, name in _LISTS.items():
        path = _list_path(root, name)
        for line in _load(path, read_text).splitlines() if path is not None else ():
            scan = line.strip().strip("/")
            if scan and splits.setdefault(scan, split) != split:
                raise UserError(
                    f"{path}: {scan} is also in {_LISTS['train']}",
                    hint="copy both lists again from the data set",
                    exit_code=ExitCode.MISMATCH,
                )
    return splits


@dataclass(frozen=True)
class Labels:
    """Labels of the scans. segments: unchecked entries of gt_segments.json by `furniture/scan`;
    actions: those of the SQLite file, if there is no gt_segments.json."""

    segments: dict[str, Any] = field(default_factory=dict)
    actions: Actions = field(default_factory=dict)

    def phases(self, scan: str) -> list[Phase]:
        """The actions of a scan without its background; raises PoseFileError."""
        actions = self.actions.get(scan)
        if isinstance(actions, PoseFileError):
            raise actions
        return _segments(scan, self.segments) if actions is None else actions


def read_labels(root: Path, camera: str, scans: Collection[str], progress: Progress) -> Labels:
    """The labels of gt_segments.json or, without it, of ikea_annotation_db_full.

    If both exist, gt_segments.json is used, as in the data set's own evaluation, and a note gives
    the number of `scans` for which the two differ. Raises UserError if a file is not such a list or
    database (exit 3), if the lists of actions do not fit (exit 3 or 5), and if the database has
    none of the `scans` (exit 5).
    """
    path, database = _list_path(root, SEGMENTS), _list_path(root, DATABASE)
    if path is not None:
        labels = Labels(segments=_load(path, _read_segments))
        if database is not None:
            _compare(labels, root, database, camera, scans, progress)
        return labels
    if database is None:
        progress.note(f"there is no {SEGMENTS} and no {DATABASE}: no clip gets phases")
        return Labels()
    actions = _read_actions(root, database, camera)
    unknown = sum(scan not in actions for scan in scans)
    if unknown == len(scans):
        raise UserError(
            f"{database}: none of the {unknown} scans in {root} is annotated in it",
            hint="are the folders still called <furniture>/<scan> as in the data set? Move the "
            "file away to import them without phases",
            exit_code=ExitCode.MISMATCH,
        )
    if unknown:
        progress.note(f"scans not annotated in {DATABASE}, which get no phases: {unknown}")
    return Labels(actions=actions)


def _read_segments(path: Path) -> dict[str, Any]:
    document = mapping(read_json(path), "the document")
    return mapping(entry(document, "database", "the document"), "'database'")


def _read_actions(root: Path, database: Path, camera: str) -> Actions:
    lists = [_list_path(root, name) for name in LISTS]
    for name, path in zip(LISTS, lists, strict=True):
        if path is None:
            raise UserError(
                f"there is no {name} in {root} or its indexing_files, so the actions of {DATABASE} "
                "have no names",
                hint=f"copy it from the data set, or move {DATABASE} away to import without phases",
                exit_code=ExitCode.UNREADABLE,
            )
    listed, related = (path for path in lists if path is not None)
    return read_actions(database, action_names(listed, related), camera)


def _compare(
    labels: Labels,
    root: Path,
    database: Path,
    camera: str,
    scans: Collection[str],
    progress: Progress,
) -> None:
    """Note where the SQLite file differs from gt_segments.json, which is used."""
    try:
        actions = _read_actions(root, database, camera)
    except UserError as error:
        progress.note(f"{SEGMENTS} is used, but could not be checked: {error.message}")
        return
    both = [scan for scan in scans if scan in labels.segments and scan in actions]
    early, other = 0, []
    for scan in both:
        stored = actions[scan]
        try:
            listed = _joined(labels.phases(scan))
        except PoseFileError:
            continue  # importing the clip raises this error
        if isinstance(stored, PoseFileError):
            other.append(scan)
        elif listed != stored:
            # export_action_gt_db_to_json.py writes the last frame of a run as its end.
            cut = [replace(p, end=p.end - 1) for p in stored if p.end - p.start > 1]
            early += listed == cut
            other += [scan] if listed != cut else []
    if early:
        progress.note(
            f"scans whose actions end one frame earlier in {SEGMENTS}, which is used, than in "
            f"{DATABASE}: {early} of {len(both)}; move {SEGMENTS} away to use the other"
        )
    if other:
        progress.note(
            f"scans whose actions in {SEGMENTS}, which is used, differ from those in {DATABASE}: "
            f"{len(other)} of {len(both)}, first {other[0]}"
        )


def _joined(phases: Sequence[Phase]) -> list[Phase]:
    """Phases in time order; adjacent ones of the same name are merged."""
    joined: list[Phase] = []
    for phase in sorted(phases, key=lambda phase: phase.start):
        if joined and (joined[-1].name, joined[-1].end) == (phase.name, phase.start):
            joined[-1] = replace(joined[-1], end=phase.end)
        else:
            joined.append(phase)
    return joined


def split_of(scan: str, splits: dict[str, str], labels: Labels) -> str:
    """The split of a scan by the lists or, without lists, by gt_segments.json."""
    if splits:
        return splits.get(scan, "")
    item = labels.segments.get(scan)
    subset = item.get("subset") if isinstance(item, dict) else None
    return _SUBSETS.get(subset, "") if isinstance(subset, str) else ""


def _segments(scan: str, database: dict[str, Any]) -> list[Phase]:
    """Phases of a scan; segments are half-open, [start, end), as in the data set's loader."""
    if scan not in database:
        return []
    where = f"{SEGMENTS}, {scan}"
    items = sequence(
        entry(mapping(database[scan], where), "annotation", where), f"the annotation of {where}"
    )
    phases = [_phase(item, f"{where}, segment {n}") for n, item in enumerate(items)]
    return [phase for phase in phases if phase.name != BACKGROUND]


def _phase(value: Any, where: str) -> Phase:
    item = mapping(value, where)
    label, span = entry(item, "label", where), entry(item, "segment", where)
    if not isinstance(label, str) or not label.strip():
        raise PoseFileError(f"{where}: {shown(label)} is not the name of an action")
    ends = [frame_number(end, where) for end in sequence(span, f"the segment of {where}")]
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise FramesError(
            f"{where}: {shown(span)} should be the first frame and the frame after the last"
        )
    return Phase(ends[0], ends[1], label.strip())


# --- the actions in the SQLite file of the data set ----------------------------------------------

BACKGROUND = "NA"  # the data set's name for frames without an action
DATABASE = "ikea_annotation_db_full"
LISTS = ("atomic_action_list.txt", "action_object_relation_list.txt")
ANNOTATED = "dev3"
_COLUMNS = {
    "videos": ("id", "video_path", "camera", "annotated", "nframes"),
    "annotations": ("video_id", "atomic_action_id", "object_id", "starting_frame", "ending_frame"),
}
_LONGEST = 2**20  # bytes of a value: a damaged or hostile file cannot fill the memory

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
    """A row of `annotations`; the values are unchecked. number: its rowid."""

    number: Any
    action: Any
    object: Any
    start: Any
    end: Any


def action_names(listed: Path, related: Path) -> dict[Pair, str]:
    """Name of each pair of action and object, from two files with one line for each action.

    A pair that appears twice gets the alphabetically first name, as in the loader. Raises UserError
    if a file is not text or has a bad line (exit 3), and if the lists have different lengths (exit
    5).
    """
    names, pairs = _lines(listed), _lines(related)
    if len(names) != len(pairs):
        raise UserError(
            f"{listed} has {len(names)} actions, but {related.name} has {len(pairs)} pairs",
            hint="copy both lists again from the data set: their lines must correspond",
            exit_code=ExitCode.MISMATCH,
        )
    named: dict[Pair, str] = {}
    for line, (name, pair) in enumerate(zip(names, pairs, strict=True), start=1):
        try:
            if not name:
                raise PoseFileError(f"{listed.name} has no action")
            parts = pair.split()
            if len(parts) != 2:
                raise PoseFileError(f"{shown(pair)} should be the numbers of action and object")
            action, item = _number(parts[0]), _number(parts[1])
        except PoseFileError as error:
            raise UserError(
                f"{related} line {line}: {error}",
                hint="copy both lists again from the data set",
                exit_code=ExitCode.UNREADABLE,
            ) from error
        named[action, item] = min(name, named.get((action, item), name))
    return named


def _lines(path: Path) -> list[str]:
    """Lines without surrounding spaces; empty lines at the end are left out."""
    try:
        return [line.strip() for line in read_text(path).rstrip().splitlines()]
    except PoseFileError as error:
        raise error.user_error(path) from error


def _number(text: str) -> int:
    try:
        return frame_number(text, "")
    except FramesError as error:
        raise PoseFileError(f"{shown(text)} is not the number of an action or object") from error


def read_actions(path: Path, names: Mapping[Pair, str], camera: str) -> Actions:
    """`furniture/scan` -> its actions in time order, or the error in its rows.

    Reads scans with `annotated = 1`: the rows of `camera` if it is annotated, otherwise of dev3,
    otherwise of any other, since the cameras ran together. Frames are [starting_frame,
    ending_frame), cut at `nframes`; where rows overlap, the later one counts; adjacent actions of
    the same name are merged. Rows of a pair without a name and BACKGROUND are left out. The file is
    opened read-only. Raises UserError (exit 3) if it is not such a database.
    """
    try:
        with _open_database(path) as database:
            _check_columns(database)
            videos = _annotated(database, camera)
            rows = _rows(database, {video.id for group in videos.values() for video in group})
    except PoseFileError as error:
        raise UserError(
            f"{path}: {error}",
            hint=f"copy {DATABASE} again from the data set",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    actions: Actions = {}
    for scan, group in videos.items():
        try:
            if len(group) > 1:
                raise PoseFileError(f"{len(group)} annotated videos of {shown(group[0].camera)}")
            actions[scan] = _actions(group[0], rows.get(group[0].id, ()), names)
        except PoseFileError as error:
            actions[scan] = type(error)(f"{DATABASE}, {scan}: {error}", error.hint)
    return actions


@contextmanager
def _open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, read-only, without lock or journal; SQLite's errors become PoseFileError."""
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            database.text_factory = lambda data: data.decode("utf-8", "replace")
            yield database
    except UnicodeDecodeError as error:  # SQLite quotes damaged bytes in its message
        raise PoseFileError("it is a damaged SQLite database") from error
    except sqlite3.Error as error:
        message = " ".join(str(error).split())
        raise PoseFileError(f"it cannot be read as an SQLite database: {message}") from error


def _check_columns(database: sqlite3.Connection) -> None:
    """Check only real tables: a view or a virtual table could run forever."""
    listed = database.execute("SELECT name FROM sqlite_master WHERE type='table' AND rootpage > 0")
    tables = {str(name).lower() for (name,) in listed}
    for table, wanted in _COLUMNS.items():
        if table not in tables:
            raise PoseFileError(f"it has no table '{table}'")
        columns = {str(row[1]).lower() for row in database.execute(f"PRAGMA table_info({table})")}
        missing = [column for column in wanted if column not in columns]
        if missing:
            raise PoseFileError(f"its table '{table}' has no column '{missing[0]}'")


def _annotated(database: sqlite3.Connection, camera: str) -> dict[str, list[_Video]]:
    """`furniture/scan` -> its annotated videos of one camera; several if the table is wrong."""
    videos: dict[str, list[_Video]] = {}
    rows = database.execute(
        "SELECT id, video_path, camera, nframes FROM videos WHERE annotated = 1 ORDER BY rowid"
    )
    for identity, path, seen_by, frames in rows:
        parts = path.strip("/").split("/") if isinstance(path, str) else []
        if len(parts) < 2:
            raise PoseFileError(
                f"the video {shown(identity)} has the path {shown(path)}, not "
                f"<furniture>/<scan>/{ANNOTATED}/images"
            )
        video = _Video(identity, seen_by, frames)
        videos.setdefault("/".join(parts[:2]), []).append(video)
    for scan, known in videos.items():
        cameras = [video.camera for video in known]
        best = next((name for name in (camera, ANNOTATED) if name in cameras), cameras[0])
        videos[scan] = [video for video in known if video.camera == best]
    return videos


def _rows(database: sqlite3.Connection, wanted: set[Any]) -> dict[Any, list[_Row]]:
    """Rows of `annotations` by id of the video, in the order of the table."""
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
                raise PoseFileError(
                    f"{where}: {shown(value)} is not the number of an action or object"
                )
        end = end if length is None else min(end, length)
        if (name := names.get((row.action, row.object))) is not None and start < end:
            spans.append(Phase(start, end, name))
    return [phase for phase in _flattened(spans) if phase.name != BACKGROUND]


def _flattened(spans: Sequence[Phase]) -> list[Phase]:
    """Overlapping spans as disjoint phases: a later span covers an earlier one."""
    edges = sorted({edge for span in spans for edge in (span.start, span.end)})
    position = {edge: n for n, edge in enumerate(edges)}
    name = [""] * len(edges)  # of the frames from one edge to the next
    for span in spans:
        first, last = position[span.start], position[span.end]
        name[first:last] = [span.name] * (last - first)
    phases: list[Phase] = []
    for n, (start, end) in enumerate(pairwise(edges)):
        if phases and phases[-1].name == name[n] and phases[-1].end == start:
            phases[-1] = Phase(phases[-1].start, end, name[n])
        elif name[n]:
            phases.append(Phase(start, end, name[n]))
    return phases
