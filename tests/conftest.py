"""The plugins of the tests, and a real browser and a Ray cluster where they are installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

# Properties: the same few values at every run, or many others with --hypothesis-profile=long.
_EASY = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
_EASY["phases"] = set(Phase) - {Phase.explain}
settings.register_profile("quick", max_examples=25, derandomize=True, **_EASY)
settings.register_profile("long", max_examples=1_000, print_blob=True, **_EASY)
settings.load_profile("quick")

# Modules of the tests, which la2ds runs as plugins even where only a project names them.
PLUGINS = "tests own_alignment own_methods mypackage failing_methods flat_methods"
os.environ.setdefault("LA2DS_PLUGINS", PLUGINS.replace(" ", ","))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are known to take minutes may."""
    if config.pluginmanager.hasplugin("timeout"):
        for item in items:
            if any(item.get_closest_marker(name) for name in ("gpu", "heavy", "fuzz")):
                item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One for each core, and one more where these are few: tests that watch a film in a browser
    mostly wait. A worker takes up to 2.6 GB."""
    cores = os.cpu_count() or 1
    return cores + (cores < 4)


_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; the test is skipped where there is none.

    One for all tests: Playwright runs once in a process. LA2DS_CHROMIUM names the program.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = [path for name in _NAMES if (path := shutil.which(name))]
    path = os.environ.get("LA2DS_CHROMIUM") or (found[0] if found else "")
    if not path:
        pytest.skip("no chromium: pages are not tried in a browser")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Ray with two local workers; the test is skipped where the extra is not installed."""
    ray = pytest.importorskip("ray", reason="needs la2ds[ray]")
    root = Path(__file__).parents[1]
    paths = os.pathsep.join([str(root), str(root / "models")])
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own folders of weights, no mirror, and no proxy between the test and the loopback."""
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    for name in ("LA2DS_MIRROR", "LA2DS_OFFLINE", "LA2DS_PROJECT"):
        monkeypatch.delenv(name, raising=False)
