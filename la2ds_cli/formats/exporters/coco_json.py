"""COCO keypoint JSON with one image per frame and one annotation per frame with joints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence

SUFFIX = ".json"


def export_coco_json(pose: PoseSequence, name: str, path: Path) -> None:
    """images (file_name, frame_id, time), annotations, the joint names and limbs as category.

    keypoints hold x, y and the flag 2 (seen) or 0 (missing, x = y = 0), as COCO has it;
    keypoint_scores, beside them, the scores. Pixels and scores have 4 decimals, times are exact.
    bbox is the box of the subject, or the one around the joints where there is none. Lost: nothing
    but that difference.
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
    x1, y1, x2, y2 = _box(pose, t, seen)
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


def _box(pose: PoseSequence, t: int, seen: np.ndarray) -> np.ndarray:
    if np.isfinite(pose.box[t]).all():
        return pose.box[t].astype(np.float64)
    points = pose.xy[t][seen].astype(np.float64)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _rounded(value: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in value]
