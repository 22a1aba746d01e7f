from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses

Read = Callable[..., PoseSequence]


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return StoredProject.create(tmp_path / "project")


@pytest.fixture
def read(project: StoredProject) -> Read:
    """The poses of a file with a single clip, imported with the given options."""

    def call(name: str, path: Path, **told: Any) -> PoseSequence:
        options = ImportOptions(**{"fps": 25.0, **told})
        (result,) = import_poses(project, name, path, options)
        assert result.usable, result
        pose, _ = project.read_pose(result.video)
        return pose

    return call
