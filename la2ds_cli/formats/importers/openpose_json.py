"""OpenPose `--write_json` folders: one file `NAME_000000000000_keypoints.json` per frame."""

from __future__ import annotations

import re
from pathlib import Path

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.formats.importers._clips import PoseFormat, import_files
from la2ds_cli.formats.importers._joints import JointOrder, order_by_name
from la2ds_cli.formats.importers._options import ImportOptions
from la2ds_cli.formats.importers._people import Person, missing_where_zero, no_box
from la2ds_cli.formats.importers._problems import FramesError, JointsError, PoseFileError
from la2ds_cli.formats.importers._sequence import FileClip
from la2ds_cli.formats.importers._values import (
    entry,
    frame_number,
    mapping,
    numbers,
    read_json,
    sequence,
)
from la2ds_cli.video.media_files import natural_order

_NAME = re.compile(r"(?:(?P<clip>.*)_)?(?P<frame>\d+)_keypoints\.json", re.IGNORECASE)
_COCO18 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear "
    "left_ear"
)
# Joints by the count of numbers, as OpenPose itself defines its models BODY_25 and COCO.
_JOINTS = {75: get_skeleton("body25").joints, 54: tuple(_COCO18.split())}


def import_openpose_json(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import the folder `root` of one clip, or all such folders inside it.

    Read: pose_keypoints_2d of BODY_25 (skeleton body25) and COCO (coco17, without its neck), and
    person_id where it is not -1. A joint at (0, 0) with score 0 is missing. Dropped: face, hands
    and 3D points. UserError (exit 3) when there is no such file.
    """
    clips = _clip_folders(root)
    pose_format = PoseFormat("openpose-json", (".json",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress, clips)


def _clip_folders(root: Path) -> list[Path]:
    folders = {path.parent for path in root.rglob("*.json") if _NAME.fullmatch(path.name)}
    if not folders:
        raise UserError(
            f"there are no OpenPose files like NAME_000000000000_keypoints.json in {root}",
            hint="name the folder given to OpenPose with --write_json",
            exit_code=ExitCode.UNREADABLE,
        )
    return [Path(name) for name in natural_order(str(folder) for folder in folders)]


def read_clips(folder: Path, options: ImportOptions) -> list[FileClip]:
    """The clips of one folder; raises PoseFileError that names the file."""
    clips: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        frames = clips.setdefault(match["clip"] or folder.name, {})
        frame = frame_number(match["frame"].lstrip("0") or "0", path.name)
        if frame in frames:
            raise FramesError(f"frame {frame} is there twice: {frames[frame].name}, {path.name}")
        frames[frame] = path
    only = len(clips) == 1
    return [
        _clip(folder.name if only else name, folder, frames, options)
        for name, frames in clips.items()
    ]


def _clip(name: str, folder: Path, paths: dict[int, Path], options: ImportOptions) -> FileClip:
    people, order = {}, None
    for frame, path in paths.items():
        people[frame] = _people(path)
        for person in people[frame]:
            found = _order(len(person.xy), path, options)
            if order is not None and found != order:
                raise JointsError(f"{path.name} has other joints than the files before it")
            order = found
    if order is None:
        raise PoseFileError("none of its files has a person")
    return FileClip(name, folder, people, order)


def _order(joints: int, path: Path, options: ImportOptions) -> JointOrder:
    names = _JOINTS.get(3 * joints)
    if names is None:
        raise JointsError(
            f"{path.name} has {joints} joints, neither the 25 of BODY_25 nor the 18 of COCO",
            "run OpenPose with --model_pose BODY_25",
        )
    return order_by_name(names, options.skeleton, options.renamed)


def _people(path: Path) -> list[Person]:
    try:
        document = mapping(read_json(path), "the document")
        items = sequence(entry(document, "people", "the document"), "'people'")
        found = [_person(item, f"person {n}") for n, item in enumerate(items)]
    except PoseFileError as error:
        raise type(error)(f"{path.name}: {error}", error.hint) from error
    return [person for person in found if person is not None]


def _person(value: object, where: str) -> Person | None:
    item = mapping(value, where)
    keypoints = entry(item, "pose_keypoints_2d", where)
    if keypoints == []:
        return None  # run with hands or face only
    flat = numbers(keypoints, f"the keypoints of {where}")
    if len(flat) % 3:
        raise JointsError(f"the keypoints of {where} are {len(flat)} numbers, not three each")
    triple = flat.reshape(-1, 3)
    xy = missing_where_zero(triple[:, :2], triple[:, 2])
    return Person(xy, triple[:, 2], no_box(), track=_identity(item.get("person_id")))


def _identity(value: object) -> str | None:
    """OpenPose writes [-1] where it does not track."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if value is None or value in (-1, []) else str(value)[:200]
