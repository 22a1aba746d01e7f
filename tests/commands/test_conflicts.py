"""The table of options that need each other or exclude each other, on every command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from la2ds_cli.commands.app import app
from la2ds_cli.commands.command import NEEDS, OR, RULES, Rule
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.processes import invoke

# What stands for the arguments that a command needs; the values are never looked at.
WHOLE = {name: ["a", "b"] for name in ("align", "report", "sync")}
WHOLE |= {"compare": ["a"], "reproduce": ["table4"], "pull": []}
WHOLE |= {"transfer-labels": ["--from", "a"], "import": ["a.trc"]}


_VALUES = {"--features": "pose", "--view": "mirrored"}


def command_of(rule: Rule) -> tuple[list[str], Any]:
    """The words that call it, and the command."""
    top: Any = get_command(app)
    for group, name in (("models", "pull"), ("import", "trc")):
        if rule.command in (group, name):
            return [group, name], top.commands[group].commands[name]
    return [rule.command], top.commands[rule.command]


def _names(param: Any) -> list[str]:
    return [param.metavar] if param.param_type_name == "argument" else param.opts


def given(command: Any, term: str) -> list[str]:
    """The words of a command line by which a term of a rule holds."""
    name, _, value = term.partition("=")
    (param,) = [p for p in command.params if name in _names(p)]
    if param.param_type_name == "argument":
        return [value or "x"]
    if param.is_flag:
        return [name]
    return [name, value or _VALUES.get(name, "1")]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.command} {r.first} {r.rule} {r.other}")
def test_a_command_line_that_breaks_a_rule_is_one_sentence(
    rule: Rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    words, command = command_of(rule)
    first, other = given(command, rule.first), given(command, rule.other)
    own = [] if rule.other.startswith("TABLE=") else WHOLE.get(rule.command, [])
    for broken in {NEEDS: [first], OR: [[], [*first, *other]]}.get(rule.rule, [[*first, *other]]):
        result = invoke(*words, *own, *broken, code=ExitCode.USAGE)
        error, hint = result.stderr.splitlines()
        assert rule.first in error
        assert rule.other.removeprefix("TABLE=") in error
        assert hint == f"hint: {rule.hint}"
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_is_the_default_counts_as_not_given(tmp_path: Path):
    StoredProject.create(tmp_path)
    line = ["train", "--project", tmp_path, "--engine"]
    invoke(*line, "local", code=ExitCode.UNUSABLE)
    invoke(*line, "ray", code=ExitCode.USAGE)
