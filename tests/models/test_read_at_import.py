"""What packages read at import, as `scripts/trace_imports.py` has traced it, and that la2ds has
them read nothing from the current folder."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

from la2ds_models.startup import GUARDED
from tests.test_imports import MODULES, imports

ROOT = Path(__file__).parents[2]
TRACED = json.loads((ROOT / "tests" / "models" / "read_at_import.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def no_library_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that cv2 gives to the children of a test before these names the current folder."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


@pytest.fixture(scope="module")
def tracer() -> ModuleType:
    if shutil.which("strace") is None:
        pytest.skip("no strace: what packages read is not traced again")
    spec = util.spec_from_file_location("trace_imports", ROOT / "scripts" / "trace_imports.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_package_reads_anything_that_is_not_listed(tracer: ModuleType):
    """A file that is new here belongs among those of tests/hostile_folder.py, if it is obeyed. The
    list of the environment is for readers: it is trusted, and changes with every version."""
    listed = {file for entry in TRACED.values() for file in entry["files"]}
    assert {"./.numba_config.yaml", "./matplotlibrc"} <= listed
    # Older versions of threadpoolctl ask whether this name is a link; nothing opens it.
    listed.add("./linux-vdso.so.1")
    assert set(tracer.traced(*tracer.installed())["files"]) <= listed


def test_with_la2ds_no_package_reads_from_the_current_folder(tracer: ModuleType):
    files = tracer.traced(*tracer.installed(), guarded=True)["files"]
    assert [file for file in files if file.startswith("./")] == []


def test_all_packages_that_la2ds_imports_are_guarded():
    used = {name.split(".")[0] for module in MODULES for name in imports(module)}
    own = {"la2ds", "la2ds_cli", "la2ds_models", "__future__"}
    assert used - set(sys.stdlib_module_names) - own <= GUARDED
