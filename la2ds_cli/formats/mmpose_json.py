"""MMPose predictions of a video: the files of MMPoseInferencer and of the demo scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    PoseFileError,
    entry,
    frame_number,
    mapping,
    number,
    numbers,
    read_json,
    sequence,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, no_box
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import joint_order


def import_mmpose_json(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import predictions/NAME.json of one video, or a folder of them.

    Reads a list of frames {frame_id, instances}, or the same under instance_info beside meta_info,
    whose keypoint_id2name names the joints; keypoints, keypoint_scores, bbox, bbox_score and
    track_id of the instances. Without names the joints are those of --skeleton, else COCO's; of
    COCO-WholeBody the body is used. Drops everything else in meta_info.
    """
    pose_format = PoseFormat("mmpose-json", (".json",), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """The clip of one file; raises PoseFileError."""
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
    counts = sorted({len(person.xy) for frame in people.values() for person in frame})
    if len(counts) > 1:
        raise JointsError(f"its people have different numbers of joints: {counts[:5]}")
    if not counts:
        raise PoseFileError("none of its frames has a person")
    order = joint_order(names, counts[0], options.skeleton, options.renamed)
    return [FileClip(path.stem, path, people, order)]


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
    confidence = item.get("bbox_score")
    track = item.get("track_id")
    return Person(
        np.array(points),
        numbers(scores, f"the scores of {where}", len(points)),
        _box(item.get("bbox"), where),
        None if confidence is None else number(confidence, f"the bbox_score of {where}"),
        None if track is None or track == -1 else str(track)[:200],
    )


def _box(value: Any, where: str) -> FloatArray:
    """The box (4,) xyxy, which MMPose wraps in a list of one."""
    if not value:
        return no_box()
    inner = sequence(value, f"the box of {where}")
    if len(inner) == 1:
        inner = inner[0]
    return numbers(inner, f"the box of {where}", 4)
