"""Which programs a file can have run: none that the user did not name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import check_trusted, trust
from la2ds_cli.core.stored_project import StoredProject
from tests.processes import invoke

TOUCH = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


@pytest.fixture
def stranger(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoredProject]:
    """A project of two clips, and a module that can be imported and leaves a file when it is."""
    monkeypatch.setenv("LA2DS_PLUGINS", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "__init__.py").write_text(TOUCH)
    (tmp_path / "strange" / "thing.py").write_text(
        "import numpy as np\nPAIRS = 'copies'\n\n"
        "def align(a, b, config):\n    return np.array([[0, 0]])\n"
    )
    yield project
    for name in ("strange", "strange.thing"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("setting", "command"),
    [
        ("align.method", ["align", "clip-0", "clip-1", "--features", "pose"]),
        ("train.method", ["train"]),
        ("model.encoder", ["train"]),
        ("poses.pose", ["extract-poses", "a.mp4"]),
        ("poses.detector", ["extract-poses", "a.mp4"]),
    ],
)
def test_no_module_is_imported_because_a_project_names_it(
    stranger: StoredProject, tmp_path: Path, setting: str, command: list[str]
):
    section, _, key = setting.partition(".")
    (stranger.root / "project.toml").write_text(f'[{section}]\n{key} = "strange.thing"\n')
    done = invoke(*command, "--project", stranger.root, code=ExitCode.USAGE)
    assert "'strange.thing' is a program that only" in done.stderr
    assert "LA2DS_PLUGINS=strange.thing" in done.stderr
    assert not (tmp_path / "strange" / "ran").exists()


def test_what_the_command_line_names_runs_and_so_does_what_is_listed(
    stranger: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    command = ["align", "clip-0", "clip-1", "--features", "pose", "--project", str(stranger.root)]
    invoke(*command, "--method", "strange.thing")
    assert (tmp_path / "strange" / "ran").exists()
    (stranger.root / "project.toml").write_text('[align]\nmethod = "strange.thing"\n')
    monkeypatch.setenv("LA2DS_PLUGINS", "other, strange")
    invoke(*command)


def test_names_are_trusted_with_their_package_and_not_by_their_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("LA2DS_PLUGINS", "mine")
    monkeypatch.chdir(tmp_path)
    check_trusted("mine.pose", "pose network")
    for name in ("mines.pose", "min", "other.mine"):
        with pytest.raises(UserError, match="is a program that only a file"):
            check_trusted(name, "pose network")
    trust("mmpose:config.py,weights.pth")
    check_trusted(str(tmp_path / "config.py"), "configuration")
    load_config(overrides=["train.method=other.method"])
    check_trusted("other.method", "training method")
    for value in (None, 3, "dtw", True):
        trust(value)
    with pytest.raises(UserError):
        check_trusted("dtw.x", "alignment method")
