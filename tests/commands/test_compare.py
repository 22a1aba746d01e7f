"""`la2ds compare` as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from la2ds_cli.core.project import Project
from la2ds_cli.main import app
from tests.compare.performers import film, steady

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def test_without_out_a_figure_a_page_and_json_go_to_results(run: Run, project: Project) -> None:
    result = run("compare", "clip-0", "clip-1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "reference: clip-0.mat"
    folder = project.results_dir("compare")
    names = ["clip-0--clip-1.png", "clip-0--clip-1.html", "clip-0--clip-1.json"]
    assert lines[-3:] == [str(folder / name) for name in names]
    assert (folder / names[0]).read_bytes().startswith(b"\x89PNG")
    assert (folder / names[1]).read_text("utf-8").startswith("<!DOCTYPE html>")
    found = json.loads((folder / names[2]).read_text("utf-8"))
    assert found["reference"]["video"] == "clip-0"
    assert [row["span"] for row in found["tempo"]] == ["beginning", "middle", "end"]
    assert [row["verdict"] == "cut" for row in found["tempo"]] == [True, False, True]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "html", "csv", "json"])
def test_every_kind_of_file_replaces_the_old_one(run: Run, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"comparison.{suffix}"
    target.write_text("old")
    assert run("compare", "clip-0", "clip-2", "--out", str(target)).exit_code == 0
    assert len(target.read_bytes()) > 1000
    assert [path.name for path in tmp_path.glob("*comparison*")] == [target.name]


def test_json_is_one_document_with_everything(document: Document, tmp_path: Path) -> None:
    found = document("compare", "clip-0", "clip-1", "--out", str(tmp_path / "c.csv"))
    assert found["command"] == "compare"
    assert {"findings", "unjudged", "tempo", "view", "notes"} <= set(found)


def test_attempts_give_a_figure_a_table_and_json(run: Run, project: Project) -> None:
    result = run("compare", "clip-0", "--attempts", "clip-*")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == ["reference: clip-0.mat", "attempt 1: clip-1.mat"]
    assert "left out: clip-0: it is the reference" in lines
    folder = project.results_dir("compare")
    files = [folder / f"clip-0--attempts{kind}" for kind in (".png", ".json", ".csv")]
    assert lines[-3:] == [str(file) for file in files]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    found = json.loads(files[1].read_text("utf-8"))
    assert [one["video"] for one in found["attempts"]] == ["clip-1", "clip-2", "clip-3"]
    assert files[2].read_text("utf-8").startswith("attempt,video,kind,")


def test_attempts_as_one_document_in_the_order_they_are_named(
    document: Document, tmp_path: Path
) -> None:
    table = str(tmp_path / "attempts.csv")
    found = document(
        *("compare", "clip-0", "--attempts", "clip-2", "--attempts", "clip-1", "--out", table)
    )
    assert found["command"] == "compare"
    assert [one["video"] for one in found["attempts"]] == ["clip-2", "clip-1"]
    assert {"series", "left_out"} <= set(found)
    assert found["files"] == [table]


def test_a_fault_is_found_from_the_videos_on(tmp_path: Path) -> None:
    """Two films of the same movement; in one the right knee, on the camera's side, bends far less
    in the squat."""
    clips: dict[str, dict[str, Any]] = {
        "coach.mp4": {},
        "same.mp4": {"seed": 7, "distance": 7.0},
        "fault.mp4": {"seed": 8, "change": "right_knee", "degrees": -70},
    }
    for name, how in clips.items():
        film(tmp_path / name, steady(46), fps=15, azimuth=1.2, **how)
    root = tmp_path / "project"
    Project.create(root, {"preset": "demo"})

    def found(other: str) -> dict[str, Any]:
        names = [str(tmp_path / name) for name in ("coach.mp4", other)]
        table = str(tmp_path / "c.csv")
        arguments = ["compare", *names, "--project", str(root), "--json", "--out", table]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    assert found("same.mp4")["findings"] == []
    first = found("fault.mp4")["findings"][0]
    assert first["joint"] == "right_knee"
    assert "straighter" in first["sentence"]
    assert first["time"] == pytest.approx(0.36 * 3, abs=0.35)
    assert 40 < first["difference"] < 95
