"""OpenPose `--write_json` folders: one file `NAME_000000000000_keypoints.json` per frame."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import cannot_write, temporary_folder_beside
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.checks import (
    FormatError,
    FramesError,
    JointsError,
    PoseFileError,
    entry,
    frame_number,
    mapping,
    numbers,
    read_json,
    sequence,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, missing_where_zero, no_box
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import JointOrder, order_by_name
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

    Reads pose_keypoints_2d of BODY_25 (skeleton body25) and COCO (coco17, without its neck), and
    person_id unless it is -1. A joint at (0, 0) with score 0 is missing. Drops face, hands and 3D
    points. Raises UserError (exit 3) if there is no such file.
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
            raise FramesError(f"frame {frame} appears twice: {frames[frame].name}, {path.name}")
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
            person_order = _order(len(person.xy), path, options)
            if order is not None and person_order != order:
                raise JointsError(f"{path.name} has different joints than the files before it")
            order = person_order
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
        persons = [_person(item, f"person {n}") for n, item in enumerate(items)]
    except PoseFileError as error:
        raise type(error)(f"{path.name}: {error}", error.hint) from error
    return [person for person in persons if person is not None]


def _person(value: object, where: str) -> Person | None:
    item = mapping(value, where)
    keypoints = entry(item, "pose_keypoints_2d", where)
    if keypoints == []:
        return None  # OpenPose was run for hands or face only
    flat = numbers(keypoints, f"the keypoints of {where}")
    if len(flat) % 3:
        raise JointsError(f"the keypoints of {where} are {len(flat)} numbers, not three each")
    triple = flat.reshape(-1, 3)
    xy = missing_where_zero(triple[:, :2], triple[:, 2])
    return Person(xy, triple[:, 2], no_box(), track=_identity(item.get("person_id")))


def _identity(value: object) -> str | None:
    """The identity of a person; OpenPose writes [-1] without tracking."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if value is None or value in (-1, []) else str(value)[:200]


# --- writing -------------------------------------------------------------------------------------

SUFFIX = ""
_FILES = "*_keypoints.json"
_BODY = get_skeleton("body25").joints
# Joints that OpenPose defines as the middle of two others.
_MIDDLES = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


def export_openpose_json(pose: PoseSequence, name: str, path: Path) -> None:
    """Write the folder `path` with NAME_<frame number, 12 digits>_keypoints.json for every frame.

    Joints are put into the order of BODY_25 by name; neck and mid_hip are the midpoints of
    shoulders and hips if the skeleton lacks them. Pixels and scores have 4 decimals; a missing
    joint is 0 0 0, and a frame without joints has no people. The folder is written elsewhere and
    then moved. Times, boxes, size and joints that BODY_25 does not have are lost. Raises
    FormatError for a skeleton without shoulders and hips.
    """
    triple = body25(pose)
    try:
        with temporary_folder_beside(path) as folder:
            written = folder / path.name
            written.mkdir()
            for t, frame in enumerate(pose.frame):
                file_name = f"{name}_{frame:012d}_keypoints.json"
                (written / file_name).write_text(json.dumps(_document(triple[t])), "utf-8")
            _replace(written, path)
    except OSError as error:
        raise cannot_write(path, error) from error


def body25(pose: PoseSequence) -> FloatArray:
    """x, y, score (T, 25, 3) in the order of BODY_25, all 0 where a joint is missing."""
    ours = get_skeleton(pose.skeleton).joints
    at = {joint: k for k, joint in enumerate(ours)}
    if not all(joint in at for pair in _MIDDLES.values() for joint in pair):
        raise FormatError(f"BODY_25 cannot hold the joints of {pose.skeleton}")
    triple = np.zeros((len(pose), len(_BODY), 3))
    for k, joint in enumerate(_BODY):
        columns = [at[joint]] if joint in at else [at[j] for j in _MIDDLES.get(joint, ())]
        if columns:
            triple[:, k, :2] = pose.xy[:, columns].mean(axis=1)
            triple[:, k, 2] = pose.score[:, columns].min(axis=1)
    missing = ~np.isfinite(triple).all(axis=2)
    triple[missing] = 0
    return triple


def _document(triple: FloatArray) -> dict[str, object]:
    empty = {
        f"{part}_keypoints_{kind}": []
        for kind in ("2d", "3d")
        for part in ("face", "hand_left", "hand_right")
    }
    keypoints = [round(float(v), 4) for v in triple.ravel()]
    person = {"person_id": [-1], "pose_keypoints_2d": keypoints, "pose_keypoints_3d": [], **empty}
    return {"version": 1.3, "people": [person] if triple.any() else []}


def _replace(written: Path, path: Path) -> None:
    """Move the folder `written` to `path`; an existing folder loses only its files of this kind. A
    link is replaced, because its target does not belong to the export."""
    if path.is_symlink():
        path.unlink()
    if not path.exists():
        written.rename(path)
        return
    new = {file.name for file in written.iterdir()}
    old = {file.name for file in path.glob(_FILES)}
    if all(file.name in old for file in path.iterdir()):  # the whole folder at once
        aside = written.with_name("old")
        path.rename(aside)
        written.rename(path)
        return
    for name in sorted(new):
        (written / name).replace(path / name)
    for name in old - new:
        (path / name).unlink()
