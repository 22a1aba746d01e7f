"""Records of CASA (Kwon et al., CVPR 2022): `npyrecords/NAME_train.npy` and `NAME_val.npy`.

A file is a pickled dictionary: name of the video -> `pose`, `labels` and, of body models, `beta`.
Only records of joints can be imported: those of IKEA ASM (T, 17, 3), and files that others write in
this layout. The records of Penn Action and H2O hold parameters of SMPL and MANO.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.formats.checks import FramesError, JointsError, PoseFileError, shown
from la2ds_cli.formats.file_clip import FileClip, ImportOptions
from la2ds_cli.formats.importing import files_of, import_files, phases_of_labels
from la2ds_cli.formats.joints import order_by_count
from la2ds_cli.formats.people import Frames, orthographic
from la2ds_cli.formats.plain_pickle import numbers_of, read_object

# numbers of a frame -> the body model whose parameters they are
_PARAMETERS = {72: "SMPL", 69: "SMPL", 102: "MANO", 51: "MANO"}
_SUFFIX = re.compile(r"(.*)_(train|val|test)")
_WITH_BACKGROUND = {"kallax_shelf_drawer"}  # of which CASA leaves out the frames of label 0


def import_casa_npy(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import the videos of one file `root` without running anything in it.

    `pose` is (T, K, 2), taken as pixels, or (T, K, 3), taken as metres, whose joints in the image
    are an orthographic view along the third axis. Joints are in the order of options.skeleton, else
    COCO's. options.fps is required. The split is the end of the file's name (val counts as test).
    Runs of equal `labels` (T,) become the phases `phase N`; label 0 of kallax_shelf_drawer is
    `background`.

    `pose` (T, 72) or (T, 102) holds parameters of SMPL or MANO: the file is refused if all of its
    records do (I002). An unusable record becomes a failed item.
    """
    paths, options = files_of(root, (".npy",)), options or ImportOptions()
    return import_files(project, "casa-npy", paths, _read_records, options, progress)


def _read_records(path: Path, options: ImportOptions) -> list[FileClip | PoseFileError]:
    """The records of a file as clips, or what is wrong with them."""
    records = read_object(path)
    if not isinstance(records, dict) or not records:
        raise PoseFileError("it should contain a dictionary with one record for each video")
    named = _SUFFIX.fullmatch(path.stem)
    data_set = named[1] if named else path.stem
    background = 0 if data_set.lower() in _WITH_BACKGROUND else None
    split = "" if named is None else "train" if named[2] == "train" else "test"
    clips: list[FileClip | PoseFileError] = []
    for name, record in records.items():
        try:
            if not isinstance(name, str) or not name.strip():
                raise PoseFileError("its records should be named by text")
            where = f"record {shown(name)}"
            pose, labels = _arrays(record, where)
            order = order_by_count(pose.shape[1], options.skeleton)
            phases = tuple(phases_of_labels(labels, background))
            clips.append(FileClip(name, path, _seen(pose), order, split=split, phases=phases))
        except PoseFileError as error:
            clips.append(error)
    problems = [clip for clip in clips if isinstance(clip, PoseFileError)]
    if len(problems) == len(clips):
        first = problems[0]
        raise type(first)(f"none of its {len(clips)} records can be used; {first}", first.hint)
    return clips


def _arrays(record: Any, where: str) -> tuple[FloatArray, IntArray]:
    """pose (T, K, 2 or 3) float64 and labels (T,) int64 of a record."""
    if not isinstance(record, dict):
        raise PoseFileError(f"{where} should be a dictionary with 'pose' and 'labels'")
    for key in ("pose", "labels"):
        if key not in record:
            raise PoseFileError(f"{where} has no '{key}'")
    pose = numbers_of(record["pose"], f"the pose of {where}")
    if pose.ndim == 2 and pose.shape[1] in _PARAMETERS:
        model = _PARAMETERS[pose.shape[1]]
        raise JointsError(
            f"the pose of {where}, {pose.shape}, has parameters of the body model {model}, not "
            "joints",
            f"only {model}, which has its own licence and is not part of la2ds, can compute joints "
            "from them: do so, and store (frames, joints, 2 or 3)",
        )
    if pose.ndim != 3 or pose.shape[2] not in (2, 3) or not pose.size:
        raise JointsError(
            f"the pose of {where} should be (frames, joints, 2 or 3), not {pose.shape}",
            "store the coordinates of each joint",
        )
    labels = numbers_of(record["labels"], f"the labels of {where}")
    if labels.shape != pose.shape[:1]:
        raise FramesError(
            f"the labels of {where} are {labels.shape}, but its pose has {len(pose)} frames"
        )
    if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
        raise PoseFileError(f"the labels of {where} should be whole numbers")
    return pose, np.clip(labels, -1, 1e9).astype(np.int64)


def _seen(pose: FloatArray) -> Frames:
    """The person of a record, in pixels or in metres."""
    number = np.arange(len(pose))
    if pose.shape[2] == 2:
        return Frames.of_one(number, pose)
    return Frames.of_one(number, orthographic(pose), world=pose)
