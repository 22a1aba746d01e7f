"""The digest of the source behind a figure changes with every module that computes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.source_digest import collect_sources, source_digest
from tests.processes import run_python
from tests.test_imports import MODULES, imports

ROOT = Path(__file__).parents[2]
EVALUATE, VERDICT = "la2ds_cli.evaluation.evaluate", "la2ds_cli.alignment.run_verdict"


def collected(module: str) -> dict[str, Path]:
    roots = {"la2ds_cli": ROOT / "la2ds_cli", "la2ds_models": ROOT / "models" / "la2ds_models"}
    return collect_sources([module], roots.items())


@pytest.mark.parametrize("module", [EVALUATE, VERDICT])
def test_all_that_a_module_imports_is_collected_and_no_page_of_the_app(module: str) -> None:
    """Against the imports that Python's parser finds, and methods, which are loaded by name."""
    found, queue = collected(module), [module]
    wanted: set[str] = set()
    while queue:
        name = queue.pop()
        if name in MODULES and name not in wanted:
            wanted.add(name)
            queue += [*imports(name), name.rpartition(".")[0]]
    assert wanted <= found.keys()
    assert "la2ds_cli.features.pose_features" in wanted
    assert {"la2ds_cli.alignment.methods.dtw", "la2ds_cli.alignment.methods.linear"} <= found.keys()
    assert "la2ds_cli.core.skeleton/skeletons.toml" in found
    rooms = {name.split(".")[1] for name in found if name.startswith("la2ds_cli.")}
    assert rooms.isdisjoint({"studio", "commands", "views", "health", "main", "demo"})


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("la2ds_cli/features/pose_features.py", True),
        ("la2ds_cli/alignment/methods/dtw.py", True),
        ("la2ds_cli/core/skeletons.toml", True),
        ("la2ds_models/alignment_network.py", True),
        ("la2ds_cli/studio/server.py", False),
    ],
)
def test_the_digest_changes_with_what_computes_the_figure(
    tmp_path: Path, changed: str, counts: bool
) -> None:
    """In a copy of the packages, of which another process computes the digest."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "static")
    for package in (ROOT / "la2ds_cli", ROOT / "models" / "la2ds_models"):
        shutil.copytree(package, tmp_path / package.name, ignore=ignored)
    digest = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from la2ds_cli.core import source_digest as tested\n"
        f"assert tested.__file__.startswith({str(tmp_path)!r})\n"
        f"print(tested.source_digest({EVALUATE!r}))"
    )
    before = run_python("-c", digest).stdout
    path = tmp_path / changed
    write_text(path, path.read_text("utf-8") + "\n# another line\n")
    assert (run_python("-c", digest).stdout != before) == counts


def test_a_package_of_the_user_counts_with_what_it_imports_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "countedpackage"
    files = {"__init__": "", "ends": "from countedpackage import steps", "steps": "", "other": ""}
    package.mkdir()
    for name, text in files.items():
        write_text(package / f"{name}.py", text)
    monkeypatch.syspath_prepend(tmp_path)
    roots = [("countedpackage", package)]
    found = collect_sources(["countedpackage.ends"], roots)
    assert found.keys() == {"countedpackage", "countedpackage.ends", "countedpackage.steps"}
    assert source_digest("countedpackage.ends") != source_digest("countedpackage.other")
