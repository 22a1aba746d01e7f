"""COCO-WholeBody in 3D: the JSON of H3WB (Zhu et al., ICCV 2023), joints of Human3.6M images.

`2Dto3D_train.json` is an object of samples, each with `image_path`, `keypoints_2d` (x, y in pixels)
and `keypoints_3d` (x, y, z in millimetres, y down) of 133 joints by number. Only some frames of
each video are included.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    entry,
    last_number,
    mapping,
    number,
    read_json,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, no_box, person_in_space
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import WHOLEBODY_JOINTS, order_by_count

FPS = 50.0  # of Human3.6M, whose frames the numbers of the images count
_METRE = 0.001  # of a millimetre


def import_h3wb(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .json file in the layout of H3WB, or a folder of them.

    The images of one folder are one clip, named after the folder and its parent, with the rate 50
    or --fps; the last number in a name is the frame. The body joints of the 133 are kept, in the
    image (otherwise in an orthographic view) and in metres. Drops boxes, feet, face and hands.
    """
    pose_format = PoseFormat("h3wb", (".json",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clips of one file; raises PoseFileError."""
    samples = mapping(read_json(path), "the document")
    clips: dict[str, dict[int, list[Person]]] = defaultdict(dict)
    for key, value in samples.items():
        where = f"sample {key[:40]}"
        sample = mapping(value, where)
        image = PurePosixPath(str(entry(sample, "image_path", where)))
        name = "-".join(part for part in image.parent.parts[-3:] if part != "Images") or path.stem
        frame = last_number(image.name, where)
        if frame in clips[name]:
            raise FramesError(f"{where}: frame {frame} of {name} appears twice")
        clips[name][frame] = [_person(sample, where)]
    order = order_by_count(WHOLEBODY_JOINTS, options.skeleton)
    return [
        FileClip(name, path, people, order, complete=False, fps=FPS)
        for name, people in clips.items()
    ]


def _person(sample: dict[str, Any], where: str) -> Person:
    world = _METRE * _joints(sample, "keypoints_3d", "xyz", where)
    if "keypoints_2d" not in sample:
        return person_in_space(world)
    xy = _joints(sample, "keypoints_2d", "xy", where)
    return Person(xy, np.ones(WHOLEBODY_JOINTS), no_box(), world=world)


def _joints(sample: dict[str, Any], key: str, axes: str, where: str) -> FloatArray:
    """(133, axes) of the joints by number; raises PoseFileError for others and missing ones."""
    joints = mapping(entry(sample, key, where), f"the {key} of {where}")
    if len(joints) != WHOLEBODY_JOINTS:
        raise JointsError(f"the {key} of {where} are {len(joints)} joints, not {WHOLEBODY_JOINTS}")
    rows = []
    for k in range(WHOLEBODY_JOINTS):
        place = f"joint {k} of the {key} of {where}"
        joint = mapping(entry(joints, str(k), f"the {key} of {where}"), place)
        rows.append([number(entry(joint, axis, place), place) for axis in axes])
    return np.array(rows)
