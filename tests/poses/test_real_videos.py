"""Extraction on real footage with real weights; skipped where the shared data is absent."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.networks import resolve_detector, resolve_pose
from la2ds_cli.video.reader import read_frames
from tests.shared_data import DATA, VIDEOS

DETECTOR = DATA / "weights" / "person_detector_352.onnx"
POSE = DATA / "weights" / "pose_coco17_256x192.onnx"
CONFIG = PosesConfig(detector=str(DETECTOR), pose=str(POSE))

pytestmark = pytest.mark.skipif(
    not (DETECTOR.exists() and POSE.exists()), reason=f"no shared weights in {DATA}"
)


def clip(name: str) -> Path:
    path = VIDEOS / name
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_a_standing_person_is_found_and_upright() -> None:
    frames = list(itertools.islice(read_frames(clip("trikonasana/trikonasana_03.mp4")), 3))
    images = [frame.image for frame in frames]
    backend = resolve_pose(str(POSE), "cpu")
    found = resolve_detector(str(DETECTOR), "cpu", backend).detect(images)
    best = np.stack([boxes[boxes[:, 4].argmax()] for boxes in found])
    assert (best[:, 4] > 0.8).all()
    xy, score, _ = backend.estimate(images, best[:, :4])
    assert float(score.mean()) > 0.6
    at = get_skeleton("coco17").index
    order = [at("nose"), at("left_shoulder"), at("left_hip"), at("left_knee"), at("left_ankle")]
    assert (np.diff(xy[:, order, 1], axis=1) > 10).all()
    # Filmed from the front: the left side is on the right of the picture.
    assert (xy[:, at("left_shoulder"), 0] > xy[:, at("right_shoulder"), 0]).all()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("trikonasana/trikonasana_13.mp4", ""),
        ("golf/swing2.mp4", ""),
        ("squat/squat_3.mp4", ""),
        ("squat/squat_1.mp4", "V023"),  # several views, fades and a logo at the end
        ("other/two_people.mp4", "V021"),
    ],
)
def test_whole_clips(tmp_path: Path, name: str, code: str) -> None:
    project = StoredProject.create(tmp_path / "project")
    (result,) = extract_poses(project, [str(clip(name))], CONFIG, ExtractOptions(device="cpu"))
    assert result.code == code
    pose, _ = project.read_pose(result.video)
    assert pose.info["coverage"] > 0.93
    assert pose.info["mean_score"] > 0.6
    ends = np.array(get_skeleton("coco17").torso)
    torso = np.nanmedian(np.linalg.norm(pose.xy[:, ends[:, 0]] - pose.xy[:, ends[:, 1]], axis=-1))
    spike = np.linalg.norm(pose.xy[1:-1] - (pose.xy[:-2] + pose.xy[2:]) / 2, axis=-1) / torso
    assert float(np.nanmean(spike > 0.3)) < 0.05
