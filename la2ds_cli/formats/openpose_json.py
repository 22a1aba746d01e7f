"""OpenPose `--write_json` folders: one file `NAME_000000000000_keypoints.json` per frame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import cannot_write, temporary_beside
from la2ds_cli.core.errors import Unreadable
from la2ds_cli.core.own_files import found_files
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.file_clip import FileClip, first_number
from la2ds_cli.formats.file_people import FramePerson, Frames, joint_count, joint_order
from la2ds_cli.formats.files import (
    FormatError,
    FramesError,
    ImportOptions,
    frame_number,
    read_json,
    reading,
)
from la2ds_cli.video.media_files import ordered

SUFFIXES = (".json",)
SUFFIX = ""
_FILE = re.compile(r"(?:(?P<clip>.*)_)?(?P<frame>\d+)_keypoints\.json", re.IGNORECASE)
_BODY = get_skeleton("body25").joints
# Joints that OpenPose defines as the middle of two others.
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}


def sources(root: Path) -> list[Path]:
    """Return the folders of clips: `root`, or all such folders inside it, in natural order.

    Files of la2ds in a project are left out. Raises UserError (exit 3) if there are none.
    """
    folders = {path.parent for path in found_files(root) if _FILE.fullmatch(path.name)}
    if not folders:
        raise Unreadable(
            f"there are no OpenPose files like NAME_000000000000_keypoints.json in {root}",
            hint="name the folder given to OpenPose with --write_json",
        )
    return ordered(folders)


def read_clips(folder: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clips of a folder. Raises PoseFileError that names the file.

    Reads pose_keypoints_2d, and person_id unless it is -1. 25 joints are those of BODY_25; others,
    of tools that write the same files, are those of --skeleton, else COCO's. A joint at (0, 0) with
    score 0 is missing. Frame numbers are those of the film, counted from 0 or 1. Drops face, hands
    and 3D points.
    """
    clips = clips_of(folder)
    return [
        _clip(folder.name if len(clips) == 1 else name, folder, paths, options)
        for name, paths in clips.items()
    ]


def clips_of(folder: Path) -> dict[str, dict[int, Path]]:
    """Return the files of a folder by clip and frame number. A clip without a name has that of the
    folder. Raises FramesError."""
    clips: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        if match := _FILE.fullmatch(path.name):
            frames = clips.setdefault(match["clip"] or folder.name, {})
            with reading(path.name):
                frame = frame_number(match["frame"].lstrip("0") or "0")
            if frame in frames:
                raise FramesError(f"frame {frame} appears twice: {frames[frame].name}, {path.name}")
            frames[frame] = path
    return clips


def _clip(name: str, folder: Path, paths: dict[int, Path], options: ImportOptions) -> FileClip:
    people = {frame: read_people(path) for frame, path in paths.items()}
    joints = joint_count(people)
    order = joint_order(_BODY if joints == len(_BODY) else None, joints, options)
    frames = Frames.of_people(people, joints)
    return FileClip(name, folder, frames, order, first=first_number(frames.number), part=True)


def read_people(path: Path) -> list[FramePerson]:
    """Read the people of a file, with the boxes and scores that IKEA ASM adds to the format."""
    with reading(path.name):
        people = read_json(path)["people"]
        # People without joints of the body: OpenPose was run for hands or face only.
        return [_person(item) for item in people if item["pose_keypoints_2d"] != []]


def _person(item: dict[str, Any]) -> FramePerson:
    triple = np.array(item["pose_keypoints_2d"], np.float64).reshape(-1, 3)
    return FramePerson.of(
        triple[:, :2], triple[:, 2], item.get("boxes"), item.get("score"), item.get("person_id")
    )


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write the folder `path` with NAME_<frame number, 12 digits>_keypoints.json for every frame.

    Joints are put into the order of BODY_25 by name; neck and mid_hip are the midpoints of
    shoulders and hips if the skeleton lacks them. Pixels and scores have 4 decimals; a missing
    joint is 0 0 0, and a frame without joints has no people. The folder is written elsewhere and
    then moved. Times, boxes, size and joints that BODY_25 does not have are lost. Raises
    FormatError for a skeleton without shoulders and hips.
    """
    triple = _body25(pose)
    try:
        with temporary_beside(path, folder=True) as folder:
            written = folder / path.name
            written.mkdir()
            for t, frame in enumerate(pose.frame):
                file = written / f"{name}_{frame:012d}_keypoints.json"
                file.write_text(json.dumps(_document(triple[t])), "utf-8")
            _replace(written, path)
    except OSError as error:
        raise cannot_write(path, error) from error


def _body25(pose: PoseSequence) -> FloatArray:
    """Return x, y, score (T, 25, 3) in the order of BODY_25, all 0 where a joint is missing."""
    at = {joint: k for k, joint in enumerate(get_skeleton(pose.skeleton).joints)}
    if not all(joint in at for pair in _MIDDLES.values() for joint in pair):
        raise FormatError(f"BODY_25 cannot hold the joints of {pose.skeleton}")
    triple = np.zeros((len(pose), len(_BODY), 3))
    for k, joint in enumerate(_BODY):
        columns = [at[joint]] if joint in at else [at[j] for j in _MIDDLES.get(joint, ())]
        if columns:
            triple[:, k, :2] = pose.xy[:, columns].mean(axis=1)
            triple[:, k, 2] = pose.score[:, columns].min(axis=1)
    triple[~np.isfinite(triple).all(axis=2)] = 0
    return triple


def _document(triple: FloatArray) -> dict[str, Any]:
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
    link is replaced, since its target does not belong to the export."""
    if path.is_symlink():
        path.unlink()
    if not path.exists():
        written.rename(path)
        return
    new = {file.name for file in written.iterdir()}
    old = {file.name for file in path.glob("*_keypoints.json")}
    if all(file.name in old for file in path.iterdir()):  # replace the whole folder at once
        path.rename(written.with_name("old"))
        written.rename(path)
        return
    for name in sorted(new):
        (written / name).replace(path / name)
    for name in old - new:
        (path / name).unlink()
