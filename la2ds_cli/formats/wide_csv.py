"""The CSV of la2ds: `frame,time,<joint>_x,<joint>_y,<joint>_score,...`, one row per frame;
with 3D also `<joint>_x_m,<joint>_y_m,<joint>_z_m`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import Frames, joint_order
from la2ds_cli.formats.files import (
    ImportOptions,
    JointsError,
    joint_cells,
    read_frames,
    rows_of,
    write_rows,
)

SUFFIXES = (".csv",)
SUFFIX = ".csv"
_METRES = ("x_m", "y_m", "z_m")


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clip of a file. Raises PoseFileError.

    Reads frame (integers from 0; without the column the rows are counted), time (seconds; without
    it --fps or --video is needed), and x, y and score of each joint, and its x, y and z in metres,
    if present; joints are matched by name. An empty cell is a missing joint; without a score column
    a joint has score 1. Drops other columns.
    """
    rows = rows_of(path)
    header = next(rows, (0, []))[1]
    at = {name.lower(): c for c, name in reversed(list(enumerate(header)))}
    joints = [name[:-2] for name in header if name.lower().endswith("_x")]
    names = [name for name in joints if f"{name.lower()}_y" in at]
    if not names:
        raise JointsError(
            "its header has no columns <joint>_x and <joint>_y",
            "if it is a DeepLabCut file, use dlc-csv",
        )
    cells = [f"{name.lower()}_{p}" for name in names for p in ("x", "y", "score", *_METRES)]
    columns = [name for name in ("time", *cells) if name in at]
    number, table = read_frames(rows, len(header), [at[c] for c in columns], at.get("frame"))
    values = dict(zip(columns, table.T, strict=True))

    def parts(endings: Sequence[str], otherwise: float = np.nan) -> FloatArray:
        """Return the columns <joint>_<ending> as (T, K, n)."""
        other = np.full(len(number), otherwise)
        arrays = [[values.get(f"{name.lower()}_{e}", other) for e in endings] for name in names]
        return np.moveaxis(np.array(arrays), 2, 0)

    in_space = any(f"{name.lower()}_{_METRES[0]}" in at for name in names)
    world = parts(_METRES) if in_space else None
    score = parts(["score"], otherwise=1.0)[..., 0]
    return [
        FileClip(
            path.stem,
            path,
            Frames.of_one(number, parts("xy"), score, world),
            joint_order(names, len(names), options),
            first=0,
            part=True,
            time=values.get("time"),
        )
    ]


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write frame numbers, seconds (exact) and joints: pixels, scores and metres to 4 decimals.

    x and y of a missing joint are empty, its score is 0; only clips with 3D have columns x, y and z
    in metres. Boxes and size are lost.
    """
    joints = get_skeleton(pose.skeleton).joints
    parts = ("x", "y", "score", *(_METRES if pose.world is not None else ()))
    values = [pose.xy, pose.score[..., None], *([pose.world] if pose.world is not None else [])]
    cells = joint_cells(np.concatenate(values, axis=2), missing="")
    header = ["frame", "time", *(f"{joint}_{part}" for joint in joints for part in parts)]
    times = zip(pose.frame, pose.time, cells, strict=True)
    write_rows(path, chain([header], ([str(n), repr(float(t)), *row] for n, t, row in times)))
