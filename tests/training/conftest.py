from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.stored_project import StoredProject
from tests.small_runs import clips


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Eight clips of 24 frames."""
    return clips(tmp_path / "project")
