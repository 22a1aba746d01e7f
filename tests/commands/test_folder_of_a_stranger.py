"""Every command, started in a folder of clips into which a stranger has put files that packages
load, run or obey: none of them is used, and nothing is written there or elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from la2ds_cli.commands.app import app
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests import writing_commands as w
from tests.hostile_folder import Stranger, compilable
from tests.processes import python

ROOT = Path(__file__).parents[2]


@dataclass
class Folder:
    """A tree with clips, joints and projects, in which every folder was prepared by a stranger."""

    root: Path
    stranger: Stranger
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, here: Path, *arguments: str) -> subprocess.Popen[str]:
        """`la2ds` as its console script starts it, in a folder."""
        return subprocess.Popen(
            [sys.executable, str(self.root / "bin" / "la2ds"), *arguments],
            cwd=here, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, here: Path, *arguments: str) -> tuple[int, str]:
        process = self.start(here, *arguments)
        said = "".join(process.communicate())
        return process.returncode, said

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        return python(*words, cwd=self.root / "here", env=self.environment)

    def check(self, what: str) -> None:
        assert self.stranger.seen() == [], what
        assert sorted(p.name for p in (self.root / "here").iterdir()) == self.planted, what

    @property
    def planted(self) -> list[str]:
        return sorted(p.name for p in (self.root / "pristine").iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    root = tmp_path_factory.mktemp("stranger")
    for name in ("bin", "here", "pristine", "marks", "home", "site"):
        (root / name).mkdir()
    (root / "bin" / "la2ds").write_text("from la2ds_cli.main import main\n\nmain()\n")
    stranger = Stranger(root / "marks", root / "site", root / "asked")
    w.write_sources(root)
    for name in ("here", "pristine", "films", "poses"):
        stranger.plant(root / name)
    if compilable():
        stranger.plant_package()
    removed = ("PYTHONSAFEPATH", "LD_LIBRARY_PATH", "MATPLOTLIBRC")
    environment = {key: value for key, value in os.environ.items() if key not in removed}
    path = [ROOT, ROOT / "models", root / "site"]
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1"}
    environment |= {"HOME": str(root / "home"), "XDG_CACHE_HOME": str(root / "home" / "cache")}
    environment |= {"LA2DS_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    return Folder(root, stranger, environment)


@pytest.fixture(scope="module")
def worked(folder: Folder) -> Folder:
    """After all writing commands, each of which has used nothing of the stranger."""
    root = folder.root
    for number, (name, arguments) in enumerate(w.commands(root).items()):
        w.before(root, name)
        here = [root / "here", root / "films", root / "project"][number % 3 if number else 0]
        code, said = folder.run(here, *arguments)
        assert code == ExitCode.OK, f"{name}: {said}"
        folder.check(name)
        if name in ("init", "extract-poses"):
            folder.stranger.plant(root / ("project" if name == "init" else "filmed"))
    return folder


def test_the_commands_that_write(worked: Folder):
    root = worked.root
    assert (root / "out" / "ab.mp4").is_file()
    if compilable():
        assert worked.stranger.asked.exists(), "PyTorch has not loaded the package at all"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.heavy] if name == "demo" else [])
        for name in w.other_commands(Path())
    ],
)
def test_the_other_commands(worked: Folder, name: str):
    arguments, expected = w.other_commands(worked.root)[name]
    code, said = worked.run(worked.root / "here", *arguments)
    assert code == expected, said
    worked.check(name)


def test_no_command_is_left_out():
    names = {command.name for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    tried = {
        name
        for first, second, *_ in w.commands(Path()).values()
        for name in ((first, second) if first == "lab" else (first,))
    }
    assert names == tried | set(w.other_commands(Path())) | {"studio"}


def test_a_job_of_the_studio(worked: Folder):
    project = worked.root / "project"
    clips = [clip.id for clip in StoredProject.open(project).posed_videos()]
    with worked.start(project, "studio", "--no-browser") as process:
        try:
            assert process.stdout is not None
            link = re.fullmatch(r"studio at (\S+)\n", process.stdout.readline())
            assert link
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
            with opener.open(link[1], timeout=120) as answer:
                site = answer.url.rstrip("/")
            asked = urllib.request.Request(
                f"{site}/timeline/make",
                json.dumps({"clips": clips, "reference": None}).encode(),
                {"Origin": site, "Content-Type": "application/json"},
            )
            opener.open(asked, timeout=120).close()
            for _ in range(600):
                with opener.open(f"{site}/jobs", timeout=120) as answer:
                    (job,) = json.load(answer)
                if job["state"] not in ("waiting", "running"):
                    break
                time.sleep(0.2)
        finally:
            process.terminate()
            process.communicate()
    assert job["state"] == "done", job
    worked.check("studio")


def test_the_python_module(folder: Folder):
    """A script elsewhere, run in the folder. Its process is its own: importing la2ds uses nothing
    of the folder, and guards nothing (tests/test_host.py)."""
    script = folder.root / "bin" / "script.py"
    script.write_text("import sys\nfinders = [*sys.meta_path]\nimport la2ds\n")
    with script.open("a") as file:
        file.write("assert sys.meta_path == finders\n")
    done = folder.python(str(script))
    assert done.returncode == 0, done.stderr
    folder.check("import la2ds")


WORKER = """
from la2ds_cli.core.ray_engine import ray_map
from la2ds_models.startup import own_process

class Worker:
    def __call__(self, item):
        import os, sys, torch
        return {"path": sys.path, "here": os.getcwd()}

own_process()
for result in ray_map(Worker, (), [{}], "cpu"):
    print("seen", result["here"], *result["path"], sep="\\n")
"""


def test_the_workers_of_ray(folder: Folder):
    pytest.importorskip("ray", reason="needs la2ds[ray]")
    (folder.root / "bin" / "work.py").write_text(WORKER)
    done = folder.python(str(folder.root / "bin" / "work.py"))
    assert done.returncode == 0, done.stderr
    assert "seen" in done.stdout
    assert done.stderr == ""  # Ray tells nothing of its start
    assert str(folder.root / "here") not in done.stdout.splitlines()
    folder.check("ray")


@pytest.mark.parametrize(
    ("command", "mark"),
    [
        (["-m", "pip", "--version"], "python-pip"),
        (["-c", "import torch"], "python-torch"),
        (["SCRIPT", "import numba; numba.njit(lambda x: x + 1)(1)"], "numba-chrome-trace"),
        (["SCRIPT", "import needy; needy.load()"], "library-libcuda.so.1"),
    ],
)
def test_the_files_are_used_where_nothing_guards(folder: Folder, command: list[str], mark: str):
    """The judge of the other tests."""
    if mark.startswith("library") and not compilable():
        pytest.skip("no gcc: no library that leaves a mark")
    if command[0] == "SCRIPT":
        script = folder.root / "bin" / "unguarded.py"
        script.write_text(command[1])
        command = [str(script)]
    folder.python(*command)
    assert mark in folder.stranger.seen()
    shutil.rmtree(folder.stranger.marks)
    folder.stranger.marks.mkdir()
