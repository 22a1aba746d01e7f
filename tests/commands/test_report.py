"""la2ds report on a small project, with the real steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

from la2ds_cli.core.project import Project

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def test_a_pair_goes_to_results_report(run: Run, project: Project) -> None:
    result = run("report", "clip-0", "clip-1")
    assert result.exit_code == 0, result.stderr
    page = project.root / "results" / "report" / "clip-0--clip-1.html"
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "no trained model" in result.stderr
    assert result.stdout.startswith(f"{page} (")


def test_a_pair_as_json(document: Document, tmp_path: Path) -> None:
    out = tmp_path / "ab.HTML"
    found = document("report", "clip-0", "clip-1", "--out", str(out), "--privacy")
    assert found["command"] == "report"
    assert found["file"] == str(out)
    assert found["bytes"] == out.stat().st_size
    assert (found["a"], found["b"], found["features"]) == ("clip-0", "clip-1", "base")


def test_the_features_of_a_trained_run(run: Run, document: Document) -> None:
    assert run("train").exit_code == 0
    assert document("report", "clip-0", "clip-1", "--features", "model")["features"] == "model"
