from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.project_toml import Choice, set_values


@pytest.mark.parametrize(
    "text",
    [
        "",
        'preset = "default"',
        '# mine\n[poses]\ndetector = "a" # old\nmin_frames = 9\n[train]\npose = 1\n',
        'poses = { detector = "a" }\n',
        "[poses]",
        'poses.detector = "a"\n',
    ],
)
def test_a_setting_is_set_in_any_layout_and_the_others_stay(text: str):
    before = tomllib.loads(text)
    after = tomllib.loads(set_values(text, "poses", {"detector": 'fu"ll', "pose": "p.onnx"}))
    assert after["poses"].pop("detector") == 'fu"ll'
    assert after["poses"].pop("pose") == "p.onnx"
    expected = {**before, "poses": {**before.get("poses", {})}}
    expected["poses"].pop("detector", None)
    assert after == expected


def test_a_byte_order_mark_is_no_setting(tmp_path: Path):
    """Some editors of Windows write one."""
    Project.create(tmp_path)
    path = tmp_path / "project.toml"
    path.write_text("# mine\n[poses]\nmin_frames = 9\n", "utf-8-sig")
    project = Project.open(tmp_path)
    assert project.config().poses.min_frames == 9
    Choice(project, "poses", {"pose": "hrnet-demo"}).keep()
    assert path.read_text("utf-8").startswith("# mine\n[poses]\n")
    assert Project.open(tmp_path).config().poses.pose == "hrnet-demo"


def test_comments_and_order_survive():
    text = '# my project\npreset = "demo"\n\n[poses]\nmin_frames = 9  # short clips\n'
    edited = set_values(text, "poses", {"pose": "hrnet-demo"})
    assert edited == text.replace("[poses]\n", '[poses]\npose = "hrnet-demo"\n')


def test_nothing_to_change_changes_nothing():
    text = '[poses]\npose   =   "x"'
    assert set_values(text, "poses", {"pose": "x"}) == text
    assert set_values(text, "poses", {}) == text


def test_a_model_file_is_kept_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    project = Project.create(tmp_path / "p")
    choice = Choice(project, "poses", {"detector": None, "pose": "net.onnx"})
    assert choice.config.poses.pose == str(tmp_path / "net.onnx")
    assert project.config().poses == choice.config.poses
    assert Project.open(project.root).config().poses.pose == "auto"
    choice.keep()
    assert Project.open(project.root).config().poses == choice.config.poses


def test_a_choice_keeps_what_was_written_in_the_meantime(tmp_path: Path):
    project = Project.create(tmp_path)
    choice = Choice(project, "poses", {"detector": "full-frame"})
    (tmp_path / "project.toml").write_text("# mine\n[poses]\nmin_frames = 9\n")
    choice.keep()
    assert (tmp_path / "project.toml").read_text().startswith("# mine\n")
    poses = Project.open(tmp_path).config().poses
    assert (poses.detector, poses.min_frames) == ("full-frame", 9)


def test_an_impossible_choice_is_refused_before_anything_is_written(tmp_path: Path):
    project = Project.create(tmp_path)
    before = (tmp_path / "project.toml").read_bytes()
    with pytest.raises(UserError):
        Choice(project, "poses", {"subjects": 0})
    with pytest.raises(UserError, match="not UTF-8"):
        Choice(project, "poses", {"pose": "caf\udce9.onnx"})
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
    project = Project.create(tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    config = Choice(project, "poses", {"pose": given}).config
    assert config.poses.pose == kept.format(here=tmp_path)
