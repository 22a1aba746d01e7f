"""Pose files as other tools write them, for tests: one person who walks right, COCO's joints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

JOINTS = 17


def joints(t: int, *, at: float = 100.0, scale: float = 1.0, count: int = JOINTS) -> np.ndarray:
    """(count, 2) pixels of a person in frame t."""
    k = np.arange(count)
    x = at + scale * (10 * (k % 4)) + 2 * t
    return np.column_stack([x, 60 + scale * 20 * (k // 4)]).astype(np.float64)


def triples(xy: np.ndarray, score: float = 0.75) -> list[float]:
    """Flat x, y, score."""
    return [float(v) for v in np.column_stack([xy, np.full(len(xy), score)]).ravel()]


def write_json(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def coco_document(frames: int = 6) -> dict[str, Any]:
    return {
        "images": [
            {"id": 10 + t, "file_name": f"img/{t:05d}.jpg", "width": 640, "height": 480}
            for t in range(frames)
        ],
        "annotations": [
            {
                "id": t,
                "image_id": 10 + t,
                "category_id": 1,
                "keypoints": triples(joints(t)),
                "score": 0.9,
                "bbox": [95.0 + 2 * t, 55.0, 40.0, 90.0],
            }
            for t in range(frames)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }


def openpose_frame(people: Sequence[np.ndarray], score: float = 0.75) -> dict[str, Any]:
    return {
        "version": 1.3,
        "people": [
            {"person_id": [-1], "pose_keypoints_2d": triples(xy, score), "face_keypoints_2d": []}
            for xy in people
        ],
    }


def write_openpose(folder: Path, frames: int = 6, count: int = 25, clip: str = "clip") -> Path:
    for t in range(frames):
        write_json(
            folder / f"{clip}_{t:012d}_keypoints.json", openpose_frame([joints(t, count=count)])
        )
    return folder


def mmpose_instance(xy: np.ndarray, **more: Any) -> dict[str, Any]:
    x1, y1 = xy.min(axis=0) - 5
    x2, y2 = xy.max(axis=0) + 5
    return {
        "keypoints": xy.tolist(),
        "keypoint_scores": [0.75] * len(xy),
        "bbox": [[float(x1), float(y1), float(x2), float(y2)]],
        "bbox_score": 0.9,
        **more,
    }


def mmpose_frames(frames: int = 6) -> list[dict[str, Any]]:
    return [{"frame_id": t, "instances": [mmpose_instance(joints(t))]} for t in range(frames)]


def dlc_rows(
    parts: Sequence[str], frames: int = 6, individuals: Sequence[str] = ("",)
) -> list[list[str]]:
    """Rows of a DeepLabCut CSV; the second individual stands 200 pixels to the right."""
    owners = [owner for owner in individuals for _ in parts for _ in range(3)]
    rows = [["scorer", *["DLC"] * len(owners)]]
    if individuals != ("",):
        rows.append(["individuals", *owners])
    rows.append(["bodyparts", *([p for p in parts for _ in range(3)] * len(individuals))])
    rows.append(["coords", *["x", "y", "likelihood"] * (len(parts) * len(individuals))])
    for t in range(frames):
        people = [joints(t, at=100 + 200 * i, count=len(parts)) for i in range(len(individuals))]
        cells = [f"{v:.3f}" for xy in people for v in triples(xy)]
        rows.append([str(t), *cells])
    return rows


def write_rows(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(delimiter.join(row) + "\n" for row in rows))
    return path
