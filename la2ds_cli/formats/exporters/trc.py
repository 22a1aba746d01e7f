"""TRC marker files, as OpenSim and Pose2Sim read them, with the joints of one person in pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence

SUFFIX = ".trc"
_KEYS = (
    "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
)


def export_trc(pose: PoseSequence, name: str, path: Path) -> None:
    """Frame# from 1, Time in seconds, X and Y in pixels (y down, as in the picture), Z = 0.

    Pixels have 4 decimals, times are exact. The cells of a missing joint say nan, since OpenSim
    counts no empty cell at the end of a row. Lost: scores, boxes and size.
    """
    joints = get_skeleton(pose.skeleton).joints
    count, length, rate = len(joints), len(pose), f"{pose.fps:.6f}"
    first = int(pose.frame[0]) + 1 if length else 1
    values = [rate, rate, length, count, "px", rate, first, length]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        _KEYS.replace(" ", "\t"),
        "\t".join(map(str, values)),
        "Frame#\tTime\t" + "\t\t\t".join(joints) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{k}" for k in range(1, count + 1) for axis in "XYZ"),
        "",
    ]
    for t in range(length):
        cells = [str(pose.frame[t] + 1), repr(float(pose.time[t]))]
        for x, y in pose.xy[t]:
            cells += [f"{x:.4f}", f"{y:.4f}", "0.0000"] if np.isfinite(x) else ["nan"] * 3
        lines.append("\t".join(cells))
    write_text(path, "\n".join(lines) + "\n")
