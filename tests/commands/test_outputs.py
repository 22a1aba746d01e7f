"""What a command may write where: no result ever replaces a file of the project."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.main import app
from tests.movement import add_sequence, sequence, warped_phase

LABELS = "sources/anna.json"
COMMANDS = {  # command -> its arguments, and a file of the project with a suffix that it writes
    "align": (["anna", "ben"], "phases.csv"),
    "repetitions": (["anna", "ben", "--repetition", "all"], "videos.csv"),
    "compare": (["anna", "ben"], LABELS),
    "retrieve": (["--query", "anna"], LABELS),
    "plot-embeddings": (["anna", "ben"], LABELS),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two clips, of which the first was imported from a JSON file, with labels."""
    project = Project.create(tmp_path / "swings")
    for seed, name in enumerate(("anna", "ben")):
        add_sequence(project, name, sequence(warped_phase(40, seed)))
    path = project.root / LABELS
    path.parent.mkdir()
    path.write_text("{}")
    project.add_videos([Video("anna", LABELS, "digest", 40, 30.0, 320, 240, "")])
    project.phases_path.write_text("video,start,end,phase\nanna,0,20,down\n")
    return project


def refusal(project: Project, name: str, target: Path) -> str:
    """What the command says when it must not write to `target`."""
    command = "align" if name == "repetitions" else name
    arguments = [command, *COMMANDS[name][0], "--project", str(project.root), "--out", str(target)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert not (project.root / "results").exists()
    return result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_replaces_a_file_of_the_project(project: Project, name: str) -> None:
    target = project.root / COMMANDS[name][1]
    before = target.read_bytes()
    assert "would be lost" in " ".join(refusal(project, name, target).split())
    assert target.read_bytes() == before
