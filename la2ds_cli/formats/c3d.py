"""C3D files of motion capture, read with the package ezc3d: markers in space, matched by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import JointsError, PoseFileError
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, person_in_space
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import joint_order
from la2ds_cli.formats.trc import UNITS

# POINT:Y_SCREEN, the axis that points up on a screen -> their axes to x right, y down, z away.
_TO_CAMERA = {
    "Z": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "Y": np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
    "X": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}
_UPWARD = "Z"  # of most laboratories, where the file does not say


def import_c3d(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .c3d file, or a folder of them.

    Reads the 3D points by their labels (the part behind a colon, as in `Anna:LKNE`), the rate and
    the units (m, cm or mm). A point with a negative residual is missing; the others have score 1.
    Up is the axis that POINT:Y_SCREEN names, else Z. The joints in the image are an orthographic
    view. Markers on the skin are no joints: --map says which stands for which. Drops analogue
    channels and events. Raises UserError (exit 6) without the package ezc3d.
    """
    ezc3d()
    pose_format = PoseFormat("c3d", (".c3d",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def ezc3d() -> Any:
    """The package ezc3d; raises UserError (exit 6) if it cannot be imported."""
    with optional_import(
        ["ezc3d"],
        "C3D files need the package ezc3d, which is not installed",
        "pip install 'la2ds[c3d]'",
    ):
        import ezc3d as package  # pyright: ignore[reportMissingImports]
    return package


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clip of one file; raises PoseFileError."""
    try:
        with path.open("rb") as handle:
            if handle.read(2)[1:] != b"\x50":  # the second byte of every C3D file
                raise PoseFileError("it is not a C3D file")
        file = ezc3d().c3d(str(path))
    except OSError as error:
        raise PoseFileError(f"it cannot be read: {error}") from error
    except (RuntimeError, ValueError, KeyError, IndexError, MemoryError) as error:
        raise PoseFileError(f"it is damaged: {error}") from error
    parameters = file["parameters"]["POINT"]
    names = [label.rpartition(":")[2].strip() for label in _values(parameters, "LABELS")]
    points = np.asarray(file["data"]["points"], np.float64)[:3]  # (3, N, T)
    if not names or points.shape[1] < len(names):
        raise JointsError("it holds no labelled points")
    residual = np.asarray(file["data"]["meta_points"]["residuals"], np.float64)[0]
    points = np.where(residual[None] < 0, np.nan, points)[:, : len(names)]
    units = next(iter(_values(parameters, "UNITS")), "mm").strip() or "mm"
    if units not in UNITS:
        raise PoseFileError(f"its units are '{units}', not {', '.join(UNITS)}")
    world = UNITS[units] * np.moveaxis(points, 0, -1).swapaxes(0, 1) @ _axes(parameters).T
    order = joint_order(names, len(names), options.skeleton, options.renamed)
    people = {t: [person_in_space(frame)] for t, frame in enumerate(world)}
    rate = float(next(iter(_values(parameters, "RATE")), 0.0))
    return [FileClip(path.stem, path, people, order, first=0, fps=max(rate, 0.0))]


def _values(parameters: Any, name: str) -> list[Any]:
    """The values of a parameter of the group POINT, empty where the file lacks it."""
    return list(parameters[name]["value"]) if name in parameters else []


def _axes(parameters: Any) -> FloatArray:
    """(3, 3) from the axes of the file to x right, y down, z away."""
    text = str(next(iter(_values(parameters, "Y_SCREEN")), "")).strip().upper() or _UPWARD
    turn = _TO_CAMERA.get(text[-1], _TO_CAMERA[_UPWARD])
    if text.startswith("-"):  # the vertical the other way round: half a turn about z
        turn = np.diag([-1, -1, 1]) @ turn
    return turn
