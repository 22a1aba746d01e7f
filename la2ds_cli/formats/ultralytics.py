"""Ultralytics pose results: the txt files of `save_txt`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    PoseFileError,
    frame_number,
    read_text,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import WHOLEBODY_JOINTS, joint_order
from la2ds_cli.video.media_files import natural_order

_LABEL_FILE = re.compile(r"(?P<clip>.+)_(?P<frame>\d+)\.txt", re.IGNORECASE)
_UNSEEN = 0.0  # both coordinates of a joint that the network did not detect


def import_ultralytics(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a `labels` folder of NAME_N.txt files, or all such folders in `root`.

    Lines are `class x y w h`, then x y (score) of each joint, then the confidence and the identity
    if they were saved, as shares of the frame; frames count from 1. A joint at (0, 0) is missing.
    Drops objects other than class 0. The joints are those of --skeleton, else COCO's.
    """
    folders = _label_folders(root)
    pose_format = PoseFormat("ultralytics", (".txt",), read_labels)
    return import_files(project, root, pose_format, options or ImportOptions(), progress, folders)


def _label_folders(root: Path) -> list[Path]:
    folders = {path.parent for path in root.rglob("*.txt") if _LABEL_FILE.fullmatch(path.name)}
    if not folders:
        raise UserError(
            f"there are no results of Ultralytics in {root}",
            hint="name the folder 'labels' with its NAME_1.txt, NAME_2.txt, ... (save_txt=True)",
            exit_code=ExitCode.UNREADABLE,
        )
    return [Path(name) for name in natural_order(str(folder) for folder in folders)]


def _seen(xy: FloatArray) -> FloatArray:
    return np.where((xy == _UNSEEN).all(axis=1)[:, None], np.nan, xy)


def read_labels(folder: Path, options: ImportOptions) -> list[FileClip]:
    """The clips of one folder of txt files; raises PoseFileError that names the file."""
    clips: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        if match := _LABEL_FILE.fullmatch(path.name):
            frames = clips.setdefault(match["clip"], {})
            frame = frame_number(match["frame"].lstrip("0") or "0", path.name)
            if frame in frames:
                raise FramesError(f"frame {frame} appears twice: {path.name}")
            frames[frame] = path
    return [_clip(name, folder, frames, options) for name, frames in clips.items()]


def _clip(name: str, folder: Path, paths: dict[int, Path], options: ImportOptions) -> FileClip:
    people = _label_people(paths, options)
    joints = next(len(person.xy) for frame in people.values() for person in frame)
    order = joint_order(None, joints, options.skeleton, options.renamed)
    return FileClip(name, folder, people, order, complete=False, first=1, unit=True)


def _label_people(paths: dict[int, Path], options: ImportOptions) -> dict[int, Sequence[Person]]:
    rows = {frame: _label_rows(path) for frame, path in paths.items()}
    lengths = {len(row) for frame_rows in rows.values() for row in frame_rows}
    if not lengths:
        raise PoseFileError("none of its files has a person")
    joints = len(get_skeleton(options.skeleton or "coco17").joints)
    choices = [joints, WHOLEBODY_JOINTS] if joints == 17 else [joints]
    layout = next(
        (
            (count, width)
            for count in choices
            for width in (3, 2)
            if all(0 <= length - 5 - width * count <= 2 for length in lengths)
        ),
        None,
    )
    if layout is None:
        raise JointsError(
            f"its lines have {min(lengths)} to {max(lengths)} numbers, which does not fit class x "
            f"y w h and {joints} joints"
        )
    count, width = layout
    extra = [row[5 + width * count :] for frame_rows in rows.values() for row in frame_rows]
    # A single extra number is the confidence, or the identity, which is an integer from 1 on.
    single = [row[0] for row in extra if len(row) == 1]
    identities = bool(single) and all(value >= 1 and float(value).is_integer() for value in single)
    return {
        frame: [_label_person(row, count, width, identities) for row in frame_rows]
        for frame, frame_rows in rows.items()
    }


def _label_rows(path: Path) -> list[FloatArray]:
    """One array of numbers for each line of class 0."""
    rows = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            row = np.array([float(cell) for cell in text.split()])
        except ValueError as error:
            raise PoseFileError(
                f"{path.name} line {line} contains something other than numbers"
            ) from error
        if row[0] == 0:
            rows.append(row)
    return rows


def _label_person(row: FloatArray, count: int, width: int, identities: bool) -> Person:
    joints = row[5 : 5 + width * count].reshape(count, width)
    extra = row[5 + width * count :]
    middle, half = row[1:3], row[3:5] / 2
    confidence = extra[0] if len(extra) == 2 or (len(extra) == 1 and not identities) else None
    track = extra[-1] if len(extra) == 2 or (len(extra) == 1 and identities) else None
    return Person(
        _seen(joints[:, :2]),
        joints[:, 2] if width == 3 else np.ones(count),
        np.concatenate([middle - half, middle + half]),
        None if confidence is None else float(confidence),
        None if track is None else f"{track:g}",
    )
