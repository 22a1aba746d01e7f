"""COCO keypoint JSON: images, and the people annotated in them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.clip import VIDEO_SUFFIXES
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import FramePerson, Frames, JointOrder, joint_count, joint_order
from la2ds_cli.formats.files import (
    FramesError,
    ImportOptions,
    PoseFileError,
    frame_number,
    last_number,
    read_json,
    reading,
)

SUFFIXES = (".json",)
SUFFIX = ".json"

_Entry = dict[str, Any]


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clips of a file in the COCO keypoint layout. Raises PoseFileError.

    Reads images (frame_id or the number in file_name, width, height, time), videos (name, fps),
    categories (joint names), annotations (keypoints, keypoint_scores, bbox, score, track_id).
    Images of several video_ids or folders are several clips. Drops segmentation, crowds, categories
    other than the first with joints, the link to the images. Flags v = 2, 1, 0 become scores 1, 0.5
    and NaN; any other third value is a score.
    """
    document = read_json(path)
    if isinstance(document, list):
        raise PoseFileError(
            "it is a list of results, which do not say which image is which frame",
            "add them as 'annotations' to the 'images' of their data set",
        )
    with reading("the document"):
        images = {str(image["id"]): image for image in document["images"]}
        if len(images) < len(document["images"]):
            raise FramesError("two images have the same id")
        videos = {str(video["id"]): video for video in document.get("videos", [])}
        category, names = _category(document.get("categories", []))
        items = [
            item
            for item in document["annotations"]
            if item.get("iscrowd") != 1
            and (category is None or item.get("category_id", category) == category)
            and "keypoints" in item
        ]
        thirds = {third for item in items for third in item["keypoints"][2::3]}
        flagged = thirds <= {0, 1, 2} and 2 in thirds  # else they are scores
    people: dict[str, list[FramePerson]] = defaultdict(list)
    for n, item in enumerate(items):
        with reading(f"annotation {n}"):
            if (image := str(item["image_id"])) not in images:
                raise FramesError(f"its image {image} is not listed")
            people[image].append(_person(item, flagged))
    order = joint_order(names, joint_count(people), options)
    groups: dict[str, dict[str, _Entry]] = defaultdict(dict)
    for key, image in images.items():
        folder = PurePosixPath(str(image.get("file_name", ""))).parent
        groups[str(image.get("video_id", folder))][key] = image
    clips = []
    for key, group in groups.items():
        with reading(f"video {key}"):
            video = videos.get(key, {})
            name = path.stem
            if len(groups) > 1:
                name = str(video.get("name", f"{path.stem}-{key}"))
                file = PurePosixPath(name)
                name = file.stem if file.suffix.lower() in VIDEO_SUFFIXES else file.name
            fps = float(video.get("fps") or 0)
        clips.append(_clip(name, path, group, people, order, fps))
    return clips


def _category(categories: list[_Entry]) -> tuple[Any, list[str] | None]:
    """Return the id and the joint names of the category to read; (None, None) without joints."""
    with_joints = [item for item in categories if item.get("keypoints")]
    with_joints.sort(key=lambda item: item.get("name") != "person")
    if not with_joints:
        return None, None
    return with_joints[0].get("id"), list(map(str, with_joints[0]["keypoints"]))


def _person(item: _Entry, flagged: bool) -> FramePerson:
    triple = np.array(item["keypoints"], np.float64).reshape(-1, 3)
    xy, third = triple[:, :2], triple[:, 2]
    if flagged:
        xy, third = np.where(third[:, None] == 0, np.nan, xy), third / 2
    x, y, width, height = item.get("bbox") or [np.nan] * 4
    return FramePerson.of(
        xy,
        item.get("keypoint_scores", third),
        [x, y, x + width, y + height],
        item.get("score"),
        item.get("track_id"),
    )


def _clip(
    name: str,
    path: Path,
    images: Mapping[str, _Entry],
    people: Mapping[str, list[FramePerson]],
    order: JointOrder,
    fps: float,
) -> FileClip:
    """Return the clip of the images of one video."""
    frames: dict[int, list[FramePerson]] = {}
    time: dict[int, float] = {}
    sizes = set()
    for key, image in images.items():
        with reading(f"image {key}"):
            number = image.get("frame_id")
            frame = last_number(image["file_name"]) if number is None else frame_number(number)
            if frame in frames:
                raise FramesError(f"frame {frame} appears twice")
            frames[frame] = people.get(key, [])
            time[frame] = float(image.get("time", np.nan))
            sizes.add((int(image.get("width", 0)), int(image.get("height", 0))))
    if len(sizes) > 1:
        raise PoseFileError(f"its images have {len(sizes)} different sizes")
    seconds = np.array([time[frame] for frame in sorted(frames)])
    timed = bool(np.isfinite(seconds).all())
    return FileClip(
        name,
        path,
        Frames.of_people(frames, joint_count(people)),
        order,
        first=0 if timed else None,
        time=seconds if timed else None,
        fps=fps,
        size=sizes.pop(),
    )


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write images (file_name, frame_id, time), annotations, and joint names and limbs as category.

    keypoints hold x, y and the flag 2 (seen) or 0 (missing, x = y = 0), as in COCO; the scores are
    in keypoint_scores. Pixels and scores have 4 decimals, times are exact. bbox is the box of the
    subject, or a box around its joints if it has none, and no longer tells which. 3D is lost.
    """
    skeleton = get_skeleton(pose.skeleton)
    width, height = pose.size
    images, annotations = [], []
    for t in range(len(pose)):
        image = {
            "id": t + 1,
            "video_id": 1,
            "frame_id": int(pose.frame[t]),
            "file_name": f"{name}/{pose.frame[t]:06d}.jpg",
            "time": float(pose.time[t]),
        }
        if min(pose.size) > 0:
            image |= {"width": width, "height": height}
        images.append(image)
        if np.isfinite(pose.xy[t]).any():
            annotations.append(_annotation(pose, t, len(annotations) + 1))
    document = {
        "info": {"description": f"poses of {name}", "contributor": "la2ds"},
        "videos": [{"id": 1, "name": name, "fps": pose.fps, "width": width, "height": height}],
        "images": images,
        "annotations": annotations,
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": list(skeleton.joints),
                "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
            }
        ],
    }
    write_text(path, json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def _annotation(pose: PoseSequence, t: int, number: int) -> dict[str, Any]:
    seen = np.isfinite(pose.xy[t]).all(axis=1)
    xy = np.where(seen[:, None], pose.xy[t], 0)
    flagged = np.column_stack([xy, 2 * seen])
    x1, y1, x2, y2 = _export_box(pose, t, seen)
    return {
        "id": number,
        "image_id": t + 1,
        "category_id": 1,
        "track_id": 1,
        "iscrowd": 0,
        "keypoints": np.round(flagged.ravel(), 4).tolist(),
        "num_keypoints": int(seen.sum()),
        "keypoint_scores": np.round(pose.score[t].astype(np.float64), 4).tolist(),
        "score": round(float(pose.score[t].mean()), 4),
        "bbox": np.round([x1, y1, x2 - x1, y2 - y1], 4).tolist(),
        "area": round(float((x2 - x1) * (y2 - y1)), 4),
    }


def _export_box(pose: PoseSequence, t: int, seen: np.ndarray) -> np.ndarray:
    if np.isfinite(pose.box[t]).all():
        return pose.box[t].astype(np.float64)
    points = pose.xy[t][seen].astype(np.float64)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])
