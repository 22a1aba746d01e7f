"""From a video file to a pose file with networks that onnxruntime runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.project import Project
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from tests.poses.grey_people import film
from tests.poses.onnx_models import write_detector, write_pose


def test_joints_sequence_by_onnx_networks_lie_on_the_person(tmp_path: Path) -> None:
    """The box is given in pixels of the frame; the network sees the person as what is bright."""
    person, still = (100, 40, 140, 130), 20
    film(tmp_path / "clip.mp4", [{250: person}] * still)
    detector = write_detector(tmp_path / "boxes.onnx", [[*person, 0.9, 0]], size=(160, 240))
    pose = write_pose(tmp_path / "bright.onnx", batch="batch")
    project = Project.create(tmp_path / "project")
    config = PosesConfig(detector=str(detector), pose=str(pose))
    options = ExtractOptions(device="cpu")
    (result,) = extract_poses(project, [str(tmp_path / "clip.mp4")], config, options)
    assert (result.status, result.frames, result.code) == ("ok", still, "")
    sequence, recipe = project.read_pose(result.video)
    assert (sequence.xy.shape, sequence.skeleton, recipe.step) == (
        (still, 17, 2),
        "coco17",
        "poses",
    )
    np.testing.assert_allclose(sequence.time, np.arange(still) / 25, atol=1e-6)
    assert np.all(
        (sequence.xy >= np.array(person[:2]) - 2) & (sequence.xy <= np.array(person[2:]) + 2)
    )
    assert np.all(sequence.score > 0.5)
