"""The project's own CSV: `frame,time,<joint>_x,<joint>_y,<joint>_score,...`, one row per frame."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence

SUFFIX = ".csv"


def export_wide_csv(pose: PoseSequence, name: str, path: Path) -> None:
    """Frame numbers, seconds (exact) and joints: pixels and scores to 4 decimals.

    x and y of a missing joint are empty, its score is 0. Lost: boxes and size.
    """
    joints = get_skeleton(pose.skeleton).joints
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["frame", "time", *(f"{joint}_{part}" for joint in joints for part in ("x", "y", "score"))]
    )
    for t in range(len(pose)):
        cells = [str(pose.frame[t]), repr(float(pose.time[t]))]
        for (x, y), score in zip(pose.xy[t], pose.score[t], strict=True):
            seen = np.isfinite(x)
            cells += [f"{x:.4f}" if seen else "", f"{y:.4f}" if seen else "", f"{score:.4f}"]
        writer.writerow(cells)
    write_text(path, buffer.getvalue())
