"""A studio over a project, asked as its own page asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.project import Project
from la2ds_cli.studio.server import studio_app

HOST = "127.0.0.1:8123"
TOKEN = "a-token-of-the-tests"
ORIGIN = {"origin": f"http://{HOST}"}


DRAWN = "tests.poses.grey_people"
SETTINGS = {"poses": {"detector": DRAWN, "pose": DRAWN}}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose joints are those of drawn people, in the studio's child processes as well."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "models")]))
    return Project.create(tmp_path / "project", SETTINGS)


@pytest.fixture
def stranger() -> Iterator[Callable[[Project], TestClient]]:
    """Make a client of a project's studio that has no cookie and says no origin."""
    opened: list[TestClient] = []

    def make(project: Project) -> TestClient:
        app = studio_app(project, hosts=frozenset({HOST}), token=TOKEN)
        client = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
        opened.append(client.__enter__())
        return opened[-1]

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def page(stranger: Callable[[Project], TestClient], project: Project) -> TestClient:
    """A client that came by the link."""
    client = stranger(project)
    client.get("/", params={"token": TOKEN})
    client.headers.update(ORIGIN)
    return client
