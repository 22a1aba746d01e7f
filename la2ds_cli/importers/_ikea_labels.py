"""The lists of IKEA ASM: which scans are for training and testing, and what happens in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.importers._problems import FramesError, PoseFileError
from la2ds_cli.importers._values import (
    entry,
    frame_number,
    mapping,
    read_json,
    read_text,
    sequence,
    shown,
)
from la2ds_cli.progress import Progress
from la2ds_cli.types import Phase

BACKGROUND = "NA"  # what the data set calls frames without an action
DATABASE = "ikea_annotation_db_full"
SEGMENTS = "gt_segments.json"
_FOLDERS = (".", "indexing_files")  # where the lists lie in the data set and its downloads
_LISTS = {"train": "train_cross_env.txt", "test": "test_cross_env.txt"}
_SUBSETS = {"training": "train", "testing": "test"}


def _find(root: Path, name: str) -> Path | None:
    return next((path for f in _FOLDERS if (path := root / f / name).is_file()), None)


def _loaded(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except PoseFileError as error:
        raise error.user_error(path) from error


def read_splits(root: Path) -> dict[str, str]:
    """`furniture/scan` -> `train` or `test`, by train_cross_env.txt and test_cross_env.txt.

    Empty where there is no list. UserError: a list that is no text (exit 3), a scan that is in
    both (exit 5).
    """
    splits: dict[str, str] = {}
    for split, name in _LISTS.items():
        path = _find(root, name)
        for line in _loaded(path, read_text).splitlines() if path is not None else ():
            scan = line.strip().strip("/")
            if scan and splits.setdefault(scan, split) != split:
                raise UserError(
                    f"{path}: {scan} is in {_LISTS['train']}, too",
                    hint="copy both lists again from the data set",
                    exit_code=ExitCode.MISMATCH,
                )
    return splits


def read_database(root: Path, progress: Progress) -> dict[str, Any]:
    """The entries of gt_segments.json by `furniture/scan`, unchecked; empty, and said so, where
    there is none. UserError (exit 3) for a file that is not such a list.

    The same annotation in SQLite (ikea_annotation_db_full) is not read.
    """
    path = _find(root, SEGMENTS)
    if path is None:
        note = f"there is no {SEGMENTS}: no clip gets phases"
        if _find(root, DATABASE) is not None:
            note += (
                f"; the SQLite file {DATABASE} is not read, and the data set's toolbox writes "
                f"{SEGMENTS} from it (export_action_gt_db_to_json.py)"
            )
        progress.note(note)
        return {}

    def read(path: Path) -> dict[str, Any]:
        document = mapping(read_json(path), "the document")
        return mapping(entry(document, "database", "the document"), "'database'")

    return _loaded(path, read)


def split_of(scan: str, splits: dict[str, str], database: dict[str, Any]) -> str:
    """The split of a scan by the lists and, where there are none, by its entry."""
    if splits:
        return splits.get(scan, "")
    found = database.get(scan)
    subset = found.get("subset") if isinstance(found, dict) else None
    return _SUBSETS.get(subset, "") if isinstance(subset, str) else ""


def scan_phases(scan: str, database: dict[str, Any]) -> list[Phase]:
    """The actions of a scan, but for its background; PoseFileError.

    Segments are half-open, [start, end), as the loader of the data set reads them.
    """
    if scan not in database:
        return []
    where = f"{SEGMENTS}, {scan}"
    items = sequence(
        entry(mapping(database[scan], where), "annotation", where), f"the annotation of {where}"
    )
    found = [_phase(item, f"{where}, segment {n}") for n, item in enumerate(items)]
    return [phase for phase in found if phase.name != BACKGROUND]


def _phase(value: Any, where: str) -> Phase:
    item = mapping(value, where)
    label, span = entry(item, "label", where), entry(item, "segment", where)
    if not isinstance(label, str) or not label.strip():
        raise PoseFileError(f"{where}: {shown(label)} is no name of an action")
    ends = [frame_number(end, where) for end in sequence(span, f"the segment of {where}")]
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise FramesError(
            f"{where}: {shown(span)} should be the first frame and the one after the last"
        )
    return Phase(ends[0], ends[1], label.strip())
