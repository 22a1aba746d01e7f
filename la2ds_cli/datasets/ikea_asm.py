"""IKEA ASM (Ben-Shabat et al., WACV 2021): 2D poses of people who assemble furniture.

Layout: `Kallax_Shelf_Drawer/<scan>/dev3/predictions/pose2d/keypoint_rcnn_ft/`, one file
`scan_video_000000000000_keypoints.json` for each frame; next to the furniture or in indexing_files/
are the split and the actions of each scan as gt_segments.json. The layout is that of the data set's
own loaders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import Unreadable, check_choice
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import FramePerson, Frames, joint_count, order_by_count, plain
from la2ds_cli.formats.files import (
    FramesError,
    ImportOptions,
    PoseFileError,
    frame_number,
    read_json,
    reading,
    shown,
)
from la2ds_cli.formats.import_export import import_files
from la2ds_cli.formats.openpose_json import clips_of, read_people
from la2ds_cli.video.media_files import ordered

FPS = 30.0  # that of the paper (LA2DS, Table 9); the files hold no times
_POSES = "dev3/predictions/pose2d/keypoint_rcnn_ft"  # of the camera that the paper uses
_SIZE = (1920, 1080)
SEGMENTS = "gt_segments.json"
BACKGROUND = "NA"  # the data set's name for frames without an action
_FOLDERS = (".", "indexing_files")  # of that file, in the data set and its downloads
_SUBSETS = {"training": "train", "testing": "test"}


def import_ikea_asm(
    project: StoredProject, root: Path, furniture: str | None = None, progress: Progress = SILENT
) -> list[ItemResult]:
    """Import the scans `root`/furniture/scan as seen by dev3, without pictures.

    The poses are those of the network that the paper uses. Of several people in a frame, the one
    with the highest mean score is taken, as in the data set's code. The split is the subset in
    gt_segments.json; the phases are its actions except `NA`.

    Parameters
    ----------
    furniture: import only scans of this furniture, in any spelling.

    Raises
    ------
    UserError: exit 2 for unknown furniture, 3 if the folder does not exist or gt_segments.json
        cannot be read.
    """
    folders = _scan_folders(root)
    if furniture is not None:
        folders = _of_furniture(folders, furniture)
    labels = _labels(root, progress)
    scans = {root / scan: scan for scan in folders}

    def read(path: Path, _: ImportOptions) -> list[FileClip]:
        scan = scans[path]
        folder = folders[scan]
        people = _predictions(folder)
        joints = joint_count(people)
        split, phases = _labelled(scan, labels)
        return [
            FileClip(
                name=path.name,
                path=path,
                frames=Frames.of_people(people, joints),
                order=order_by_count(joints, "coco17"),
                first=0,
                fps=FPS,
                size=_SIZE,
                sources=(folder,),
                split=split,
                phases=phases,
            )
        ]

    return import_files(project, "ikea-asm", list(scans), read, ImportOptions(), progress)


def _scan_folders(root: Path) -> dict[str, Path]:
    """Return `furniture/scan` -> folder of its poses, in natural order."""
    folders = [path for path in root.glob(f"*/*/{_POSES}") if path.is_dir()]
    if not folders:
        raise Unreadable(
            f"there is no <furniture>/<scan>/{_POSES} in {root}",
            hint="name the folder that contains Kallax_Shelf_Drawer and the other furniture",
        )
    return {"/".join(folder.relative_to(root).parts[:2]): folder for folder in ordered(folders)}


def _of_furniture(folders: dict[str, Path], furniture: str) -> dict[str, Path]:
    kinds = {plain(scan.split("/")[0]): scan.split("/")[0] for scan in folders}
    if plain(furniture) not in kinds:
        check_choice("furniture", furniture, sorted(kinds.values()))
    wanted = kinds[plain(furniture)]
    return {scan: folder for scan, folder in folders.items() if scan.split("/")[0] == wanted}


def _predictions(folder: Path) -> dict[int, list[FramePerson]]:
    """Return the best scored person of each frame."""
    people: dict[int, list[FramePerson]] = {}
    for paths in clips_of(folder).values():
        for frame, path in paths.items():
            # All numbers are 0 in a frame without a person.
            seen = [person for person in read_people(path) if np.isfinite(person.xy).any()]
            people[frame] = sorted(seen, key=lambda p: -np.nan_to_num(p.score).mean())[:1]
    if not people:
        raise PoseFileError("it contains no scan_video_000000000000_keypoints.json")
    return people


# --- the split of each scan, and the actions in it ------------------------------------------------


def _labels(root: Path, progress: Progress) -> dict[str, Any]:
    """Return the unchecked entries of gt_segments.json by `furniture/scan`, empty without the file;
    raise UserError (exit 3) if it is not such a list."""
    path = next((path for f in _FOLDERS if (path := root / f / SEGMENTS).is_file()), None)
    if path is None:
        progress.note(f"no {SEGMENTS} was found, so no clip gets a split or phases")
        return {}
    try:
        with reading("the document"):
            return dict(read_json(path)["database"])
    except PoseFileError as error:
        raise error.user_error(path) from error


def _labelled(scan: str, database: Mapping[str, Any]) -> tuple[str, tuple[Phase, ...]]:
    """Return the split of a scan, and its actions without the background; segments are half-open,
    [start, end), as in the data set's loader. Raises PoseFileError."""
    if scan not in database:
        return "", ()
    with reading(f"{SEGMENTS}, {scan}"):
        item = database[scan]
        phases = [_phase(part) for part in item["annotation"] if part["label"] != BACKGROUND]
        return _SUBSETS.get(item.get("subset"), ""), tuple(phases)


def _phase(item: dict[str, Any]) -> Phase:
    start, end = map(frame_number, item["segment"])
    if start >= end or not item["label"].strip():
        raise FramesError(
            f"{shown(item)} should have a label, its first frame and the frame after the last"
        )
    return Phase(start, end, item["label"].strip())
