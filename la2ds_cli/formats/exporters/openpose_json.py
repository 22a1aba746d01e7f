"""OpenPose `--write_json` folder: one BODY_25 file per frame."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import cannot_write
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.exporters import FormatError

SUFFIX = ""
_FILES = "*_keypoints.json"
_BODY = get_skeleton("body25").joints
# OpenPose puts these in the middle of two others.
_MIDDLES = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


def export_openpose_json(pose: PoseSequence, name: str, path: Path) -> None:
    """The folder `path` with NAME_<frame number, 12 digits>_keypoints.json for every frame.

    Joints are put into the order of BODY_25 by name; neck and mid_hip are the middles of shoulders
    and hips where the skeleton has none. Pixels and scores have 4 decimals; a missing joint is
    0 0 0, and a frame without joints has no people. The folder appears as a whole. Lost: times,
    boxes, size, and joints that BODY_25 does not have. FormatError without shoulders and hips.
    """
    triple = body25(pose)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".tmp-") as folder:
            made = Path(folder) / path.name
            made.mkdir()
            for t, frame in enumerate(pose.frame):
                file_name = f"{name}_{frame:012d}_keypoints.json"
                (made / file_name).write_text(json.dumps(_document(triple[t])), "utf-8")
            _replace(made, path)
    except OSError as error:
        raise cannot_write(path, error) from error


def body25(pose: PoseSequence) -> FloatArray:
    """(T, 25, 3) x, y, score in the order of BODY_25, all 0 where a joint is missing."""
    ours = get_skeleton(pose.skeleton).joints
    at = {joint: k for k, joint in enumerate(ours)}
    if not all(joint in at for pair in _MIDDLES.values() for joint in pair):
        raise FormatError(f"BODY_25 has no place for the joints of {pose.skeleton}")
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


def _replace(made: Path, path: Path) -> None:
    """Move the folder into place; one that is there loses its files of this kind, no others."""
    if not path.exists():
        made.rename(path)
        return
    for old in path.glob(_FILES):
        old.unlink()
    for new in sorted(made.iterdir()):
        new.replace(path / new.name)
