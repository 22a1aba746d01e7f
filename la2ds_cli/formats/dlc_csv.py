"""DeepLabCut CSV: three header rows (scorer, bodyparts, coords), four with several individuals."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import FramePerson, Frames, joint_order
from la2ds_cli.formats.files import (
    ImportOptions,
    JointsError,
    PoseFileError,
    joint_cells,
    read_frames,
    rows_of,
    write_rows,
)

SUFFIXES = (".csv",)
SUFFIX = ".csv"
_HEADER = ("scorer", "individuals", "bodyparts", "coords")
_COORDS = ("x", "y", "likelihood")


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clip of a file. Raises PoseFileError.

    Reads x, y and likelihood (1 if there is none) of each body part, matched by name; individuals
    as identities; frame numbers from the first column. Drops the scorer, and the part of the file
    name from `DLC_` on. The files have no times and no size. The *_filtered.csv files of a folder
    are separate clips. Labels of single images are not clips (I003).
    """
    rows = rows_of(path)
    head: dict[str, list[str]] = {}
    row = next(rows, None)
    while row is not None and row[1][0].lower() in _HEADER:
        head[row[1][0].lower()] = row[1][1:]
        row = next(rows, None)
    if "bodyparts" not in head or "coords" not in head:
        raise PoseFileError(
            "it has no rows 'bodyparts' and 'coords'", "if it is la2ds's own CSV, use wide-csv"
        )
    parts, coords = head["bodyparts"], head["coords"]
    owners = head.get("individuals") or [""] * len(parts)
    if not len(parts) == len(coords) == len(owners):
        raise PoseFileError("its header rows have different lengths")
    table = _table(parts, coords, owners)
    names = list(dict.fromkeys(parts))
    number, value = read_frames(
        chain([row] if row else [], rows), 1 + len(parts), range(1, 1 + len(parts))
    )
    people = {
        frame: [
            person
            for owner, columns in table.items()
            if np.isfinite((person := _person(cells, names, columns, owner)).xy).any()
        ]
        for frame, cells in zip(number, value, strict=True)
    }
    order = joint_order(names, len(names), options)
    clip = re.split(r"DLC_", path.stem)[0] or path.stem
    return [FileClip(clip, path, Frames.of_people(people, len(names)), order, first=0, part=True)]


def _table(
    parts: list[str], coords: list[str], owners: list[str]
) -> dict[str, dict[tuple[str, str], int]]:
    """Return the column of each (body part, coordinate), by individual."""
    table: dict[str, dict[tuple[str, str], int]] = {}
    for column, (part, coord, owner) in enumerate(zip(parts, coords, owners, strict=True)):
        if coord.lower() not in _COORDS:
            raise PoseFileError(f"column {column + 2} is '{coord}', not x, y or likelihood")
        key = (part, coord.lower())
        if key in table.setdefault(owner, {}):
            raise JointsError(f"the body part '{part}' appears twice")
        table[owner][key] = column
    return table


def _person(
    row: FloatArray, names: list[str], table: dict[tuple[str, str], int], owner: str
) -> FramePerson:
    def column(coord: str, otherwise: float) -> FloatArray:
        cells = [table.get((name, coord)) for name in names]
        return np.array([otherwise if c is None else row[c] for c in cells])

    xy = np.stack([column("x", np.nan), column("y", np.nan)], axis=-1)
    return FramePerson.of(xy, column("likelihood", 1.0), track=owner or None)


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write joints as body parts: pixels and likelihood to 4 decimals, rows by frame number.

    x and y of a missing joint are empty, its likelihood is 0. Times, boxes and size are lost.
    """
    joints = get_skeleton(pose.skeleton).joints
    header = [
        ["scorer", *["la2ds"] * (3 * len(joints))],
        ["bodyparts", *(joint for joint in joints for _ in _COORDS)],
        ["coords", *_COORDS * len(joints)],
    ]
    values = np.concatenate([pose.xy, pose.score[..., None]], axis=2)
    cells = zip(pose.frame, joint_cells(values, missing=""), strict=True)
    write_rows(path, chain(header, ([str(n), *row] for n, row in cells)))
