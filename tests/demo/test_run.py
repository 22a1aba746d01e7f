from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.demo.run import TruthCheck, run_demo
from la2ds_cli.main import app
from tests.snapshots.snapshot import assert_matches, key_lines


class Notes(Progress):
    """Remembers which tasks began."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, label: str, total: float | None = None) -> None:
        self.begun.append(label)


def test_the_whole_chain_and_going_on_from_what_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("la2ds_cli.demo.clips.FPS", 12)  # fewer frames, the same movement
    first = run_demo(tmp_path, clips=8, minutes=0.05)
    assert first.clips == 8
    assert first.training.steps > 0
    assert first.truth.frames > 15
    assert first.truth.median_error < first.truth.length / 4
    assert first.evaluation["clips"] == 2
    assert {"model", "time_only", "raw_pose"} <= set(first.evaluation["features"])
    for picture in first.pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
    document = json.loads(json.dumps(first.to_json(), allow_nan=False))
    assert_matches("demo_keys.txt", key_lines([document]))

    progress = Notes()
    again = run_demo(tmp_path, clips=8, minutes=0.05, progress=progress)
    assert again.training.already_finished
    assert again.truth == first.truth
    assert not [label for label in progress.begun if label.endswith(".mp4")]


def test_a_project_of_your_own_is_not_touched(tmp_path: Path):
    Project.create(tmp_path)
    result = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert result.exit_code == ExitCode.USAGE
    assert "a folder of its own" in result.stderr
    assert not (tmp_path / "videos").exists()


def test_the_command_prints_the_truth_and_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    video_a, video_b = (Video(name, f"{name}.mp4", "0") for name in ("first", "second"))
    result = SimpleNamespace(
        clips=16,
        training=SimpleNamespace(steps=321),
        alignment=SimpleNamespace(a=video_a, b=video_b),
        truth=TruthCheck(frames=70, length=80, median_error=0.74, clock_median_error=9.06),
        evaluation={},
        pictures=[tmp_path / "align.png"],
        to_json=dict,
    )
    asked: dict[str, object] = {}

    def stand_in(folder: Path, **options: object) -> SimpleNamespace:
        asked.update(options, folder=folder)
        return result

    monkeypatch.setattr("la2ds_cli.demo.run.run_demo", stand_in)
    monkeypatch.setattr("la2ds_cli.evaluation.table.evaluation_table", lambda result: "the table")
    done = CliRunner().invoke(app, ["demo", str(tmp_path), "--minutes", "0.5"])
    assert done.exit_code == 0
    assert (asked["folder"], asked["minutes"]) == (tmp_path, 0.5)
    assert "the table" in done.stdout
    assert "321 training steps" in done.stdout
    assert "median error 0.7 frames of 80" in done.stdout
    assert "constant speed: 9.1" in done.stdout
    assert str(tmp_path / "align.png") in done.stdout
