"""What the Tab key offers, by the protocol through which a shell asks a command."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from la2ds_cli.commands.app import app
from la2ds_cli.core.clip import Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.video_list import write_videos
from tests.processes import invoke, run_python
from tests.test_imports import HEAVY

ROOT = Path(__file__).parents[2]
CLIPS = {"anna", "ben"}
ASKED = {"_LA2DS_COMPLETE": "complete_bash"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project `swings` with three clips, of which two have one name, and two runs."""
    monkeypatch.chdir(tmp_path)
    project = StoredProject.create(tmp_path / "swings")
    _list(project, "anna", "ben", "x/far", "y/far")
    for run in ("default", "second"):
        (project.root / "checkpoints" / run).mkdir(parents=True)
    (tmp_path / "beside.mp4").touch()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def _list(project: StoredProject, *paths: str) -> None:
    write_videos(project.root / "videos.csv", [_clip(path) for path in paths])


def _clip(path: str) -> Video:
    name = path.replace("/", "-").replace(" ", "")
    return Video(f"gym-{name}-1a2b3c4d", f"gym/{path}.mp4", "ab" * 32, 40, 25.0, 64, 48)


def offered(line: str) -> set[str]:
    """What is offered for the last word of a line, which is empty after a space."""
    words = shlex.split(line) + [""] * line.endswith(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return set(invoke(env=ASKED | asked, prog_name="la2ds").stdout.split())


LINES = {
    "la2ds align -p swings ": CLIPS | {"gym-x-far-1a2b3c4d", "gym-y-far-1a2b3c4d", "beside.mp4"},
    "la2ds align -p swings an": {"anna"},
    "la2ds align -p swings anna b": {"ben", "beside.mp4"},
    "la2ds align -p swings gym-a": {"gym-anna-1a2b3c4d"},
    "la2ds align -p swings gym/": set(),  # the shell completes paths
    "la2ds align -p nowhere ": {"beside.mp4"},
    "la2ds remove -p swings anna b": {"ben", "beside.mp4"},
    "la2ds transfer-labels -p swings --from a": {"anna"},
    "la2ds retrieve -p swings --query a": {"anna"},
    "la2ds compare -p swings anna --attempts anna,b": {"anna,ben", "anna,beside.mp4"},
    "la2ds export labels elan -p swings a": {"anna"},
    "la2ds export trc -p swings a": {"anna"},
    "la2ds import labels elan -p swings --clip a": {"anna"},
    "la2ds import-labels elan -p swings --clip a": {"anna"},
    "la2ds lab plot-embeddings -p swings a": {"anna"},
    "la2ds align -p swings --run ": {"default", "second"},
    "la2ds evaluate -p swings --run default,": {"default,second"},
    "la2ds embed -p nowhere --run ": set(),
    "la2ds align --method ": {"dtw", "linear"},
    "la2ds train --method tc": {"tcc", "tcc-classification", "tcn", "tcn-npairs"},
    "la2ds lab benchmark --methods tcc,v": {"tcc,vaot", "tcc,vava"},
    "la2ds import labels ": {"boris", "elan", "kinovea", "via3"},
    "la2ds align --view m": {"mirrored"},
    "la2ds lab ": {
        *("benchmark", "reproduce", "exercises", "leaderboard"),
        *("plot-embeddings", "cache-heatmaps"),
    },
    "la2ds im": {"import"},  # the former names are not offered
    "la2ds b": set(),
}


@pytest.mark.parametrize("line", LINES)
def test_what_is_offered(folder: Path, line: str):
    assert offered(line) == LINES[line]


def test_the_project_of_the_environment_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LA2DS_PROJECT", "swings")
    assert offered("la2ds align a") == {"anna"}
    assert offered("la2ds train --run s") == {"second"}


@pytest.mark.parametrize(
    "content", ["", "id\n", "\0", "id,path\nx,\x1b[2J\n", "a" * 200_000, "id,path,id\n1,2,3\n"]
)
def test_a_damaged_list_offers_nothing_and_says_nothing(folder: Path, content: str):
    (folder / "swings" / "videos.csv").write_text(content, "utf-8")
    assert offered("la2ds align -p swings ") == {"beside.mp4"}


def test_a_name_that_would_break_the_line_of_the_shell_is_not_offered(folder: Path):
    _list(StoredProject.open(folder / "swings"), "an na")
    assert offered("la2ds align -p swings a") == set()
    for name in ("a b.mp4", "a\nb.mp4", "a\x1b[2Jb.mp4"):
        (folder / name).touch()
    assert offered("la2ds align -p swings a") == set()


def _values(command: Any, path: str) -> Any:
    for param in command.params:
        yield path, param
    for name, child in getattr(command, "commands", {}).items():
        yield from _values(child, f"{path} {name}")


def test_every_value_that_names_a_clip_a_run_or_a_method_is_completed():
    """Except the name of a new run, and what may only be one of a few words."""
    wanted = {"CLIP", "VIDEO", "A", "B", "OTHER", "REFERENCE", "FORMAT"}
    options = {"--run", "--method", "--methods", "--clip"}
    found = [
        (path, param.opts[0], param._custom_shell_complete is not None)
        for path, param in _values(get_command(app), "la2ds")
        if re.split("[ ,@]", param.metavar or "")[0] in wanted
        or (set(param.opts) & options and "|" not in param.metavar)
    ]
    assert len(found) > 40
    assert [one for one in found if not one[-1]] == []


def test_completion_loads_neither_torch_nor_opencv(folder: Path):
    script = (
        "import sys\n"
        "from la2ds_cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert stop.code in (0, None), stop.code\n"
        f"loaded = sorted({HEAVY!r} & set(sys.modules))\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    for line in ("la2ds align -p swings ", "la2ds align --method ", "la2ds train --method "):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(shlex.split(line)))}
        paths = os.pathsep.join([str(ROOT), str(ROOT / "models")])
        env = os.environ | ASKED | words | {"PYTHONPATH": paths}
        run_python("-c", script, cwd=folder, env=env)
