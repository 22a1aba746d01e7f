"""The lists of IKEA ASM: which scans are for training and testing, and what happens in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.importers._ikea_database import (
    BACKGROUND,
    DATABASE,
    LISTS,
    Actions,
    action_names,
    read_actions,
)
from la2ds_cli.formats.importers._problems import FramesError, PoseFileError
from la2ds_cli.formats.importers._values import (
    entry,
    frame_number,
    mapping,
    read_json,
    read_text,
    sequence,
    shown,
)

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


@dataclass(frozen=True)
class Labels:
    """What is labelled in the scans. segments: the entries of gt_segments.json by `furniture/scan`,
    unchecked; actions: those of the SQLite file, where there is no gt_segments.json."""

    segments: dict[str, Any] = field(default_factory=dict)
    actions: Actions = field(default_factory=dict)

    def phases(self, scan: str) -> list[Phase]:
        """The actions of a scan, but for its background; PoseFileError."""
        found = self.actions.get(scan)
        if isinstance(found, PoseFileError):
            raise found
        return _segments(scan, self.segments) if found is None else found


def read_labels(root: Path, camera: str, scans: Collection[str], progress: Progress) -> Labels:
    """The labels of gt_segments.json or, where there is none, of ikea_annotation_db_full.

    Where both are there, gt_segments.json counts, which is what the data set's own evaluation
    reads, and it is said for how many of the `scans` the other says something else. UserError for
    a file that is not such a list or database (exit 3), for lists of actions that do not fit (exit
    3 or 5), and for a database that knows none of the `scans` (exit 5).
    """
    path, database = _find(root, SEGMENTS), _find(root, DATABASE)
    if path is not None:
        labels = Labels(segments=_loaded(path, _read_segments))
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
    lists = [_find(root, name) for name in LISTS]
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
    """Say where the SQLite file and gt_segments.json, which counts, are not of one mind."""
    try:
        actions = _read_actions(root, database, camera)
    except UserError as error:
        progress.note(f"{SEGMENTS} is read, and could not be checked: {error.message}")
        return
    both = [scan for scan in scans if scan in labels.segments and scan in actions]
    early, other = 0, []
    for scan in both:
        found = actions[scan]
        try:
            kept = _joined(labels.phases(scan))
        except PoseFileError:
            continue  # the clip fails and says why
        if isinstance(found, PoseFileError):
            other.append(scan)
        elif kept != found:
            # export_action_gt_db_to_json.py writes the last frame of a run as its end.
            cut = [replace(p, end=p.end - 1) for p in found if p.end - p.start > 1]
            early += kept == cut
            other += [scan] if kept != cut else []
    if early:
        progress.note(
            f"scans whose actions end one frame earlier in {SEGMENTS}, which is read, than in "
            f"{DATABASE}: {early} of {len(both)}; move {SEGMENTS} away to read the other"
        )
    if other:
        progress.note(
            f"scans whose actions in {SEGMENTS}, which is read, are not those of {DATABASE}: "
            f"{len(other)} of {len(both)}, {other[0]} is the first"
        )


def _joined(phases: Sequence[Phase]) -> list[Phase]:
    """In time order, with neighbours of one name as one."""
    joined: list[Phase] = []
    for phase in sorted(phases, key=lambda phase: phase.start):
        if joined and (joined[-1].name, joined[-1].end) == (phase.name, phase.start):
            joined[-1] = replace(joined[-1], end=phase.end)
        else:
            joined.append(phase)
    return joined


def split_of(scan: str, splits: dict[str, str], labels: Labels) -> str:
    """The split of a scan by the lists and, where there are none, by gt_segments.json."""
    if splits:
        return splits.get(scan, "")
    found = labels.segments.get(scan)
    subset = found.get("subset") if isinstance(found, dict) else None
    return _SUBSETS.get(subset, "") if isinstance(subset, str) else ""


def _segments(scan: str, database: dict[str, Any]) -> list[Phase]:
    """Segments are half-open, [start, end), as the loader of the data set reads them."""
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
