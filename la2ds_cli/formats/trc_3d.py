"""TRC marker files with the joints in metres, y up, as OpenSim reads them; `import trc` reads both
kinds."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.checks import FormatError
from la2ds_cli.formats.trc import Y_UP, write_markers

SUFFIX = ".trc"


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write Frame# from 1, Time in seconds, X, Y (up) and Z (towards the camera) in metres.

    Metres have 4 decimals, times are exact; the cells of an unknown joint contain nan. The joints
    in the image, scores, boxes and size are lost. Raises FormatError for a clip without 3D.
    """
    if pose.world is None:
        raise FormatError("the clip has no joints in 3D")
    write_markers(pose, path, pose.world * Y_UP, "m")
