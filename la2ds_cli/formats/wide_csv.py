"""The project's own CSV: `frame,time,<joint>_x,<joint>_y,<joint>_score,...`, one row per frame;
with 3D also `<joint>_x_m,<joint>_y_m,<joint>_z_m`."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.checks import FramesError, JointsError, PoseFileError, frame_number
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, no_box
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import cell_numbers, joint_order, read_table

_METRES = ("x_m", "y_m", "z_m")


def import_wide_csv(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .csv file or a folder of them.

    Reads frame (integers from 0; without the column the rows are counted), time (seconds; without
    it --fps or --video is needed), and x, y and score of each joint, and its x, y and z in metres,
    if present; joints are matched by name. An empty cell is a missing joint; without a score column
    a joint has score 1. Drops other columns.
    """
    pose_format = PoseFormat("wide-csv", (".csv",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clip of one file; raises PoseFileError."""
    rows = read_table(path)
    if len(rows) < 2:
        raise PoseFileError("it has no rows below its header")
    header = [name.strip() for name in rows[0]]
    at = {name.lower(): c for c, name in reversed(list(enumerate(header)))}
    joints = [name[:-2] for name in header if name.lower().endswith("_x")]
    paired = [name for name in joints if f"{name.lower()}_y" in at]
    if not paired:
        raise JointsError(
            "its header has no columns <joint>_x and <joint>_y",
            "if it is a DeepLabCut file, use dlc-csv",
        )
    frame = _frames(rows[1:], at.get("frame"))
    parts = ("x", "y", "score", *_METRES)
    wanted = [f"{name.lower()}_{part}" for name in paired for part in parts]
    columns = {at[name] for name in ("time", *wanted) if name in at}
    value = cell_numbers(rows[1:], 2, len(header), columns)
    x, y = (value[:, [at[f"{name.lower()}_{axis}"] for name in paired]] for axis in "xy")
    score = np.ones_like(x)
    for k, name in enumerate(paired):
        column = at.get(f"{name.lower()}_score")
        if column is not None:
            score[:, k] = value[:, column]
    xy = np.stack([x, y], axis=-1)
    world = _world(value, paired, at)
    people = {
        n: [Person(xy[t], score[t], no_box(), world=None if world is None else world[t])]
        for t, n in enumerate(frame)
    }
    time = {}
    if "time" in at:
        time = {n: float(value[t, at["time"]]) for t, n in enumerate(frame)}
    order = joint_order(paired, len(paired), options.skeleton, options.renamed)
    return [FileClip(path.stem, path, people, order, first=0, part=True, time=time)]


def _world(value: FloatArray, joints: list[str], at: dict[str, int]) -> FloatArray | None:
    """Joints (T, K, 3) in metres from the cells value (T, columns), None if there are none."""
    world = np.full((len(value), len(joints), 3), np.nan)
    for k, name in enumerate(joints):
        columns = [f"{name.lower()}_{part}" for part in _METRES]
        if all(column in at for column in columns):
            world[:, k] = value[:, [at[column] for column in columns]]
    return world if np.isfinite(world).any() else None


def _frames(rows: list[list[str]], column: int | None) -> list[int]:
    if column is None:
        return list(range(len(rows)))
    cells = [row[column] if column < len(row) else "" for row in rows]
    frame = [frame_number(cell, f"row {line}") for line, cell in enumerate(cells, start=2)]
    for line, (before, after) in enumerate(itertools.pairwise(frame), start=3):
        if after <= before:
            raise FramesError(f"row {line}: frame {after} comes after frame {before}")
    return frame


# --- writing -------------------------------------------------------------------------------------

SUFFIX = ".csv"


def export_wide_csv(pose: PoseSequence, name: str, path: Path) -> None:
    """Write frame numbers, seconds (exact) and joints: pixels, scores and metres to 4 decimals.

    x and y of a missing joint are empty, its score is 0; only clips with 3D have columns x, y and z
    in metres. Boxes and size are lost.
    """
    joints = get_skeleton(pose.skeleton).joints
    parts = ("x", "y", "score", *(_METRES if pose.world is not None else ()))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["frame", "time", *(f"{joint}_{part}" for joint in joints for part in parts)])
    for t in range(len(pose)):
        cells = [str(pose.frame[t]), repr(float(pose.time[t]))]
        for k, ((x, y), score) in enumerate(zip(pose.xy[t], pose.score[t], strict=True)):
            seen = np.isfinite(x)
            cells += [f"{x:.4f}" if seen else "", f"{y:.4f}" if seen else "", f"{score:.4f}"]
            if pose.world is not None:
                cells += [f"{v:.4f}" if np.isfinite(v) else "" for v in pose.world[t, k]]
        writer.writerow(cells)
    write_text(path, buffer.getvalue())
