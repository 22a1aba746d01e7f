"""The lists of formats, and the way to one of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.formats import format_names, load_exporter, load_importer
from tests.formats.pose_samples import sample

LISTED = """
import sys
from la2ds_cli.formats import format_names
listed = format_names("read_clips") + format_names("write_clip")
assert not any(name.startswith("_") for name in listed)
assert not [m for m in sys.modules if m.startswith("la2ds_cli.formats.")]
"""
LOADERS = [load_importer, load_exporter]


def test_listing_imports_no_format():
    subprocess.run([sys.executable, "-c", LISTED], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("names", "function", "takes"),
    [
        (format_names("read_clips"), "read_clips", ["Path", "ImportOptions", "list[FileClip]"]),
        (format_names("write_clip"), "write_clip", ["PoseSequence", "str", "Path", "None"]),
    ],
)
def test_every_listed_format_follows_the_contract(names: list[str], function: str, takes: Any):
    assert len(names) >= 4
    for name in names:
        module = import_module(f"la2ds_cli.formats.{name}")
        assert list(getattr(module, function).__annotations__.values()) == takes
        assert getattr(module, function).__doc__
        suffixes = module.SUFFIXES if function == "read_clips" else [module.SUFFIX or "."]
        assert all(suffix.startswith(".") for suffix in suffixes)


def test_a_module_outside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mocap.py").write_text(
        "from la2ds_cli.formats.wide_csv import read_clips, write_clip\n"
        "SUFFIXES, SUFFIX = ('.mocap',), '.mocap'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    write, suffix = load_exporter("mine.mocap")
    write(sample(), "a", tmp_path / "clips" / f"a{suffix}")
    project = Project.create(tmp_path / "project")
    (result,) = load_importer("mine.mocap")(project, tmp_path / "clips")
    assert project.read_pose(result.video)[1].config["format"] == "mocap"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mine.empty", "", "mine.empty has no function"),
        ("mine.absent", None, "cannot import 'mine.absent'"),
        ("coco", None, "unknown format 'coco'"),
    ],
)
@pytest.mark.parametrize("load", LOADERS)
def test_what_is_no_format(
    load: Callable[[str], Any], name: str, content: str | None, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    (tmp_path / "mine").mkdir()
    if content is not None:
        (tmp_path / "mine" / "empty.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("mine", "mine.empty"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(UserError, match=said) as caught:
        load(name)
    assert caught.value.exit_code == ExitCode.USAGE
    assert name != "coco" or "did you mean 'coco-json'" in caught.value.hint


def test_a_package_that_a_format_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "needy").mkdir()
    (tmp_path / "needy" / "one.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_package_nobody_has"):
        load_importer("needy.one")
