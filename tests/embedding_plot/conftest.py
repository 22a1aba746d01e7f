"""Three clips of one movement with phases, and a browser where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.project import Project
from tests.movement import add_sequence, sequence, warped_phase

LENGTH = {"anna": 41, "ben": 61, "cleo": 51}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    for seed, (name, length) in enumerate(LENGTH.items()):
        add_sequence(made, name, sequence(warped_phase(length, seed)))
    rows = ["video,start,end,phase", "anna,0,20,down", "anna,20,41,up"]
    rows += ["ben,5,30,down", "ben,30,61,up"]  # nothing before frame 5; cleo has no labels
    made.phases_path.write_text("\n".join(rows) + "\n")
    return made


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [path for name in names if (path := shutil.which(name))]
    path = os.environ.get("LA2DS_CHROMIUM") or (found[0] if found else "")
    if not path:
        pytest.skip("no chromium: pages are not tried in a browser")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()
