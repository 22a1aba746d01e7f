"""TRC marker files with the joints of one person: in pixels, as from Sports2D and the exporter, or
in space, as from OpenSim, Pose2Sim and motion capture."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import Frames, joint_order, orthographic
from la2ds_cli.formats.files import (
    ImportOptions,
    PoseFileError,
    cell_number,
    joint_cells,
    read_frames,
    reading,
    rows_of,
    write_rows,
)

SUFFIXES = (".trc",)
SUFFIX = ".trc"
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}  # metres
Y_UP = np.array([1.0, -1.0, -1.0])  # turns x, y up, z towards the viewer into x, y down, z away
_FLAT = 1e-6  # a smaller range of Z means 2D joints
_HEAD = 5  # rows before the data, not counting blank rows
_KEYS = (
    "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clip of a file. Raises PoseFileError.

    Reads the markers, matched by name, the time and the DataRate. Missing cells are missing joints;
    the others have score 1, since TRC has no scores. Frame numbers start at 1 in these files, at 0
    in those of Sports2D and in la2ds.

    Files in pixels hold joints of the image (y down); Z is dropped and must be constant. Files in
    m, cm or mm hold joints in space, y up as in OpenSim; their joints in the image are an
    orthographic view along z. Files in m, cm or mm with constant Z are refused: they are 2D, but
    not in pixels.
    """
    rows = rows_of(path, "\t")
    head = [cells for _, cells in islice(rows, _HEAD)]
    if not head or not head[0][0].startswith("PathFileType"):
        raise PoseFileError("it does not begin with PathFileType")
    with reading("the header"):
        facts = dict(zip(head[1], head[2], strict=False))
        rate = cell_number(facts.get("DataRate", ""))
        names = [name for name in head[3][2:] if name]
        if not names or head[3][:2] != ["Frame#", "Time"]:
            raise PoseFileError("its fourth row does not name Frame#, Time and the markers")
    # Sports2D writes m in the header even of its pixel files, but px in their names.
    units = "px" if "_px" in path.stem else facts.get("Units", "not given")
    if units != "px" and units not in UNITS:
        raise PoseFileError(f"its units are '{units}', not px, {', '.join(UNITS)}")
    width = 2 + 3 * len(names)
    number, value = read_frames(rows, width, range(1, width))
    time, xyz = value[:, 0], value[:, 1:].reshape(len(value), len(names), 3)
    _check_depth(xyz[:, :, 2], units)
    listed = np.array(number) - min(1, number[0])
    if units == "px":
        people = Frames.of_one(listed, xyz[:, :, :2])
    else:
        world = UNITS[units] * xyz * Y_UP
        people = Frames.of_one(listed, orthographic(world), world=world)
    order = joint_order(names, len(names), options)
    fps = rate if rate > 0 else 0.0
    return [FileClip(path.stem, path, people, order, first=0, time=time, fps=fps)]


def _check_depth(depth: FloatArray, units: str) -> None:
    """Raise PoseFileError for Z (T, K) that changes in pixels, or does not change in space."""
    ranges = np.fmax.reduce(depth, axis=0) - np.fmin.reduce(depth, axis=0)  # fmax ignores NaN
    deep = np.nanmax(ranges, initial=0.0) > _FLAT
    if deep and units == "px":
        raise PoseFileError("its Z values change, so it is not 2D")
    if not deep and units != "px" and len(depth) > 1:
        raise PoseFileError(
            f"it is 2D in {units}, not in pixels",
            "import the file in pixels, such as NAME_px_person00.trc of Sports2D",
        )


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write Frame# from 1, Time in seconds, and the joints: in metres for OpenSim, with y up and z
    towards the camera, or, for a clip without 3D, in pixels, with y down and z = 0.

    Coordinates have 4 decimals, times are exact. The cells of a missing joint contain nan, since
    OpenSim does not count an empty cell at the end of a row. Scores, boxes and size are lost, and,
    with 3D, the joints in the image.
    """
    units = "px" if pose.world is None else "m"
    flat = np.concatenate([pose.xy, np.zeros_like(pose.xy[..., :1])], axis=2)
    xyz = flat if pose.world is None else pose.world * Y_UP
    xyz = np.where(np.isfinite(xyz).all(axis=2, keepdims=True), xyz, np.nan)
    joints = get_skeleton(pose.skeleton).joints
    count, length, rate = len(joints), len(pose), f"{pose.fps:.6f}"
    first = int(pose.frame[0]) + 1 if length else 1
    header = [
        ["PathFileType", "4", "(X/Y/Z)", path.name],
        _KEYS.split(),
        [*(rate, rate), str(length), str(count), units, rate, str(first), str(length)],
        ["Frame#", "Time", *(cell for joint in joints for cell in (joint, "", ""))],
        ["", "", *(f"{axis}{k}" for k in range(1, count + 1) for axis in "XYZ")],
        [],
    ]
    cells = zip(pose.frame, pose.time, joint_cells(xyz, missing="nan"), strict=True)
    lines = ([str(int(n) + 1), repr(float(time)), *row] for n, time, row in cells)
    write_rows(path, chain(header, lines), "\t")
