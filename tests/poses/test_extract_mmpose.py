"""Extraction with a network of MMPose, on real footage."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.project import Project
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.networks import pose_identities
from la2ds_cli.video.reader import read_frames
from tests.poses import mmpose_reference as reference


@pytest.mark.heavy
def test_a_real_clip_goes_through_extraction(tmp_path: Path) -> None:
    """The first frames of a clip of a person: a detector, MMPose and everything around them. The
    weights are no trained ones, so where the joints lie says nothing."""
    pytest.importorskip("mmpose", reason="runs MMPose: pip install 'la2ds[mmpose]'")
    shared = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared")) / "data"
    clip = shared / "videos" / "trikonasana" / "trikonasana_03.mp4"
    detector = shared / "weights" / "person_detector_352.onnx"
    if not (clip.exists() and detector.exists()):
        pytest.skip(f"no shared clips and weights in {shared}")
    frames = [frame.image for frame in itertools.islice(read_frames(clip), 16)]
    size = (frames[0].shape[1], frames[0].shape[0])
    writer = cv2.VideoWriter(str(tmp_path / "start.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, size)
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    checkpoint = tmp_path / "w32.pth"
    torch.save({"state_dict": reference.seeded_w32()}, checkpoint)
    project = Project.create(tmp_path / "project")
    config = PosesConfig(
        detector=str(detector), pose=f"mmpose:{reference.CONFIGS['hrnet-w32']},{checkpoint}"
    )
    (result,) = extract_poses(
        project, [str(tmp_path / "start.mp4")], config, ExtractOptions(device="cpu")
    )
    assert result.usable
    pose, recipe = project.read_pose(result.video)
    assert (pose.skeleton, pose.xy.shape) == ("coco17", (16, 17, 2))
    assert np.isfinite(pose.xy).mean() > 0.9
    assert recipe.config["pose"] == pose_identities(config.pose)[0]
    (again,) = extract_poses(
        project, [str(tmp_path / "start.mp4")], config, ExtractOptions(device="cpu")
    )
    assert again.status == "cached"
