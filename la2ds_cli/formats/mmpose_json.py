"""MMPose predictions of a video: the files of MMPoseInferencer and of the demo scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    PoseFileError,
    confidence,
    entry,
    frame_number,
    identity,
    mapping,
    numbers,
    read_json,
    sequence,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions
from la2ds_cli.formats.joints import joint_order
from la2ds_cli.formats.people import Frames, Person, joint_count

SUFFIXES = (".json",)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clip of one file; raises PoseFileError.

    Reads a list of frames {frame_id, instances}, or the same under instance_info beside meta_info,
    whose keypoint_id2name names the joints; keypoints, keypoint_scores, bbox, bbox_score and
    track_id of the instances. Without names the joints are those of --skeleton, else COCO's; of
    COCO-WholeBody the body is used. Drops everything else in meta_info.
    """
    document = read_json(path)
    names = None
    if isinstance(document, dict):
        names = _joint_names(document.get("meta_info"))
        document = entry(document, "instance_info", "the document")
    frames = sequence(document, "the list of frames")
    if frames and isinstance(frames[0], dict) and "keypoints" in frames[0]:
        raise PoseFileError(
            "it has the people of one image, not the frames of a video",
            "run MMPoseInferencer on the video itself",
        )
    people: dict[int, Sequence[Person]] = {}
    for n, listed in enumerate(frames):
        item = mapping(listed, f"entry {n}")
        frame = frame_number(entry(item, "frame_id", f"entry {n}"), f"entry {n}")
        if frame in people:
            raise FramesError(f"frame {frame} appears twice")
        instances = sequence(
            entry(item, "instances", f"frame {frame}"), f"the people of frame {frame}"
        )
        people[frame] = [_person(p, f"frame {frame}, person {k}") for k, p in enumerate(instances)]
    joints = joint_count(people)
    order = joint_order(names, joints, options)
    return [FileClip(path.stem, path, Frames.of_people(people, joints), order)]


def _joint_names(meta: Any) -> list[str] | None:
    """keypoint_id2name of the meta information, in order; None if it is not usable."""
    table = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(table, dict) or not table:
        return None
    names = [table.get(str(k)) for k in range(len(table))]
    return [str(name) for name in names] if None not in names else None


def _person(value: Any, where: str) -> Person:
    item = mapping(value, where)
    rows = sequence(entry(item, "keypoints", where), f"the keypoints of {where}")
    points = [numbers(row, f"the keypoints of {where}") for row in rows]
    if not points or any(len(point) != 2 for point in points):
        raise JointsError(
            f"the keypoints of {where} are not pairs x, y", "3D predictions cannot be imported"
        )
    scores = entry(item, "keypoint_scores", where)
    return Person(
        np.array(points),
        numbers(scores, f"the scores of {where}", len(points)),
        _box(item.get("bbox"), where),
        confidence(item, "bbox_score", where),
        identity(item.get("track_id")),
    )


def _box(value: Any, where: str) -> FloatArray | None:
    """The box (4,) xyxy, which MMPose wraps in a list of one."""
    if not value:
        return None
    inner = sequence(value, f"the box of {where}")
    if len(inner) == 1:
        inner = inner[0]
    return numbers(inner, f"the box of {where}", 4)
