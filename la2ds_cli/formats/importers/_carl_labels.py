"""Phase labels of Penn Action as CARL (Chen et al., CVPR 2022) keeps them: one array per clip.

`DIR/{train,val}/<action>/<id>*.npy`, the id being the first four characters, the array (T,) whole
numbers; negative ones are frames without a phase. The layout is that of CARL's preparation script.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import IntArray, Phase
from la2ds_cli.formats.importers._phase_labels import phases_of_labels
from la2ds_cli.formats.importers._plain_pickle import DAMAGE
from la2ds_cli.formats.importers._problems import PoseFileError

_SPLITS = {"train": "train", "val": "test"}


def label_files(root: Path) -> dict[str, Path]:
    """Clip `0168` -> its file. UserError: no such file (exit 3), two for one clip (exit 5)."""
    found: dict[str, Path] = {}
    for path in sorted(root.glob("*/*/*.npy")):
        if path.parent.parent.name not in _SPLITS:
            continue
        other = found.setdefault(path.name[:4], path)
        if other != path:
            raise UserError(
                f"clip {path.name[:4]} has two files of labels: {other} and {path}",
                hint="keep the one that belongs to the data set",
                exit_code=ExitCode.MISMATCH,
            )
    if not found:
        raise UserError(
            f"there are no labels like train/golf_swing/0168.npy in {root}",
            hint="name the folder of CARL's labels of Penn Action that holds train and val",
            exit_code=ExitCode.UNREADABLE,
        )
    return found


def read_labels(path: Path, action: str, frames: int) -> tuple[list[Phase], str]:
    """Phases of a clip, and a note where they were stretched; PoseFileError.

    action: of the label file of Penn Action, which must be the folder's. frames: of the poses;
    where the labels are for another number, frame t takes the label of t L / T, as CARL does.
    """
    if path.parent.name != action:
        raise PoseFileError(f"it lies under {path.parent.name}, and the clip shows {action}")
    labels = _read(path)
    if len(labels) == frames:
        return phases_of_labels(labels), ""
    row = np.arange(frames) * len(labels) // frames
    return phases_of_labels(labels[row]), f"{len(labels)} labels for {frames} frames"


def split_of(path: Path) -> str:
    """`train` or `test`, by the folder of a label file."""
    return _SPLITS[path.parent.parent.name]


def _read(path: Path) -> IntArray:
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, *DAMAGE) as error:
        raise PoseFileError(f"it is no array that can be read: {error}") from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or not len(labels):
        raise PoseFileError("it should hold one label for each frame")
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise PoseFileError(f"its labels should be whole numbers, not {labels.dtype}")
    if (labels != np.round(labels)).any() or (np.abs(labels.astype(np.float64)) > 1e6).any():
        raise PoseFileError("its labels should be whole numbers")
    return labels.astype(np.int64)


def summary(stretched: Mapping[str, str], contradictory: int, unlabelled: int) -> list[str]:
    """Notes on all clips together, for people."""
    notes = []
    if stretched:
        name, example = next(iter(stretched.items()))
        notes.append(
            f"labels for another number of frames, stretched as CARL does: {len(stretched)} clips, "
            f"such as {name}, {example}"
        )
    if contradictory:
        notes.append(
            f"clips whose labels lie in the other split; the clip's counts: {contradictory}"
        )
    if unlabelled:
        notes.append(f"clips without labels: {unlabelled}")
    return notes
