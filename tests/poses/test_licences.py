from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.project import Project
from la2ds_cli.poses.weights import all_licences, project_licences
from la2ds_models.weight_files import zoo
from tests.movement import add_sequence, sequence

PHASE = np.linspace(0, 1, 12)


def add(project: Project, name: str, step: str = "poses", **info: str) -> None:
    """A clip whose pose file says how it was made."""
    add_sequence(project, name, sequence(PHASE))
    pose, _ = project.read_pose(name)
    config = {"format": "penn-action"} if step == "import" else {}
    project.write_pose(name, replace(pose, info=dict(info)), Recipe(step, 1, config, {}))


def test_everything_that_la2ds_can_use_is_covered() -> None:
    parts = [(part.name, part.role) for part in all_licences()]
    assert {name for name, _ in parts} == {*zoo(), "full-frame", "mediapipe"}
    assert len(parts) == len(set(parts))
    for part in all_licences():
        assert part.code
        assert part.weights
        assert part.trained_on


def test_known_restrictions_follow_from_data_and_licence() -> None:
    terms = {part.name: " ".join(part.terms) for part in all_licences()}
    assert "ImageNet" in terms["hrnet-w32"]
    assert "Flickr" in terms["hrnet-w32"]
    assert "AGPL" not in terms["hrnet-w32"]
    assert "AGPL" in terms["yolo11n"]
    assert "ImageNet" not in terms["yolo11n"]
    assert "Flickr" not in terms["hrnet-demo"]


def test_a_project_names_what_it_used(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    add(project, "a", detector="fasterrcnn", pose="hrnet-w32")
    add(project, "b", detector="fasterrcnn", pose="hrnet-w32")
    add(project, "c", detector="full-frame", pose="mediapipe")
    add(project, "d", step="import")
    found = {(part.name, part.role): part for part in project_licences(project)}
    assert {key: part.videos for key, part in found.items()} == {
        ("fasterrcnn", "detector"): 2,
        ("hrnet-w32", "pose"): 2,
        ("full-frame", "detector"): 1,
        ("mediapipe", "pose"): 1,
        ("penn-action", "joints"): 1,
    }
    assert found["hrnet-w32", "pose"].weights == "Apache-2.0"
    assert "imported" in " ".join(found["penn-action", "joints"].terms)


def test_names_with_more_and_files_are_recognised(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    add(project, "a", detector="yolo:yolo11n", pose="/somewhere/yolo11n-pose.pt")
    add(project, "b", detector="mine.onnx", pose="best.pt")
    found = {part.name: part for part in project_licences(project)}
    assert found["yolo:yolo11n"].weights == "AGPL-3.0"
    assert found["/somewhere/yolo11n-pose.pt"].trained_on == "COCO 2017 keypoints"
    assert found["mine.onnx"].weights == "unknown"
    assert found["mine.onnx"].code == "onnxruntime (MIT)"
    assert "a model of your own" in found["mine.onnx"].terms[0]
    assert found["best.pt"].code == "ultralytics (AGPL-3.0)"
    assert "AGPL" in found["best.pt"].terms[0]


def test_clips_without_whole_poses_are_passed_over(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    add(project, "a", detector="full-frame", pose="hrnet-demo")
    add(project, "b", detector="full-frame", pose="hrnet-demo")
    project.pose_path("a").write_bytes(b"damaged")
    assert {part.videos for part in project_licences(project)} == {1}
    project.pose_path("b").unlink()
    assert project_licences(project) == []
