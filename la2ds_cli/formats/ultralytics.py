"""Ultralytics pose results: the txt files of `save_txt`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import JointsError, PoseFileError, naming, read_text
from la2ds_cli.formats.file_clip import FileClip, ImportOptions
from la2ds_cli.formats.frame_files import clips_of, folders_of
from la2ds_cli.formats.joints import WHOLEBODY_JOINTS, joint_order
from la2ds_cli.formats.people import Frames, Person

SUFFIXES = (".txt",)
_FILE = re.compile(r"(?P<clip>.+)_(?P<frame>\d+)\.txt", re.IGNORECASE)
_UNSEEN = 0.0  # both coordinates of a joint that the network did not detect


def sources(root: Path) -> list[Path]:
    """The `labels` folders: `root`, or all such folders inside it."""
    return folders_of(
        root,
        _FILE,
        "results of Ultralytics",
        "name the folder 'labels' with its NAME_1.txt, NAME_2.txt, ... (save_txt=True)",
    )


def read_clips(folder: Path, options: ImportOptions) -> list[FileClip]:
    """The clips of one folder; raises PoseFileError that names the file.

    Lines are `class x y w h`, then x y (score) of each joint, then the confidence and the identity
    if they were saved, as shares of the frame; frames count from 1. A joint at (0, 0) is missing.
    Drops objects other than class 0. The joints are those of --skeleton, else COCO's.
    """
    return [_clip(name, folder, paths, options) for name, paths in clips_of(folder, _FILE).items()]


def _clip(name: str, folder: Path, paths: dict[int, Path], options: ImportOptions) -> FileClip:
    rows = {frame: _rows(path) for frame, path in paths.items()}
    lengths = {len(row) for frame_rows in rows.values() for row in frame_rows}
    if not lengths:
        raise PoseFileError("none of its files has a person")
    joints = len(get_skeleton(options.skeleton or "coco17").joints)
    layouts = [
        (count, width)
        for count in ([joints, WHOLEBODY_JOINTS] if joints == 17 else [joints])
        for width in (3, 2)
        if all(0 <= length - 5 - width * count <= 2 for length in lengths)
    ]
    if not layouts:
        raise JointsError(
            f"its lines have {min(lengths)} to {max(lengths)} numbers, which does not fit class x "
            f"y w h and {joints} joints"
        )
    count, width = layouts[0]
    extra = [row[5 + width * count :] for frame_rows in rows.values() for row in frame_rows]
    # A single extra number is the confidence, or the identity, which is an integer from 1 on.
    single = [row[0] for row in extra if len(row) == 1]
    identities = bool(single) and all(value >= 1 and float(value).is_integer() for value in single)
    people = {
        frame: [_person(row, count, width, identities) for row in frame_rows]
        for frame, frame_rows in rows.items()
    }
    order = joint_order(None, count, options)
    frames = Frames.of_people(people, count)
    return FileClip(name, folder, frames, order, complete=False, first=1, unit=True)


def _rows(path: Path) -> list[FloatArray]:
    """One array of numbers for each line of class 0."""
    rows = []
    with naming(path.name):
        for line, text in enumerate(read_text(path).splitlines(), start=1):
            try:
                row = np.array([float(cell) for cell in text.split()])
            except ValueError as error:
                problem = f"line {line} contains something other than numbers"
                raise PoseFileError(problem) from error
            if len(row) and row[0] == 0:
                rows.append(row)
    return rows


def _person(row: FloatArray, count: int, width: int, identities: bool) -> Person:
    joints = row[5 : 5 + width * count].reshape(count, width)
    extra = row[5 + width * count :]
    middle, half = row[1:3], row[3:5] / 2
    confidence = extra[0] if len(extra) == 2 or (len(extra) == 1 and not identities) else None
    track = extra[-1] if len(extra) == 2 or (len(extra) == 1 and identities) else None
    xy = joints[:, :2]
    return Person(
        np.where((xy == _UNSEEN).all(axis=1)[:, None], np.nan, xy),
        joints[:, 2] if width == 3 else np.ones(count),
        np.concatenate([middle - half, middle + half]),
        None if confidence is None else float(confidence),
        None if track is None else f"{track:g}",
    )
