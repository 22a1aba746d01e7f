"""MMPose predictions of a video: the files of MMPoseInferencer and of the demo scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from la2ds_cli.formats.file_clip import FileClip, first_number
from la2ds_cli.formats.file_people import FramePerson, Frames, joint_count, joint_order
from la2ds_cli.formats.files import (
    FramesError,
    ImportOptions,
    PoseFileError,
    frame_number,
    read_json,
    reading,
)

SUFFIXES = (".json",)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clip of a file. Raises PoseFileError.

    Reads a list of frames {frame_id, instances}, or the same list as instance_info beside
    meta_info, whose keypoint_id2name names the joints; keypoints, keypoint_scores, bbox, bbox_score
    and track_id of the instances. Without names the joints are those of --skeleton, else COCO's; of
    COCO-WholeBody the body is used. Drops everything else in meta_info.
    """
    frames, names = read_json(path), None
    with reading("the document"):
        if isinstance(frames, dict):
            table = frames.get("meta_info", {}).get("keypoint_id2name", {})
            names = [str(table[str(k)]) for k in range(len(table))] or None
            frames = frames["instance_info"]
        if any("keypoints" in item for item in frames[:1]):
            raise PoseFileError(
                "it has the people of one image, not the frames of a video",
                "run MMPoseInferencer on the video itself",
            )
    people: dict[int, Sequence[FramePerson]] = {}
    for n, item in enumerate(frames):
        with reading(f"entry {n}"):
            frame = frame_number(item["frame_id"])
            if frame in people:
                raise FramesError(f"frame {frame} appears twice")
            people[frame] = [_person(instance) for instance in item["instances"]]
    joints = joint_count(people)
    order = joint_order(names, joints, options)
    clip = Frames.of_people(people, joints)
    first = first_number(clip.number)
    return [FileClip(path.stem, path, clip, order, first=first, part=True)]


def _person(item: dict[str, Any]) -> FramePerson:
    box = item.get("bbox") or []
    return FramePerson.of(
        item["keypoints"],
        item["keypoint_scores"],
        box[0] if len(box) == 1 else box,  # MMPose wraps it in a list of one
        item.get("bbox_score"),
        item.get("track_id"),
    )
