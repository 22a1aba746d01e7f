"""`la2ds live` on drawn people, by the networks of tests.poses.grey_people."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from la2ds_cli.commands import live_command
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.commands.bad_input_runs import GREY, grey_project
from tests.poses.grey_people import film
from tests.processes import invoke
from tests.told import refused

Call = Callable[..., Result]


def person(phase: float) -> dict[int, tuple[int, int, int, int]]:
    """Goes round in a circle and becomes wide."""
    x, y = 100 - 70 * np.cos(2 * np.pi * phase), 45 + 30 * np.sin(2 * np.pi * phase)
    return {150: (round(x), round(y), round(x + 20 + 30 * phase), round(y + 70))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project, a clip A of 2 s, and a slower SOURCE at another rate, empty at first."""
    grey_project(tmp_path / "project")
    film(tmp_path / "a.mp4", [person(p) for p in np.linspace(0, 1, 50)], 25)
    slow = [person(p) for p in np.linspace(0, 1, 90)]
    film(tmp_path / "source.mp4", [{}] * 5 + slow, 30)
    film(tmp_path / "empty.mp4", [{}] * 20, 25)
    return tmp_path


@pytest.fixture
def call(folder: Path) -> Call:
    def run(source: str, *arguments: str, a: str = "a.mp4", code: int = 0) -> Result:
        name = source if source.startswith("camera") else folder / source
        line = ["live", folder / a, name, *arguments]
        return invoke(*line, "--project", folder / "project", code=code)

    return run


def lines(result: Result) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the frames, and the summary."""
    parsed = [json.loads(line) for line in result.stdout.splitlines()]
    return parsed[:-1], parsed[-1]["summary"]


def test_each_frame_is_a_line_of_json_and_the_last_line_a_summary(call: Call, folder: Path):
    rows, summary = lines(call("source.mp4", "--json", "--every-frame"))
    assert len(rows) == summary["frames"] == 95
    assert list(rows[0]) == ["frame", "time", "time_a", "confidence", "tempo", "at", "seen"]
    assert [row["frame"] for row in rows] == list(range(95))
    assert all(row["time_a"] is None and not row["seen"] for row in rows[:5])
    assert summary["without_person"] == 5
    assert summary["skipped"] == 0
    assert summary["interrupted"] is False
    true = np.linspace(0, 49 / 25, 90)
    error = np.abs([row["time_a"] for row in rows[5:]] - true) / true[-1]
    assert (error[30:] <= 0.05).mean() >= 0.9
    assert min(row["confidence"] for row in rows) >= 0
    assert summary["a"] == str(folder / "a.mp4")


def test_people_read_a_summary(call: Call, folder: Path):
    result = call("source.mp4", "--every-frame")
    first, second, third = result.stdout.splitlines()
    assert first.endswith("source.mp4: 95 frames in 3.1 s, 5 without a person")
    assert second.startswith(f"{folder / 'a.mp4'}: from ")
    assert third.endswith(" ms per frame")
    project = StoredProject.open(folder / "project")
    (row,) = project.videos()
    assert Path(row.path).name == "a.mp4"  # SOURCE is no clip
    row = replace(row, options="start=1 rotate=90")
    project.add_videos([row, replace(row, id="two", person=2)])
    for name in (row.path, row.id):  # as the project reads it
        assert live_command._played(project, name) == (row.path, ClipOptions(start=1, rotate=90))
    with refused(ExitCode.USAGE, "cannot follow person 2"):
        live_command._played(project, "two")


@pytest.mark.parametrize(
    ("source", "pose", "code", "said"),
    [
        ("camera:99", GREY, ExitCode.UNREADABLE, "error: camera 99 cannot be opened (V007)"),
        ("source.mp4", "no.onnx", ExitCode.UNREADABLE, "no.onnx"),
        ("source.mp4", "blazepose-lite", ExitCode.ENVIRONMENT, "blazepose-lite"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence_before_anybody_performs(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, source, pose, code, said
):
    call("a.mp4", "--every-frame")  # the poses of A are there
    monkeypatch.setenv("LA2DS_HOME", str(folder / "home"))
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    settings = folder / "project" / "project.toml"
    settings.write_text(settings.read_text().replace(f'pose = "{GREY}"', f'pose = "{pose}"'))
    result = call(source, "--json", code=code)
    assert result.stdout == ""
    assert said in result.stderr
    call(source, a="missing.mp4", code=ExitCode.UNREADABLE)


def test_a_source_without_anybody_is_said_after_the_summary(call: Call):
    result = call("empty.mp4", "--every-frame", "--json", code=ExitCode.UNUSABLE)
    assert "no person was detected in the 20 frames" in result.stderr
    assert lines(result)[1]["time_a"] is None


@pytest.mark.parametrize("at", [3, 40])  # before anybody is seen, too
def test_ctrl_c_ends_with_the_summary(
    call: Call, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, at: int
):
    shown = live_command.live_row
    # A process that a shell has put into the background ignores the signal from its start on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupted(frame: Any, *rest: Any, **known: Any) -> dict[str, Any]:
        if frame.index == at:
            os.kill(os.getpid(), signal.SIGINT)
        return shown(frame, *rest, **known)

    monkeypatch.setattr(live_command, "live_row", interrupted)
    rows, summary = lines(call("source.mp4", "--json", "--every-frame"))
    assert summary["interrupted"] is True
    assert len(rows) == at


def test_a_file_that_ends_in_the_middle_is_followed_to_there(call: Call, folder: Path):
    long = folder / "long.mkv"
    film(long, [person(p) for p in np.linspace(0, 1, 300)], 30)
    cut = folder / "cut.mkv"
    cut.write_bytes(long.read_bytes()[: long.stat().st_size * 2 // 3])
    rows, summary = lines(call("cut.mkv", "--json", "--every-frame"))
    assert 30 < len(rows) == summary["frames"] < 300
