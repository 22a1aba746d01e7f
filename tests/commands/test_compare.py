"""`la2ds compare` of films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from la2ds_cli.core.project import Project
from la2ds_cli.main import app
from tests.compare.performers import film, steady


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
