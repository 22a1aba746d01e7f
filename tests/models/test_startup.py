"""The folder in which packages are imported, and the way back."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from la2ds_models import startup
from la2ds_models.startup import FIGURES, FOLDER, own_folder, own_process, python
from tests.processes import run_python


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a process of la2ds's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(startup, "_own", True)
    return tmp_path.resolve()


def test_the_folder_of_a_host_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with own_folder():
        assert Path.cwd() == tmp_path.resolve()


def test_it_has_nothing_that_a_package_would_obey():
    assert [path.name for path in FOLDER.iterdir()] == [FIGURES.name]


def test_the_way_back(here: Path):
    with own_folder():
        assert Path.cwd() == FOLDER
        with own_folder():
            assert Path.cwd() == FOLDER
        assert Path.cwd() == FOLDER
    assert Path.cwd() == here
    with pytest.raises(ValueError, match="x"), own_folder():
        raise ValueError("x")
    assert Path.cwd() == here


def test_a_folder_that_was_moved_meanwhile(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "old").mkdir()
    monkeypatch.chdir(here / "old")
    with own_folder():
        (here / "old").rename(here / "new")
    assert Path.cwd() == here / "new"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a folder in use stays")
def test_a_folder_that_is_gone(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    with own_folder():
        assert Path.cwd() == FOLDER
    with pytest.raises(FileNotFoundError):
        Path.cwd()


def test_several_threads(here: Path):
    """One that leaves does not take the folder from those that are still in it."""
    first, second, seen = threading.Event(), threading.Event(), []

    def stay() -> None:
        with own_folder():
            first.set()
            second.wait(60)
            seen.append(Path.cwd())

    thread = threading.Thread(target=stay)
    thread.start()
    first.wait(60)
    with own_folder():
        pass
    second.set()
    thread.join()
    assert (seen, Path.cwd()) == ([FOLDER], here)


def test_packages_are_imported_there_and_modules_of_the_user_are_not(here: Path):
    """Both by a script of the user, whose relative folder of modules is found before and after."""
    for folder, name in (("site", "timm"), ("lib", "own")):
        (here / folder).mkdir(exist_ok=True)
        (here / folder / f"{name}.py").write_text("import os\nseen = os.getcwd()\n")
    (here / "site" / "timm.py").write_text(
        "import os\nseen = os.getcwd()\ntry:\n    import nowhere\nexcept ImportError:\n    pass\n"
    )
    (here / "script.py").write_text(
        "import json, sys\n"
        "sys.path.insert(0, 'site')\n"
        "sys.path.append('lib')\n"
        "from la2ds_models.startup import own_process\n"
        "own_process()\n"
        "import timm, own\n"
        "print(json.dumps([timm.seen, own.seen]))\n"
        "print(timm.__file__)\n"
    )
    path = str(Path(__file__).parents[2] / "models")
    done = run_python("script.py", cwd=here, env=os.environ | {"PYTHONPATH": path})
    seen, file = done.stdout.splitlines()
    assert json.loads(seen) == [str(FOLDER), str(here)]
    assert file == str(here / "site" / "timm.py")


def test_the_environment_of_a_process(here: Path, monkeypatch: pytest.MonkeyPatch):
    given = {"LD_LIBRARY_PATH": f":/usr/local/lib{os.pathsep}", "PYTHONPATH": f"src{os.pathsep}"}
    given |= {"LA2DS_HOME": "weights", "OMP_WAIT_POLICY": "ACTIVE", "MATPLOTLIBRC": "own"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in ("PATH", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(startup, "_own", False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    own_process()
    own_process()  # nothing more
    assert [type(finder).__name__ for finder in sys.meta_path].count("_Guard") == 1
    assert os.environ["LD_LIBRARY_PATH"] == "/usr/local/lib"
    assert os.environ["PYTHONPATH"] == str(here / "src")
    assert os.environ["LA2DS_HOME"] == str(here / "weights")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["MATPLOTLIBRC"] == str(FIGURES)


@pytest.mark.parametrize("arguments", [["-c", "import json"], ["-m", "json.tool", "--help"]])
def test_a_child_imports_nothing_from_its_folder(here: Path, arguments: list[str]):
    (here / "json").mkdir()
    (here / "json" / "__init__.py").write_text("raise SystemExit(3)")
    (here / "json" / "tool.py").write_text("raise SystemExit(3)")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    run_python(*arguments, code=3, cwd=here, env=kept)
    subprocess.run(python(*arguments), cwd=here, env=kept, capture_output=True, check=True)


def test_opencv_leaves_no_empty_part_in_the_library_path_of_children() -> None:
    """It sets the variable when it is imported; an empty part is the current folder."""
    program = "from la2ds_models.startup import own_process; own_process(); "
    program += "import cv2, os; print(repr(os.environ.get('LD_LIBRARY_PATH')))"
    kept = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        python("-c", program),
        env=kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    path = ast.literal_eval(done.stdout)
    assert path is None or all(path.split(os.pathsep))
