"""DeepLabCut CSV: three header rows (scorer, bodyparts, coords), four with several individuals."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    PoseFileError,
    frame_number,
    last_number,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, no_box
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import cell_numbers, joint_order, read_table

_HEADER = ("scorer", "individuals", "bodyparts", "coords")
_COORDS = ("x", "y", "likelihood")


def import_dlc_csv(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .csv file of DeepLabCut, or a folder of them.

    Reads x, y and likelihood (1 if a labelled file has none) of each body part, matched by name;
    individuals as identities; frame numbers from the first column, or from its image names. Drops
    the scorer, and the part of the file name from `DLC_` on. The files have no times and no size.
    The *_filtered.csv files of a folder are separate clips.
    """
    pose_format = PoseFormat("dlc-csv", (".csv",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clip of one file; raises PoseFileError."""
    rows = read_table(path)
    head: dict[str, list[str]] = {}
    while rows and rows[0][0].lower() in _HEADER:
        row = rows.pop(0)
        head[row[0].lower()] = row[1:]
    if "bodyparts" not in head or "coords" not in head:
        raise PoseFileError(
            "it has no rows 'bodyparts' and 'coords'", "if it is la2ds's own CSV, use wide-csv"
        )
    if not rows:
        raise PoseFileError("it has no rows below its header")
    # Labelled data: the image path takes one column, or three in newer files.
    lead = next((c for c, name in enumerate(head["coords"]) if name), 0) + 1
    parts, coords = head["bodyparts"][lead - 1 :], head["coords"][lead - 1 :]
    owners = head.get("individuals", [])[lead - 1 :] or [""] * len(parts)
    if not len(parts) == len(coords) == len(owners):
        raise PoseFileError("its header rows have different lengths")
    table = _table(parts, coords, owners)
    names = list(dict.fromkeys(parts))
    value = cell_numbers([row[lead:] for row in rows], 1 + len(head), len(parts))
    frames = [_frame(row[:lead], f"row {n + 1 + len(head)}") for n, row in enumerate(rows)]
    people: dict[int, list[Person]] = {}
    for t, frame in enumerate(frames):
        if frame in people:
            raise FramesError(f"frame {frame} appears twice")
        persons = [_person(value[t], names, table[owner], owner) for owner in table]
        people[frame] = [person for person in persons if np.isfinite(person.xy).any()]
    order = joint_order(names, len(names), options.skeleton, options.renamed)
    clip = re.split(r"DLC_", path.stem)[0] or path.stem
    return [FileClip(clip, path, people, order, first=0, part=True)]


def _table(
    parts: list[str], coords: list[str], owners: list[str]
) -> dict[str, dict[tuple[str, str], int]]:
    """Column of each (body part, coordinate), by individual."""
    table: dict[str, dict[tuple[str, str], int]] = {}
    for column, (part, coord, owner) in enumerate(zip(parts, coords, owners, strict=True)):
        if coord.lower() not in _COORDS:
            raise PoseFileError(f"column {column + 2} is '{coord}', not x, y or likelihood")
        key = (part, coord.lower())
        if key in table.setdefault(owner, {}):
            raise JointsError(f"the body part '{part}' appears twice")
        table[owner][key] = column
    return table


def _frame(cells: list[str], where: str) -> int:
    text = cells[-1] if cells else ""
    is_number = re.fullmatch(r"\d+(\.0*)?", text)
    if "." in text[1:] and not is_number:  # the name of an image
        return last_number(text, where)
    return frame_number(text, where)


def _person(
    row: np.ndarray, names: list[str], table: dict[tuple[str, str], int], owner: str
) -> Person:
    def column(coord: str, default: float) -> np.ndarray:
        cells = [table.get((name, coord)) for name in names]
        return np.array([default if c is None else row[c] for c in cells])

    xy = np.stack([column("x", np.nan), column("y", np.nan)], axis=-1)
    return Person(xy, column("likelihood", 1.0), no_box(), track=owner or None)


# --- writing -------------------------------------------------------------------------------------

SUFFIX = ".csv"
_SCORER = "la2ds"


def export_dlc_csv(pose: PoseSequence, name: str, path: Path) -> None:
    """Write joints as body parts: pixels and likelihood to 4 decimals, rows by frame number.

    x and y of a missing joint are empty, its likelihood is 0. Times, boxes and size are lost.
    """
    joints = get_skeleton(pose.skeleton).joints
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["scorer", *[_SCORER] * (3 * len(joints))])
    writer.writerow(["bodyparts", *(joint for joint in joints for _ in range(3))])
    writer.writerow(["coords", *["x", "y", "likelihood"] * len(joints)])
    for t in range(len(pose)):
        cells = [str(pose.frame[t])]
        for (x, y), score in zip(pose.xy[t], pose.score[t], strict=True):
            seen = np.isfinite(x)
            cells += [f"{x:.4f}" if seen else "", f"{y:.4f}" if seen else "", f"{score:.4f}"]
        writer.writerow(cells)
    write_text(path, buffer.getvalue())
