"""A small project for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.stored_project import StoredProject
from tests.movement import add_sequence, sequence, warped_phase


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Two clips with poses, of 20 and of 26 frames."""
    made = StoredProject.create(tmp_path / "project")
    for number, length in enumerate((20, 26)):
        add_sequence(made, f"clip-{number}", sequence(warped_phase(length, seed=number)))
    return made
