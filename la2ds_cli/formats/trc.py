"""TRC marker files with the joints of one person: in pixels, as Sports2D and the exporter write, or
in space, as OpenSim, Pose2Sim and motion capture write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.checks import FramesError, PoseFileError, frame_number
from la2ds_cli.formats.file_clip import (
    FileClip,
    ImportOptions,
    Person,
    no_box,
    person_in_space,
)
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import cell_numbers, joint_order, read_table

_FLAT = 1e-6  # a smaller range of Z means 2D joints
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}  # metres
Y_UP = np.array([1.0, -1.0, -1.0])  # axes x, y up, z towards the viewer to x, y down, z away
_KEYS_ROW, _VALUES_ROW, _NAMES_ROW, _DATA_ROW = 1, 2, 3, 5


def import_trc(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .trc file, or a folder of them.

    Reads the markers, matched by name, the time and the DataRate. Missing cells are missing joints;
    the others have score 1, since TRC has no scores. Frame numbers start at 1 in these files, or at
    0 (Sports2D), and at 0 here.

    Files in pixels hold joints of the image (y down); Z is dropped and must be constant. Files in
    m, cm or mm hold joints in space, y up as in OpenSim; their joints in the image are an
    orthographic view along z. Files in lengths with constant Z are refused: they are 2D, but not in
    pixels.
    """
    pose_format = PoseFormat("trc", (".trc",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clip of one file; raises PoseFileError."""
    rows = read_table(path, "\t")
    if not rows or not rows[0][0].startswith("PathFileType"):
        raise PoseFileError("it does not begin with PathFileType")
    if len(rows) <= _DATA_ROW:
        raise PoseFileError("it has no rows below its header")
    head = dict(zip(rows[_KEYS_ROW], rows[_VALUES_ROW], strict=False))
    # Sports2D writes m in the header even of its pixel files, but px in their names.
    units = "px" if "_px" in path.stem else head.get("Units", "not given")
    if units != "px" and units not in UNITS:
        raise PoseFileError(f"its units are '{units}', not px, {', '.join(UNITS)}")
    names = [name for name in rows[_NAMES_ROW][2:] if name]
    if not names or rows[_NAMES_ROW][:2] != ["Frame#", "Time"]:
        raise PoseFileError("its fourth row does not name Frame#, Time and the markers")
    width = 2 + 3 * len(names)
    value = cell_numbers([_cut(row, width) for row in rows[_DATA_ROW:]], _DATA_ROW + 1, width)
    xyz = value[:, 2:].reshape(len(value), len(names), 3)
    depth = xyz[:, :, 2]
    ranges = np.fmax.reduce(depth, axis=0) - np.fmin.reduce(depth, axis=0)  # fmax ignores NaN
    deep = np.nanmax(ranges, initial=0.0) > _FLAT
    if deep and units == "px":
        raise PoseFileError("its Z values change, so it is not 2D")
    if not deep and units != "px":
        raise PoseFileError(
            f"it is 2D in {units}, not in pixels",
            "import the file in pixels, such as NAME_px_person00.trc of Sports2D",
        )
    lines = range(_DATA_ROW + 1, len(rows) + 1)
    numbers = [frame_number(rows[n - 1][0], f"row {n}") for n in lines]
    first = min(1, *numbers)
    people, time = {}, {}
    for t, number in enumerate(numbers):
        if number - first in people:
            raise FramesError(f"row {lines[t]}: frame {number} appears twice")
        if units == "px":
            person = Person(xyz[t, :, :2], np.ones(len(names)), no_box())
        else:
            person = person_in_space(UNITS[units] * xyz[t] * Y_UP)
        people[number - first] = [person]
        time[number - first] = float(value[t, 1])
    order = joint_order(names, len(names), options.skeleton, options.renamed)
    rate = cell_numbers([[head.get("DataRate", "")]], _VALUES_ROW + 1, 1)[0, 0]
    fps = float(rate) if rate > 0 else 0.0
    return [FileClip(path.stem, path, people, order, first=0, time=time, fps=fps)]


def _cut(row: list[str], width: int) -> list[str]:
    """A row without the extra delimiter that some programs write at its end."""
    return row[:width] if not any(row[width:]) else row


# --- writing -------------------------------------------------------------------------------------

SUFFIX = ".trc"
_KEYS = (
    "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
)


def export_trc(pose: PoseSequence, name: str, path: Path) -> None:
    """Write Frame# from 1, Time in seconds, X and Y in pixels (y down, as in the picture), Z = 0.

    Pixels have 4 decimals, times are exact. The cells of a missing joint contain nan, since OpenSim
    does not count an empty cell at the end of a row. Scores, boxes, size and 3D are lost: trc-3d
    writes the joints in metres.
    """
    flat = np.concatenate([pose.xy, np.zeros_like(pose.xy[..., :1])], axis=2)
    write_markers(pose, path, flat, "px")


def write_markers(pose: PoseSequence, path: Path, xyz: FloatArray, units: str) -> None:
    """A TRC file of joints xyz (T, K, 3), NaN = missing, with the frames and times of the pose."""
    joints = get_skeleton(pose.skeleton).joints
    count, length, rate = len(joints), len(pose), f"{pose.fps:.6f}"
    first = int(pose.frame[0]) + 1 if length else 1
    values = [rate, rate, length, count, units, rate, first, length]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        _KEYS.replace(" ", "\t"),
        "\t".join(map(str, values)),
        "Frame#\tTime\t" + "\t\t\t".join(joints) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{k}" for k in range(1, count + 1) for axis in "XYZ"),
        "",
    ]
    for t in range(length):
        cells = [str(int(pose.frame[t]) + 1), repr(float(pose.time[t]))]
        for joint in xyz[t]:
            known = np.isfinite(joint).all()
            cells += [f"{value:.4f}" for value in joint] if known else ["nan"] * 3
        lines.append("\t".join(cells))
    write_text(path, "\n".join(lines) + "\n")
