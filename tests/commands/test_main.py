"""How errors, interrupts and closed pipes leave the process, for all commands alike."""

from __future__ import annotations

import json
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
from la2ds_cli.commands.app import COMMANDS, OTHER_NAMES, app, app_for
from la2ds_cli.core.errors import ExitCode, UserError
from tests.processes import invoke, run_python

ROOT = Path(__file__).parents[2]
NEEDS_PROJECT = ("status", "cache-heatmaps", "lab cache-heatmaps", "train", "embed", "retrieve")
NEEDS_PROJECT += (
    "evaluate",
    "align a b",
    "export trc",
    "export labels elan",
    "import labels elan x",
)


def test_no_arguments_show_help_with_examples():
    result = invoke()
    assert "la2ds extract-poses clips/" in result.stdout
    assert result.stdout.index("extract-poses  ") < result.stdout.index("train  ")
    headings = [f"{title}:" for title in COMMANDS]
    assert [line for line in result.stdout.splitlines() if line in headings] == headings


def _listed() -> dict[str, list[str]]:
    """Of each panel of `la2ds --help`, the names of its commands."""
    panels: dict[str, list[str]] = {}
    for line in invoke("--help").stdout.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            panels[line[:-1]] = []
        elif panels and (name := re.match(r"  ([a-z][a-z-]*)  ", line)):
            panels[list(panels)[-1]].append(name[1])
    return panels


def test_the_help_lists_every_command_once_and_in_panels_that_can_be_held():
    panels = _listed()
    names = [name for panel in panels.values() for name in panel]
    hidden = {name for name in EVERY if name and " " not in name} - set(names)
    assert len(names) == len(set(names))
    assert hidden == {"init"} | {name for name in OTHER_NAMES if " " not in name}
    assert max(map(len, panels.values())) <= 6
    assert len(names) <= 24
    assert panels["Set up"] == ["doctor", "models"]
    for name in ("extract-poses", "train", "align", "retrieve", "embed"):
        assert name in names


@pytest.mark.parametrize("other", OTHER_NAMES)
def test_a_former_name_is_the_command_itself_and_not_listed(other: str):
    name = OTHER_NAMES[other]
    shown = [invoke(*words.split(), "--help", prog_name="la2ds").stdout for words in (other, name)]
    usage, *said = [text.partition("\n") for text in shown]
    assert usage[0].startswith(f"Usage: la2ds {other} [OPTIONS]")
    assert usage[1:] == said[0][1:]
    *group, member = other.split()
    assert not re.search(rf"^  {member}  ", invoke(*group, "--help").stdout, re.M)


@pytest.mark.parametrize("name", [*OTHER_NAMES, *OTHER_NAMES.values()])
def test_a_command_line_needs_no_other_command(name: str):
    """Typer inspects what is registered, which takes time."""
    chosen = app_for(["--offline", *name.split(), "a"])
    assert len(chosen.registered_commands) + len(chosen.registered_groups) == 1
    shown = get_command(chosen).make_context("la2ds", name.split()[:1], resilient_parsing=True)
    assert shown.command is not None


def test_a_command_that_is_not_listed_can_be_called(tmp_path: Path):
    invoke("init", tmp_path / "new")
    assert (tmp_path / "new" / "project.toml").exists()


def test_the_help_begins_as_the_readme_does():
    page = (ROOT / "README.md").read_text("utf-8")
    sentence = re.search(r"^la2ds [^.]*\.", page, re.MULTILINE)
    assert sentence
    said = " ".join(invoke("--help").stdout.split())
    assert said.startswith(f"Usage: root [OPTIONS] COMMAND ... {' '.join(sentence[0].split())} ")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str):
    assert invoke(option).stdout == f"la2ds {__version__}\n"


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
    said = "error: write ./"
    assert done.stderr.startswith(f"{said}-ben.mp4 for")
    (tmp_path / "-photo.mp4").touch()  # not the project `hoto.mp4`
    for others in ((), ("ben.mp4",)):
        done = run_python(*line[:-1], *others, "-photo.mp4", code=ExitCode.USAGE, cwd=tmp_path)
        assert done.stderr.startswith(f"{said}-photo.mp4 for")
    assert {path.name for path in tmp_path.iterdir()} == {"-ben.mp4", "-photo.mp4"}


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


@pytest.mark.parametrize("path", [path for path in EVERY if path not in OTHER_NAMES])
def test_every_line_of_help_fits_80_columns_and_the_first_use_comes_first(path: str):
    text = invoke(*path.split(), "-h", prog_name="la2ds", env={"COLUMNS": "200"}).stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert not re.search(r"^  [a-z].*\.\.\.$", text, re.MULTILINE)  # no description is cut off
    paragraphs = EVERY[path].help.split("\n\n")
    assert paragraphs[1].startswith("\b\n"), "after the first sentence, the most common use"
    assert f"  la2ds {path}".rstrip() in paragraphs[1]


@pytest.mark.parametrize("path", [path for path in EVERY if path not in OTHER_NAMES])
def test_the_help_names_arguments_by_words_and_limits_in_words(path: str):
    text = invoke(*path.split(), "-h", prog_name="la2ds").stdout
    usage, _, rest = text.partition("\n\n")
    assert not re.search(r"[{}]", usage), "a required argument stands without braces"
    arguments = [p for p in EVERY[path].params if p.param_type_name == "argument"]
    for argument in arguments:
        assert re.search(rf"^  {re.escape(argument.metavar)}  ", rest, re.MULTILINE)  # no <type>
    assert not re.search(r"x[<>]=|<=x", rest), "limits are words"
    rows = re.split(r"\n  (?=\S)", rest)
    assert [row for row in rows if row.count("[default") > 1 or "]  [" in row] == []


def test_a_short_option_means_one_thing_everywhere():
    means: dict[str, set[str]] = {}
    options = [p for one in EVERY.values() for p in one.params if p.param_type_name == "option"]
    for option in options:
        for short in (name for name in option.opts if not name.startswith("--")):
            means.setdefault(short, set()).add(option.opts[0])
    expected = {"-o": {"--out"}, "-p": {"--project"}, "-q": {"--quiet"}, "-V": {"--version"}}
    assert means == expected
    for short, (long,) in expected.items():
        assert all(short in option.opts for option in options if long in option.opts)


@pytest.mark.parametrize("path", [path for path in EVERY if not hasattr(EVERY[path], "commands")])
def test_offline_may_stand_after_every_command(path: str):
    assert any("--offline" in option.opts for option in EVERY[path].params)


@pytest.mark.parametrize("line", ["status --offline", "--offline status", "status -p . --offline"])
def test_offline_forbids_the_network_wherever_it_stands(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LA2DS_OFFLINE", "0")
    invoke(*line.split(), code=ExitCode.USAGE)
    assert os.environ["LA2DS_OFFLINE"] == "1"


USAGE_ERRORS = {
    "align a": "missing argument 'B'",
    "align a b --nope": "no such option: --nope",
    "--nope": "no such option: --nope",
    "nope": "no such command 'nope'",
    "models nope": "no such command 'nope'",
    "import nope": "no such command 'nope'",
    "lab nope": "no such command 'nope'",
    "lab reproduce": "missing argument 'TABLE'",
    "reproduce": "missing argument 'TABLE'",
    "lab benchmark --nope": "no such option: --nope",
    "export labels": "missing argument 'FORMAT'",
    "export trc --out": "option '--out' requires an argument",
    "import labels elan": "missing argument 'PATH'",
    "align a b --out": "option '--out' requires an argument",
    "align a b --view sideways": "invalid value for '--view'",
    "sync a b --height 3": "invalid value for '--height'",
    "transfer-labels": "missing option '--from'",
}


@pytest.mark.parametrize("line", USAGE_ERRORS)
def test_a_usage_error_looks_like_every_other_error(line: str):
    result = invoke(*line.split(), code=ExitCode.USAGE, prog_name="la2ds")
    error, hint = result.stderr.splitlines()
    assert error.startswith(f"error: {USAGE_ERRORS[line]}")
    assert not error.endswith(".")
    words = [word for word in line.split()[:2] if word != "nope" and not word.startswith("-")]
    called = next(
        (path for path in (" ".join(words), words[0] if words else "") if path in EVERY), ""
    )
    assert hint.startswith(f"hint: la2ds {called}".rstrip())
    assert "{" not in hint
    assert hint.endswith((f"{called} -h".lstrip(), f"{called} -h explains the options".lstrip()))
    assert result.stdout == ""


def test_a_usage_error_is_an_event_for_programs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LA2DS_PROGRESS", "json")
    event = json.loads(invoke("align", "a", code=ExitCode.USAGE).stderr)
    assert event["error"] == "missing argument 'B'"


@pytest.mark.parametrize("command", ["align", "sync", "report", "compare", "extract-poses"])
def test_every_missing_file_is_named(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(command, "a.mp4", "b.mp4", code=ExitCode.UNREADABLE)
    assert "error: no such files: a.mp4, b.mp4 (V006)\n" in result.stderr
    assert list(tmp_path.iterdir()) == []
    result = invoke(command, "a.mp4", *["a.mp4"] * (command != "extract-poses"), code=3)
    assert "error: no such file: a.mp4 (V006)\n" in result.stderr
