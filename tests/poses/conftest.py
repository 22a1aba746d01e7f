"""Projects and clips of drawn people that several files of tests use."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.stored_project import StoredProject
from tests.poses.grey_people import film, walk


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return StoredProject.create(tmp_path / "project")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of one name in two folders."""
    for name, start in (("anna", 40), ("ben", 60)):
        (tmp_path / "clips" / name).mkdir(parents=True)
        film(tmp_path / "clips" / name / "clip.mp4", walk(20, start=start))
    return tmp_path / "clips"
