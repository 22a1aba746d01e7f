"""`la2ds sync` as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.main import app
from la2ds_cli.video.reader import probe, read_frames, write_video

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def test_it_writes_what_is_named_and_says_where(run: Run, tmp_path: Path):
    out = tmp_path / "side.mp4"
    result = run("sync", "clip-0", "clip-1", "--out", str(out))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(out)
    assert "clip-1 at the speed of clip-0" in result.stdout
    assert "aligned by dtw on base model" in result.stdout
    assert "40 frames at 20 per second" in result.stdout
    assert probe(out).frames_declared == 40


def test_without_a_name_it_goes_to_the_results(run: Run, project: Project):
    result = run("sync", "clip-0", "clip-1")
    assert result.exit_code == 0
    path = project.results_dir("sync") / "clip-0--clip-1.mp4"
    assert result.stdout.splitlines()[-1] == str(path)
    assert probe(path).fps == 20


def test_the_document_holds_what_was_made(document: Document, tmp_path: Path):
    out = str(tmp_path / "s.mp4")
    found = document(
        *("sync", "clip-0", "clip-1", "--privacy", "--method", "linear"),
        *("--out", out, "--height", "200"),
    )
    assert found["command"] == "sync"
    assert found["files"] == [out]
    assert (found["a"]["video"], found["b"]["video"]) == ("clip-0", "clip-1")
    assert (found["method"], found["features"], found["run"]) == ("linear", "base", None)
    assert (found["frames"], found["fps"], found["frames_without_counterpart"]) == (40, 20.0, 0)
    assert found["privacy"] is True
    assert 200 < probe(out).height < 300  # pictures, and lines of text above and below


def test_quiet_says_nothing_on_the_side(run: Run, tmp_path: Path):
    result = run("sync", "clip-0", "clip-1", "-q", "--out", str(tmp_path / "s.mp4"))
    assert result.exit_code == 0
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["clip-0", "missing.mp4"], ExitCode.UNREADABLE, "missing.mp4"),
        (["clip-0", "clip"], ExitCode.MISMATCH, "fits 4 videos"),
        (["clip-0", "clip-1", "--out", "ab.gif"], ExitCode.USAGE, "cannot write a video"),
        (["clip-0", "clip-1", "--method", "dwt"], ExitCode.USAGE, "dwt"),
        (["clip-0", "clip-1", "--features", "model"], ExitCode.UNUSABLE, "train"),
        (["clip-0", "clip-1", "--privacy", "--no-skeleton"], ExitCode.USAGE, "nothing"),
        (["clip-0", "clip-1", "--height", "20"], ExitCode.USAGE, "--height"),
    ],
)
def test_bad_input_leaves_with_its_code(
    run: Run, tmp_path: Path, arguments: list[str], code: ExitCode, said: str
):
    result = run("sync", *arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_folder_that_cannot_be_written_is_told(run: Run, tmp_path: Path):
    (tmp_path / "file").write_text("")
    result = run("sync", "clip-0", "clip-1", "--out", str(tmp_path / "file" / "s.mp4"))
    assert result.exit_code == ExitCode.STORAGE
    assert "cannot write" in result.stderr


def test_a_folder_in_the_place_of_the_file_is_told(run: Run, tmp_path: Path):
    (tmp_path / "s.mp4").mkdir()
    result = run("sync", "clip-0", "clip-1", "--out", str(tmp_path / "s.mp4"))
    assert result.exit_code == ExitCode.STORAGE
    assert [path.name for path in tmp_path.iterdir() if path.name != "project"] == ["s.mp4"]


def test_phases_of_the_project_are_shown(run: Run, project: Project, tmp_path: Path):
    """Written beside the seconds, above the pictures."""
    pictures = []
    for labels in ("", "clip-0,0,20,down\nclip-1,0,15,down\n"):
        (project.root / "phases.csv").write_text("video,start,end,phase\n" + labels)
        assert run("sync", "clip-0", "clip-1", "--out", str(tmp_path / "s.mp4")).exit_code == 0
        pictures.append(next(read_frames(tmp_path / "s.mp4")).image.astype(int))
    plain, labelled = pictures
    height = len(plain)
    changed = (np.abs(labelled - plain).max(axis=(1, 2)) > 64).nonzero()[0]
    assert 0 < len(changed) < height / 8
    assert changed.max() < height / 4


def test_labels_that_cannot_be_read_are_told(run: Run, project: Project, tmp_path: Path):
    (project.root / "phases.csv").write_text("video,start,end,phase\nclip-0,5,1,down\n")
    result = run("sync", "clip-0", "clip-1", "--out", str(tmp_path / "s.mp4"))
    assert result.exit_code == ExitCode.MISMATCH
    assert "phases.csv line 2" in result.stderr


def test_files_that_show_nobody_end_as_align_does(tmp_path: Path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, [np.zeros((64, 96, 3), np.uint8)] * 12, 20)
    told = []
    for command in ("align", "sync"):
        arguments = [command, str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
        result = CliRunner().invoke(app, [*arguments, "--project", str(tmp_path / command)])
        told.append((result.exit_code, "Traceback" in result.stderr))
    assert told[0] == told[1]
    assert told[0][0] != ExitCode.OK
    assert not told[0][1]
