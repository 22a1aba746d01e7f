"""plot-embeddings on a small project: files, document, exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]


def test_draws_and_tells(run: Run, tmp_path: Path) -> None:
    picture, points = tmp_path / "p.png", tmp_path / "p.json"
    result = run("plot-embeddings", "clip-0", "clip-1", "--out", str(picture), "--out", str(points))
    assert result.exit_code == 0, result.stderr
    assert "no trained model: drawn on the base model" in result.stderr
    assert "of the variance" in result.stdout
    assert result.stdout.splitlines()[-2:] == [str(picture), str(points)]
    assert picture.stat().st_size > 10_000
    assert b"clip-1" in points.read_bytes()


def test_document_of_a_trained_run(
    run: Run, document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    assert run("train").exit_code == 0
    out = str(tmp_path / "p.svg")
    clips = ("clip-0", "clip-1", "clip-2")
    found = document("plot-embeddings", *clips, "--features", "model", "--out", out)
    assert (found["command"], found["features"], found["method"]) == (
        "plot-embeddings",
        "model",
        "pca",
    )
    assert [clip["video"] for clip in found["clips"]] == ["clip-0", "clip-1", "clip-2"]
    assert [len(clip["x"]) for clip in found["clips"]] == [40, 34, 46]
    assert found["files"] == [out]
    assert 0 < sum(found["explained_variance"]) <= 1
