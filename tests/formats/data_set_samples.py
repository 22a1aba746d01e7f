"""Small data sets in the layouts of their authors, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.formats.file_samples import joints, triples, write_json

FOCAL, CENTRE, SIZE = (600.0, 620.0), (640.0, 360.0), (1280, 720)


def hands(t: int) -> np.ndarray:
    """(2, 21, 3) metres before the camera: left and right hand of frame t."""
    k = np.arange(21)
    left = np.column_stack([-0.2 + 0.01 * k, 0.005 * k + 0.001 * t, 0.5 + 0.002 * k])
    return np.stack([left, left * [-1, 1, 1]])


def projected(points: np.ndarray) -> np.ndarray:
    """(n, 2) pixels of (n, 3), one point after the other."""
    fx, fy = FOCAL
    cx, cy = CENTRE
    return np.array([[fx * x / z + cx, fy * y / z + cy] for x, y, z in points])


def hand_line(points: np.ndarray, flags: Sequence[int] = (1, 1)) -> str:
    numbers = [v for flag, hand in zip(flags, points, strict=True) for v in (flag, *hand.ravel())]
    return " ".join(f"{v:.9g}" for v in numbers) + "\n"


def write_h2o(root: Path, recording: str = "subject1/h1/1", frames: int = 8) -> Path:
    """One recording; returns the folder of the camera."""
    folder = root / recording / "cam4"
    (folder / "hand_pose").mkdir(parents=True, exist_ok=True)
    (folder / "cam_intrinsics.txt").write_text(" ".join(map(str, (*FOCAL, *CENTRE, *SIZE))))
    for t in range(frames):
        (folder / "hand_pose" / f"{t:06d}.txt").write_text(hand_line(hands(t)))
    return folder


def write_h2o_list(root: Path, name: str, rows: Sequence[str], folder: str = "action_labels"):
    """action_NAME.txt; test has no labels."""
    label = "" if name == "test" else "action_label "
    lines = [f"id path {label}start_act end_act start_frame end_frame"]
    lines += [f"{n} {row}" for n, row in enumerate(rows, start=1)]
    (root / folder).mkdir(parents=True, exist_ok=True)
    path = root / folder / f"action_{name}.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def ikea_person(xy: np.ndarray, joint_score: float = 0.75, **more: Any) -> dict[str, Any]:
    return {"person_id": [-1], "pose_keypoints_2d": triples(xy, joint_score), **more}


def rcnn_person(xy: np.ndarray, score: float = 0.75) -> dict[str, Any]:
    """As Keypoint R-CNN of the data set writes one."""
    (x1, y1), (x2, y2) = xy.min(axis=0), xy.max(axis=0)
    box = [float(v) for v in (x1, y1, x2, y2)]
    return ikea_person(xy, score, boxes=box, score=0.9, keypoint_visibility=[1.0] * len(xy))


def write_ikea_frame(
    folder: Path, frame: int, people: Sequence[dict[str, Any]], form: str = "ikea"
) -> Path:
    path = folder / f"scan_video_{frame:012d}_keypoints.json"
    return write_json(path, {"format": form, "people": list(people)})


def write_ikea(
    root: Path,
    scan: str = "Kallax_Shelf_Drawer/0001_black_table_02_01_2019_08_16_14_00",
    frames: int = 8,
) -> Path:
    """One scan with its predictions; returns their folder."""
    folder = root / scan / "dev3" / "predictions" / "pose2d" / "keypoint_rcnn_ft"
    for t in range(frames):
        write_ikea_frame(folder, t, [rcnn_person(joints(t, at=900, scale=5))])
    return folder


def write_segments(
    root: Path, scans: Mapping[str, Sequence[tuple[str, int, int]]], subset: str = "training"
) -> Path:
    """gt_segments.json; scan -> label, start, end."""
    database = {
        scan: {
            "subset": subset,
            "annotation": [{"label": label, "segment": [a, b]} for label, a, b in segments],
        }
        for scan, segments in scans.items()
    }
    return write_json(root / "gt_segments.json", {"version": "VERSION 1.3", "database": database})


def write_records(path: Path, records: Any) -> Path:
    """As CASA stores them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, records, allow_pickle=True)
    return path


def record(frames: int = 9, count: int = 17, axes: int = 3) -> dict[str, Any]:
    """A person who walks right; labels 0, 1, 2 of a third each."""
    flat = np.stack([joints(t, count=count) for t in range(frames)]) / 100
    depth = np.full((frames, count, 1), 7.0)
    pose = np.concatenate([flat, depth], axis=2)[..., :axes]
    return {"pose": pose, "labels": np.arange(frames) * 3 // frames}
