"""COCO keypoint JSON: images and annotations, or the plain list of results of a pose network.

AlphaPose writes such a list, with image names for image ids, `box` for `bbox` and `idx` for the
identity.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    PoseFileError,
    confidence,
    entry,
    frame_number,
    last_number,
    mapping,
    number,
    numbers,
    read_json,
    sequence,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, JointOrder
from la2ds_cli.formats.joints import joint_order
from la2ds_cli.formats.people import Frames, Person, joint_count, missing_where_zero

SUFFIXES = (".json",)
SUFFIX = ".json"
HIDDEN_SCORE = 0.5  # of a joint labelled "not visible" (v = 1), as for Penn Action
_IDENTITIES = ("track_id", "tracking_id", "instance_id", "idx")
_FRAMES = ("frame_id", "frame")

_Entry = dict[str, Any]


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Clips of one file in the COCO keypoint layout; raises PoseFileError.

    Reads images (frame_id or the number in file_name, width, height, time), videos (name, fps),
    categories (joint names), annotations or results (keypoints, keypoint_scores, bbox, score,
    identity). Images of several video_ids or folders are several clips. Drops segmentation, crowds,
    categories other than the first with joints, the link to the images. Flags v = 2, 1, 0 become
    scores 1, 0.5 and NaN; any other third value is a score.
    """
    document = read_json(path)
    if isinstance(document, list):
        return _results(path, document, options)
    document = mapping(document, "the document")
    if "annotations" not in document or "images" not in document:
        raise PoseFileError("it has neither 'images' and 'annotations' nor a list of results")
    return _data_set(path, document, options)


def _results(path: Path, document: list[Any], options: ImportOptions) -> list[FileClip]:
    """The clip of a plain list of results, one per person and frame; empty frames are not
    listed."""
    entries = [mapping(item, f"result {n}") for n, item in enumerate(document)]
    entries = [item for item in entries if "keypoints" in item]
    if not entries:
        raise PoseFileError("none of its results has 'keypoints'")
    people: dict[int, list[Person]] = defaultdict(list)
    for n, (item, person) in enumerate(zip(entries, _people(entries), strict=True)):
        people[_frame(item, "image_id", f"result {n}")].append(person)
    joints = joint_count(people)
    order = joint_order(None, joints, options)
    return [FileClip(path.stem, path, Frames.of_people(people, joints), order, complete=False)]


def _frame(item: _Entry, otherwise: str, where: str) -> int:
    """The frame number of an entry, or else the one in its key `otherwise`, a number or a name."""
    for key in _FRAMES:
        if key in item:
            return frame_number(item[key], where)
    image = entry(item, otherwise, where)
    return last_number(image, where) if isinstance(image, str) else frame_number(image, where)


def _data_set(path: Path, document: _Entry, options: ImportOptions) -> list[FileClip]:
    images = _by_id(document["images"], "image")
    category, names = _category(document.get("categories", []))
    items = []
    for n, item in enumerate(sequence(document["annotations"], "'annotations'")):
        item = mapping(item, f"annotation {n}")
        other = category is not None and item.get("category_id", category) != category
        if "keypoints" in item and not other and item.get("iscrowd") != 1:
            items.append(item)
    if not items:
        raise PoseFileError("none of its annotations has 'keypoints'")
    people: dict[str, list[Person]] = defaultdict(list)
    for n, (item, person) in enumerate(zip(items, _people(items), strict=True)):
        image = _key(entry(item, "image_id", f"annotation {n}"))
        if image not in images:
            raise FramesError(f"annotation {n} belongs to image {image}, which is not listed")
        people[image].append(person)
    joints = joint_count(people)
    order = joint_order(names, joints, options)
    videos = _by_id(document.get("videos", []), "video")
    groups = _groups(images)
    video_names = {key: str(videos.get(key, {}).get("name", key)) for key in groups}
    clip_names = _clip_names(path, {k: PurePosixPath(name).stem for k, name in video_names.items()})
    return [
        _clip(clip_names[key], path, group, people, order, joints, _rate(videos.get(key, {})))
        for key, group in groups.items()
    ]


def _by_id(value: Any, kind: str) -> dict[str, _Entry]:
    by_id: dict[str, _Entry] = {}
    for n, item in enumerate(sequence(value, f"'{kind}s'")):
        item = mapping(item, f"{kind} {n}")
        key = _key(entry(item, "id", f"{kind} {n}"))
        if key in by_id:
            raise FramesError(f"two {kind}s have the id {key}")
        by_id[key] = item
    return by_id


def _key(value: Any) -> str:
    """An id as text: tools disagree whether ids are numbers or text."""
    return str(value)[:200]


def _category(value: Any) -> tuple[Any, list[str] | None]:
    """Id and joint names of the category to read; (None, None) if none has joints."""
    listed = sequence(value, "'categories'")
    categories = [mapping(item, f"category {n}") for n, item in enumerate(listed)]
    with_joints = [item for item in categories if item.get("keypoints")]
    with_joints.sort(key=lambda item: item.get("name") != "person")
    if not with_joints:
        return None, None
    names = sequence(with_joints[0]["keypoints"], "the joint names of the category")
    if not all(isinstance(name, str) for name in names):
        raise JointsError("the joint names of its category are not text")
    return with_joints[0].get("id"), names


def _groups(images: Mapping[str, _Entry]) -> dict[str, dict[str, _Entry]]:
    """Images by video: the video_id, else the folder of the file name."""
    by_video = any("video_id" in image for image in images.values())
    groups: dict[str, dict[str, _Entry]] = defaultdict(dict)
    for key, image in images.items():
        if by_video:
            group = _key(entry(image, "video_id", f"image {key}"))
        else:
            group = str(PurePosixPath(str(image.get("file_name", ""))).parent)
        groups[group][key] = image
    return groups


def _clip_names(path: Path, names: Mapping[str, str]) -> dict[str, str]:
    """A single clip is named after its file; several are named after their videos, if those names
    differ."""
    if len(names) == 1:
        return dict.fromkeys(names, path.stem)
    distinct = len(set(names.values())) == len(names)
    return {
        key: name if distinct and not name.isdecimal() else f"{path.stem}-{key}"
        for key, name in names.items()
    }


def _rate(video: _Entry) -> float:
    value = video.get("fps")
    rate = number(value, "the fps of a video") if value is not None else 0.0
    return max(rate, 0.0)


def _clip(
    name: str,
    path: Path,
    images: Mapping[str, _Entry],
    people: Mapping[str, list[Person]],
    order: JointOrder,
    joints: int,
    fps: float,
) -> FileClip:
    """The clip of the images of one video. joints: of every person."""
    frames: dict[int, list[Person]] = {}
    time: dict[int, float] = {}
    sizes = set()
    for key, image in images.items():
        where = f"image {key}"
        frame = _frame(image, "file_name", where)
        if frame in frames:
            raise FramesError(f"{where}: frame {frame} appears twice")
        frames[frame] = people.get(key, [])
        if "time" in image:
            time[frame] = number(image["time"], f"the time of {where}")
        if "width" in image and "height" in image:
            sides = (number(image[side], f"the {side} of {where}") for side in ("width", "height"))
            sizes.add(tuple(int(side) for side in sides))
    if len(sizes) > 1:
        raise PoseFileError(f"its images have {len(sizes)} different sizes")
    timed = len(time) == len(frames)
    return FileClip(
        name,
        path,
        Frames.of_people(frames, joints),
        order,
        first=0 if time else None,
        time=np.array([time[frame] for frame in sorted(frames)]) if timed else None,
        fps=fps,
        size=sizes.pop() if sizes else (0, 0),
    )


def _people(items: Sequence[_Entry]) -> list[Person]:
    """Persons of annotations or results."""
    triples = [_triples(item, f"person {n}") for n, item in enumerate(items)]
    third = np.concatenate([triple[:, 2] for triple in triples])
    flags = bool(np.isin(third, (0, 1, 2)).all() and (third == 2).any())
    return [
        _person(item, triple, flags, f"person {n}")
        for n, (item, triple) in enumerate(zip(items, triples, strict=True))
    ]


def _triples(item: _Entry, where: str) -> FloatArray:
    """(K, 3): x, y and a flag or score."""
    value = sequence(item["keypoints"], f"the keypoints of {where}")
    if value and all(isinstance(row, list) for row in value):
        value = [x for row in value for x in row]
    flat = numbers(value, f"the keypoints of {where}")
    if not len(flat) or len(flat) % 3:
        raise JointsError(
            f"the keypoints of {where} are {len(flat)} numbers, not three for each joint",
            "each joint needs x, y and a flag or score",
        )
    return flat.reshape(-1, 3)


def _person(item: _Entry, triple: FloatArray, flags: bool, where: str) -> Person:
    xy, third = triple[:, :2], triple[:, 2]
    if "keypoint_scores" in item:
        score = numbers(item["keypoint_scores"], f"the scores of {where}", len(triple))
        xy = np.where(third[:, None] == 0, np.nan, xy)
    elif flags:
        score = np.where(third == 1, HIDDEN_SCORE, third / 2)
        xy = np.where(third[:, None] == 0, np.nan, xy)
    else:
        score = third
        xy = missing_where_zero(xy, score)
    return Person(
        xy,
        score,
        _box(item, where),
        confidence(item, "score", where),
        next((_key(item[key]) for key in _IDENTITIES if item.get(key) is not None), None),
    )


def _box(item: _Entry, where: str) -> FloatArray | None:
    value = item.get("bbox", item.get("box"))
    if not value:
        return None
    x, y, width, height = numbers(value, f"the box of {where}", 4)
    return np.array([x, y, x + width, y + height])


def write_clip(pose: PoseSequence, name: str, path: Path) -> None:
    """Write images (file_name, frame_id, time), annotations, and joint names and limbs as category.

    keypoints hold x, y and the flag 2 (seen) or 0 (missing, x = y = 0), as in COCO; the scores are
    in keypoint_scores. Pixels and scores have 4 decimals, times are exact. bbox is the box of the
    subject, or the one around the joints if the subject has none. That difference and 3D are lost.
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
        "keypoints": _rounded(flagged.ravel()),
        "num_keypoints": int(seen.sum()),
        "keypoint_scores": _rounded(pose.score[t]),
        "score": round(float(pose.score[t].mean()), 4),
        "bbox": _rounded(np.array([x1, y1, x2 - x1, y2 - y1])),
        "area": round(float((x2 - x1) * (y2 - y1)), 4),
    }


def _export_box(pose: PoseSequence, t: int, seen: np.ndarray) -> np.ndarray:
    if np.isfinite(pose.box[t]).all():
        return pose.box[t].astype(np.float64)
    points = pose.xy[t][seen].astype(np.float64)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _rounded(value: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in value]
