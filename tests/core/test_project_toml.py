"""project.toml, edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project_toml import Choice, set_values
from la2ds_cli.core.stored_project import StoredProject


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (
            '# my project\npreset = "demo"\n\n[poses]\nmin_frames = 9  # short clips\n',
            '# my project\npreset = "demo"\n\n[poses]\npose = "x"\nmin_frames = 9  # short clips\n',
        ),
        ('[poses]\npose   =   "x"', '[poses]\npose   =   "x"'),  # nothing to change
        ("poses = { subjects = 2 }\n", '[poses]\nsubjects = 2\npose = "x"\n'),
    ],
)
def test_comments_and_order_survive_where_lines_can_be_edited(text: str, edited: str):
    assert set_values(text, "poses", {"pose": "x"}) == edited
    assert set_values(text, "poses", {}) == text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path):
    (tmp_path / "project.toml").write_text("# mine\n[poses]\nmin_frames = 9\n", "utf-8-sig")
    Choice(StoredProject.open(tmp_path), "poses", {"pose": "hrnet-demo"}).keep()
    assert (tmp_path / "project.toml").read_text("utf-8").startswith("# mine\n[poses]\n")
    poses = StoredProject.open(tmp_path).config().poses
    assert (poses.pose, poses.min_frames) == ("hrnet-demo", 9)


def test_a_choice_is_kept_when_it_has_worked_beside_what_was_written_meanwhile(tmp_path: Path):
    project = StoredProject.create(tmp_path)
    choice = Choice(project, "poses", {"detector": "full-frame", "pose": None})
    assert project.config().poses == choice.config.poses
    assert StoredProject.open(tmp_path).config().poses.detector == "auto"
    (tmp_path / "project.toml").write_text("# mine\n[poses]\nmin_frames = 9\n")
    choice.keep()
    assert (tmp_path / "project.toml").read_text().startswith("# mine\n")
    poses = StoredProject.open(tmp_path).config().poses
    assert (poses.detector, poses.pose, poses.min_frames) == ("full-frame", "auto", 9)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({"subjects": 0}, "more than 0"), ({"pose": "caf\udce9.onnx"}, "not UTF-8")],
)
def test_an_impossible_choice_is_refused_before_anything_is_written(tmp_path: Path, chosen, said):
    project = StoredProject.create(tmp_path)
    before = (tmp_path / "project.toml").read_bytes()
    with pytest.raises(UserError, match=said):
        Choice(project, "poses", chosen)
    assert (tmp_path / "project.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("hrnet-w32", "hrnet-w32"),
        ("pose.onnx", "{here}/pose.onnx"),
        ("ultralytics:yolo.pt", "ultralytics:{here}/yolo.pt"),
        ("mmpose:td-hm,last.pth", "mmpose:td-hm,{here}/last.pth"),
        ("ultralytics:yolo11n", "ultralytics:yolo11n"),
    ],
)
def test_model_files_are_kept_by_their_absolute_paths(
    tmp_path: Path, monkeypatch, given: str, kept: str
) -> None:
    project = StoredProject.create(tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    config = Choice(project, "poses", {"pose": given}).config
    assert config.poses.pose == kept.format(here=tmp_path)
