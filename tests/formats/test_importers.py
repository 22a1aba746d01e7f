"""The list of importers and the way to one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.formats import importer_names, load_importer

ROOT = Path(__file__).parents[2]


def test_listing_finds_importers_and_imports_none():
    code = (
        "import sys; from la2ds_cli.formats import importer_names; "
        "names = importer_names(); "
        "assert 'penn_action' in names and not any(n.startswith('_') for n in names), names; "
        "loaded = [m for m in sys.modules if m.startswith('la2ds_cli.formats.')]; "
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_listed_importer_follows_the_contract():
    names = importer_names()
    assert names
    for name in names:
        function = load_importer(name)
        assert function.__name__ == f"import_{name}"
        assert function.__doc__
        parameters = list(function.__annotations__)
        assert parameters[:2] == ["project", "root"]
        assert "progress" in parameters


def test_name_with_hyphen_and_dotted_path():
    from la2ds_cli.formats.penn_action import import_penn_action

    assert load_importer("penn-action") is import_penn_action
    assert load_importer("la2ds_cli.formats.penn_action") is import_penn_action


def test_module_outside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "mocap.py").write_text("def import_mocap(project, root, progress=None): return []\n")
    (package / "empty.py").write_text("")
    (package / "needy.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_importer("mine.mocap")(None, None) == []
    with pytest.raises(UserError, match="no function import_empty"):
        load_importer("mine.empty")
    with pytest.raises(ModuleNotFoundError, match="a_package_nobody_has"):
        load_importer("mine.needy")
    with pytest.raises(UserError, match="cannot import"):
        load_importer("mine.absent")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError, match="unknown importer 'penn'") as caught:
        load_importer("penn")
    assert "penn_action" in caught.value.hint
