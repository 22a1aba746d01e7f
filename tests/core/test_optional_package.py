"""A package that is missing, and one that is there and cannot be imported."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from la2ds_cli.alignment.curve_tests import import_spm1d
from la2ds_cli.core.errors import ExitCode, UserError, optional_import
from la2ds_cli.formats.sleap import sleap_io
from la2ds_cli.poses.networks.openmmlab import Source
from la2ds_cli.poses.networks.ultralytics import import_part
from la2ds_cli.retrieval.store import Store

USERS: dict[str, Callable[[], object]] = {
    "lancedb": lambda: Store.open("any"),
    "mmengine": lambda: Source("mmpose", Path("any.py"), Path("any.pth")).read_config(),
    "sleap_io": sleap_io,
    "spm1d": import_spm1d,
    "ultralytics": lambda: import_part("nn.tasks"),
}


@pytest.mark.parametrize("package", USERS)
@pytest.mark.parametrize(
    "failure",
    [
        "ImportError('numpy.core.multiarray failed to import')",
        "AttributeError('_ARRAY_API not found')",
        "ModuleNotFoundError(\"No module named 'another'\", name='another')",
    ],
)
def test_a_broken_package_is_not_called_missing(
    package: str, failure: str, monkeypatch, tmp_path: Path
) -> None:
    """One whose import raises stands in front of the one that may be installed."""
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(f"raise {failure}\n")
    for known in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError) as caught:
        USERS[package]()
    said = f"the package {package} is installed but cannot be imported: {eval(failure)}"
    assert caught.value.message == said
    assert "'la2ds[" in caught.value.hint
    assert "AGPL" not in caught.value.hint
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


@pytest.mark.parametrize("package", USERS)
def test_a_missing_package_is_named(package: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match="is not installed") as caught:
        USERS[package]()
    assert package.replace("_io", "-io") in caught.value.message
    assert "pip install 'la2ds[" in caught.value.hint
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_what_works_is_left_alone() -> None:
    with optional_import(["json"], "{package}", "a hint"):
        assert importlib.import_module("json")


def test_what_ultralytics_sets_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It reads its settings from the environment when it is imported, and leaves others there."""
    (tmp_path / "ultralytics").mkdir()
    (tmp_path / "ultralytics" / "__init__.py").write_text(
        "import os, warnings\n"
        "offline = os.environ['YOLO_OFFLINE']\n"
        "os.environ['OMP_NUM_THREADS'] = '1'\n"
        "os.environ['NUMEXPR_MAX_THREADS'] = '8'\n"
        "warnings.filterwarnings('ignore', message='of ultralytics')\n"
    )
    (tmp_path / "ultralytics" / "part.py").write_text("from ultralytics import offline\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "ultralytics"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("ultralytics", "ultralytics.part"):
        monkeypatch.setitem(sys.modules, name, sys)  # so that the fake is forgotten in the end
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path)
    before, filters = dict(os.environ), list(warnings.filters)
    assert import_part("part").offline == "true"
    assert dict(os.environ) == before
    assert warnings.filters == filters
