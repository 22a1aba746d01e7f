from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from la2ds_cli.core.project import Project
from la2ds_cli.main import app

RUNNER = CliRunner()


def test_init_makes_a_project_with_the_preset(tmp_path: Path):
    result = RUNNER.invoke(app, ["init", str(tmp_path / "swings"), "--preset", "demo", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["created"] is True
    assert document["preset"] == "demo"
    assert Project.open(tmp_path / "swings").config().preset == "demo"


def test_init_again_changes_nothing(tmp_path: Path):
    RUNNER.invoke(app, ["init", str(tmp_path)])
    (tmp_path / "project.toml").write_text('preset = "demo"  # mine\n')
    result = RUNNER.invoke(app, ["init", str(tmp_path)])
    assert result.exit_code == 0
    assert "already" in result.stdout
    assert (tmp_path / "project.toml").read_text() == 'preset = "demo"  # mine\n'
