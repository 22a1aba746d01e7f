from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.project_toml import remembered, set_values


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
    with remembered(project, "poses", {"detector": None, "pose": "net.onnx"}) as config:
        assert config.poses.pose == str(tmp_path / "net.onnx")
    reopened = Project.open(tmp_path / "p").config()
    assert reopened.poses == config.poses


def test_an_impossible_choice_is_taken_back_and_an_interrupted_one_is_kept(tmp_path: Path):
    project = Project.create(tmp_path)
    with (
        pytest.raises(UserError),
        remembered(project, "poses", {"detector": "nonsense"}),
    ):
        raise UserError("unknown detector", exit_code=ExitCode.USAGE)
    assert "detector" not in (tmp_path / "project.toml").read_text()
    with (
        pytest.raises(KeyboardInterrupt),
        remembered(project, "poses", {"detector": "full-frame"}),
    ):
        raise KeyboardInterrupt
    assert Project.open(tmp_path).config().poses.detector == "full-frame"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("hrnet-w32", "hrnet-w32"),
        ("pose.onnx", "{here}/pose.onnx"),
        ("ultralytics:yolo.pt,bytetrack", "ultralytics:{here}/yolo.pt,bytetrack"),
        ("mmpose:td-hm,last.pth", "mmpose:td-hm,{here}/last.pth"),
        ("ultralytics:yolo11n", "ultralytics:yolo11n"),
    ],
)
def test_model_files_are_kept_by_their_absolute_paths(
    tmp_path: Path, monkeypatch, given: str, kept: str
) -> None:
    project = Project.create(tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    with remembered(project, "poses", {"pose": given}) as config:
        assert config.poses.pose == kept.format(here=tmp_path)
