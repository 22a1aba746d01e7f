"""`la2ds sync` as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import Result

from la2ds_cli.core.project import Project
from la2ds_cli.video.reader import probe, read_frames

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
