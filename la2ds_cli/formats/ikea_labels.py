"""The lists of IKEA ASM: the split of each scan, and the actions in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
BACKGROUND = "NA"  # the data set's name for frames without an action
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


def read_labels(root: Path, progress: Progress) -> dict[str, Any]:
    """Unchecked entries of gt_segments.json by `furniture/scan`, empty without the file. Raises
    UserError (exit 3) if it is not such a list."""
    path = _list_path(root, SEGMENTS)
    if path is None:
        progress.note(f"there is no {SEGMENTS}: no clip gets phases")
        return {}
    return _load(path, _read_segments)


def _read_segments(path: Path) -> dict[str, Any]:
    document = mapping(read_json(path), "the document")
    return mapping(entry(document, "database", "the document"), "'database'")


def split_of(scan: str, splits: Mapping[str, str], labels: Mapping[str, Any]) -> str:
    """The split of a scan by the lists or, without lists, by gt_segments.json."""
    if splits:
        return splits.get(scan, "")
    item = labels.get(scan)
    subset = item.get("subset") if isinstance(item, dict) else None
    return _SUBSETS.get(subset, "") if isinstance(subset, str) else ""


def phases_of(scan: str, database: Mapping[str, Any]) -> list[Phase]:
    """The actions of a scan without its background; segments are half-open, [start, end), as in the
    data set's loader. Raises PoseFileError."""
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
