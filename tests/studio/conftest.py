"""A studio over a project, asked as its own page asks, and by a stranger."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import extract_poses
from tests.poses.grey_people import film
from tests.studio.browsing import asked, client_of
from tests.views.report.conftest import two_filmed

DRAWN = "tests.poses.grey_people"
SETTINGS = {"poses": {"detector": DRAWN, "pose": DRAWN}}
ROOT = Path(__file__).parents[2]
# The larger moves; the smaller stands still and is the second.
TWO = [{200: (20 + 3 * t, 30, 70 + 3 * t, 140), 100: (180, 60, 210, 130)} for t in range(24)]


@pytest.fixture
def project(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> StoredProject:
    """A project whose joints are those of drawn people, in the studio's child processes as well."""
    # A package that is installed may bring a `tests` of its own, which goes before a folder.
    own = tmp_path_factory.mktemp("plugins") / "tests" / "__init__.py"
    own.parent.mkdir()
    own.write_text(f"__path__ = [{str(ROOT / 'tests')!r}]\n")
    folders = [own.parents[1], ROOT, ROOT / "models"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
    return StoredProject.create(tmp_path / "project", SETTINGS)


@pytest.fixture
def filmed(tmp_path: Path) -> StoredProject:
    """Two clips: a of 36 frames at 20 per second, b of 30 at 25."""
    return two_filmed(tmp_path)


@pytest.fixture
def stranger() -> Iterator[Callable[[StoredProject], TestClient]]:
    """Make a client of a project's studio that has no cookie and says no origin."""
    opened: list[TestClient] = []

    def make(project: StoredProject) -> TestClient:
        client = client_of(project)
        client.follow_redirects = False
        opened.append(client.__enter__())
        return opened[-1]

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def page(project: StoredProject) -> Iterator[TestClient]:
    """A client that came by the link."""
    with asked(project) as client:
        yield client


@pytest.fixture(scope="session")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a copied clip of two people, of 24 frames at 25 per second."""
    project = StoredProject.create(tmp_path_factory.mktemp("two") / "project", SETTINGS)
    (project.root / "videos").mkdir()
    film(path := project.root / "videos" / "two.mp4", TWO)
    extract_poses(project, [str(path)], project.config().poses)
    return project.root


@pytest.fixture
def two(project: StoredProject, two_people: Path) -> str:
    """The id of that clip, in the project of the page."""
    shutil.copytree(two_people, project.root, dirs_exist_ok=True)
    return project.videos()[0].id


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `la2ds studio` with some arguments. browser: command that opens a link."""
    started: list[subprocess.Popen[str]] = []
    path = os.pathsep.join([str(ROOT), str(ROOT / "models")])

    def begin(*arguments: str, browser: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from la2ds_cli.main import main; main()", "studio"]
        process = subprocess.Popen(
            [*command, *([] if browser else ["--no-browser"]), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path, "BROWSER": browser},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
