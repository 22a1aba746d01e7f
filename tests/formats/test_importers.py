"""The list of importers and the way to one of them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.formats import importer_names, load_exporter, load_importer
from tests.formats.pose_samples import sample

ROOT = Path(__file__).parents[2]


def test_listing_finds_importers_and_imports_none():
    code = (
        "import sys; from la2ds_cli.formats import importer_names; "
        "names = importer_names(); "
        "assert 'trc' in names and not any(n.startswith('_') for n in names), names; "
        "loaded = [m for m in sys.modules if m.startswith('la2ds_cli.formats.')]; "
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_listed_importer_follows_the_contract():
    names = importer_names()
    assert names
    for name in names:
        module = import_module(f"la2ds_cli.formats.{name}")
        assert module.read_clips.__doc__
        assert list(module.read_clips.__annotations__.values()) == [
            *("Path", "ImportOptions", "list[FileClip]")
        ]
        assert all(suffix.startswith(".") for suffix in module.SUFFIXES)


def test_module_outside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "mocap.py").write_text(
        "from la2ds_cli.formats.wide_csv import read_clips\nSUFFIXES = ('.mocap',)\n"
    )
    (package / "empty.py").write_text("")
    (package / "needy.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    project = Project.create(tmp_path / "project")
    load_exporter("wide-csv")[0](sample(), "a", tmp_path / "clips" / "a.mocap")
    (result,) = load_importer("mine.mocap")(project, tmp_path / "clips")
    assert project.read_pose(result.video)[1].config["format"] == "mocap"
    with pytest.raises(UserError, match="no function read_clips or no SUFFIXES"):
        load_importer("mine.empty")
    with pytest.raises(ModuleNotFoundError, match="a_package_nobody_has"):
        load_importer("mine.needy")
    with pytest.raises(UserError, match="cannot import"):
        load_importer("mine.absent")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError, match="unknown format 'coco'") as caught:
        load_importer("coco")
    assert "did you mean 'coco-json'" in caught.value.hint
