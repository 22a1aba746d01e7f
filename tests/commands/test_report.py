"""la2ds report on a small project, with the real steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.main import app

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def test_a_pair_goes_to_results_report(run: Run, project: Project) -> None:
    result = run("report", "clip-0", "clip-1")
    assert result.exit_code == 0, result.stderr
    page = project.root / "results" / "report" / "clip-0--clip-1.html"
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "no trained model" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "A: clip-0, joints only"
    assert lines[-1].startswith(f"{page} (")


def test_a_pair_as_json(document: Document, tmp_path: Path) -> None:
    out = tmp_path / "ab.HTML"
    found = document("report", "clip-0", "clip-1", "--out", str(out), "--privacy")
    assert found["command"] == "report"
    assert found["file"] == str(out)
    assert found["bytes"] == out.stat().st_size
    assert found["a"] == {"video": "clip-0", "pictures": 0, "every": None, "height": None}
    assert found["features"] == "base"


def test_the_features_of_a_trained_run(run: Run, document: Document) -> None:
    assert run("train").exit_code == 0
    assert document("report", "clip-0", "clip-1", "--features", "model")["features"] == "model"


def test_an_existing_page_is_replaced_whole(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("x" * 10_000_000)
    assert run("report", "clip-0", "clip-1", "--out", str(out)).exit_code == 0
    assert out.stat().st_size < 1_000_000
    assert list(tmp_path.glob(".tmp-*")) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["clip-0", "clip-1", "--out", "page.pdf"], ExitCode.USAGE),
        (["clip-0", "missing.mp4"], ExitCode.UNREADABLE),
        (["clip-0", "clip"], ExitCode.MISMATCH),
        (["clip-0", "clip-1", "--features", "model"], ExitCode.UNUSABLE),
        (["clip-0", "clip-1", "--method", "dwt"], ExitCode.USAGE),
    ],
)
def test_what_cannot_be_shown_leaves_with_its_code(
    run: Run, project: Project, arguments: list[str], code: ExitCode
) -> None:
    result = run("report", *arguments)
    assert result.exit_code == code
    assert "error: " in result.stderr
    assert "hint: " in result.stderr
    assert result.stdout == ""
    assert not project.results_dir("report").exists()


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", "a", "b", "--project", str(tmp_path)])
    assert result.exit_code == ExitCode.USAGE
    assert "not a la2ds project" in result.stderr
