"""DeepLabCut CSV: three header rows (scorer, bodyparts, coords), then one row per frame."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence

SUFFIX = ".csv"
_SCORER = "la2ds"


def export_dlc_csv(pose: PoseSequence, name: str, path: Path) -> None:
    """Joints as body parts: pixels and likelihood to 4 decimals, rows by frame number.

    x and y of a missing joint are empty, its likelihood is 0. Lost: times, boxes and size.
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
