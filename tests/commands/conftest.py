from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from tests.movement import add_sequence, cycle, sequence, warped_phase
from tests.processes import invoke

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]

# Small enough to train in a second.
TINY = """
[model]
input = "joints"
width = 16
heads = 2
temporal_layers = 1
[train]
steps = 4
batch_size = 2
validate_every = 2
"""


def four_clips(root: Path) -> StoredProject:
    """A project of four short clips with poses, two of them for testing."""
    made = StoredProject.create(root)
    (made.root / "project.toml").write_text('preset = "default"\n' + TINY)
    for number, length in enumerate((40, 34, 46, 38)):
        pose = sequence(warped_phase(length, seed=number))
        add_sequence(made, f"clip-{number}", pose, split="test" if number % 2 else "train")
    return StoredProject.open(made.root)


def squats(count: int) -> PoseSequence:
    """So many squats of two seconds."""
    return sequence(np.tile(cycle(40), count), scale=45.0)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return four_clips(tmp_path / "project")


@pytest.fixture
def run(project: StoredProject) -> Run:
    """Call a command on the project, quietly."""

    def call(*arguments: str | Path, code: int = 0) -> Result:
        return invoke(*arguments, "--project", project.root, code=code)

    return call


@pytest.fixture
def document(run: Run) -> Document:
    """The JSON document of a command that must succeed."""

    def call(*arguments: str | Path) -> dict[str, Any]:
        parsed = json.loads(run(*arguments, "--json").stdout)
        assert parsed["schema_version"] == 1
        return parsed

    return call
