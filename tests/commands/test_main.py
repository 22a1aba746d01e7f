"""How errors, interrupts and closed pipes leave the process, for all commands alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from la2ds_cli import __version__
from la2ds_cli.commands.app import COMMANDS, app
from la2ds_cli.core.errors import ExitCode, UserError
from tests.processes import invoke, run_python

ROOT = Path(__file__).parents[2]
NEEDS_PROJECT = ("status", "cache-heatmaps", "train", "embed", "retrieve", "evaluate", "align a b")


def test_no_arguments_show_help_with_examples():
    result = invoke()
    assert "la2ds extract-poses clips/" in result.stdout
    assert result.stdout.index("extract-poses  ") < result.stdout.index("train  ")
    headings = [f"{title}:" for title in COMMANDS]
    assert [line for line in result.stdout.splitlines() if line in headings] == headings


def test_version():
    assert invoke("--version").stdout == f"la2ds {__version__}\n"


def test_an_unknown_command_gets_a_suggestion():
    result = invoke("trian", code=ExitCode.USAGE)
    assert "train" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("line", NEEDS_PROJECT)
def test_a_missing_project_is_named_with_the_way_to_make_it(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = invoke(*line.split(), code=ExitCode.USAGE)
    assert result.stdout == ""
    error, hint = result.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert "not a la2ds project" in error
    assert hint.startswith("hint: name the project with --project DIR; la2ds init ")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        *(
            (UserError("it broke", hint="mend it", exit_code=code), code, "hint: mend it\n")
            for code in (ExitCode.UNREADABLE, ExitCode.ENVIRONMENT, ExitCode.STORAGE)
        ),
        (KeyboardInterrupt(), 130, "run the same command again to go on\n"),
        (ZeroDivisionError("a bug"), ExitCode.BUG, ""),
    ],
)
def test_an_error_leaves_with_its_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
):
    def examine() -> list[object]:
        raise error

    monkeypatch.setattr("la2ds_cli.health.doctor.examine", examine)
    result = invoke("doctor", code=code)
    assert result.stderr.endswith(said)
    assert ("error: it broke\n" in result.stderr) == isinstance(error, UserError)
    assert (result.exception is error) == (code == ExitCode.BUG)  # which keeps its traceback


def test_a_bug_prints_its_traceback_and_no_local_values():
    script = (
        "from la2ds_cli import main\n"
        "from la2ds_cli.health import doctor\n"
        "def examine():\n"
        "    password = 'never shown'\n"
        "    raise ZeroDivisionError('a bug\\x1b[2J')\n"
        "doctor.examine = examine\n"
        "main.main()\n"
    )
    done = run_python("-c", script, "doctor", code=ExitCode.BUG, cwd=ROOT)
    assert done.stderr.endswith("ZeroDivisionError: a bug\\x1b[2J\n")
    assert "line 4" not in done.stdout


def test_a_file_whose_name_begins_with_a_dash(tmp_path: Path):
    (tmp_path / "-ben.mp4").touch()
    line = "-c", "from la2ds_cli.main import main; main()", "align", "anna.mp4", "-ben.mp4"
    done = run_python(*line, code=ExitCode.USAGE, cwd=tmp_path)
    assert done.stderr.endswith("a file whose name begins with a dash is given as ./-ben.mp4\n")


def test_a_closed_pipe_is_no_error():
    script = "from la2ds_cli.main import main; main()"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-c", script, "init", "--help"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stderr == ""


def _every_command(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _every_command(child, [*path, name])


EVERY = dict((" ".join(path), command) for path, command in _every_command(get_command(app), []))


@pytest.mark.parametrize("path", EVERY)
def test_every_line_of_help_fits_80_columns_and_the_first_use_comes_first(path: str):
    text = invoke(*path.split(), "-h", prog_name="la2ds", env={"COLUMNS": "200"}).stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert not re.search(r"^  [a-z].*\.\.\.$", text, re.MULTILINE)  # no description is cut off
    paragraphs = EVERY[path].help.split("\n\n")
    assert paragraphs[1].startswith("\b\n"), "after the first sentence, the most common use"
    assert f"  la2ds {path}".rstrip() in paragraphs[1]
