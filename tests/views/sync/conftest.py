from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from la2ds_cli.core.project import Project
from la2ds_cli.core.view import View
from tests.views.sync import synced

Aligned = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


@pytest.fixture
def align_as(project: Project, monkeypatch: pytest.MonkeyPatch) -> Aligned:
    """Make the next sync find this alignment."""

    def use(names: tuple[str, str], position: Sequence[float], view: View = "filmed") -> None:
        found = synced.aligned(project, names, position, view)
        monkeypatch.setattr(synced, "find_alignment", lambda *_, **__: found)

    return use
