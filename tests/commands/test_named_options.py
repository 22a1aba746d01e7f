"""What is said of clips names the command whose options it advises: most commands extract poses
where they are missing, and have no option for how."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from la2ds_cli.commands.app import app

PACKAGE = Path(__file__).parents[2] / "la2ds_cli"
ROOMS = ("alignment", "compare", "features", "offset", "poses", "retrieval", "video", "views")
FILES = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]


def _owners(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each option with the command that has it."""
    for param in command.params:
        for option in param.opts if param.param_type_name == "option" else ():
            yield option, name
    for child, member in getattr(command, "commands", {}).items():
        yield from _owners(member, f"{name} {child}".strip())


def _options_of_extraction_alone() -> set[str]:
    owners: dict[str, set[str]] = {}
    for option, name in _owners(get_command(app), ""):
        owners.setdefault(option, set()).add(name)
    return {option for option, names in owners.items() if names == {"extract-poses"}}


def _texts(tree: ast.AST) -> Iterator[str]:
    """The texts of a program, f-strings with ... for values, without its docstrings."""
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring
            parts.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            parts |= {id(value) for value in node.values}
            yield "".join(
                str(value.value) if isinstance(value, ast.Constant) else "..."
                for value in node.values
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_options_of_extract_poses_are_named_with_it(path: Path):
    alone = _options_of_extraction_alone()
    assert {"--pose", "--detector", "--rotate", "--time-range"} <= alone
    bare = [
        text
        for text in _texts(ast.parse(path.read_text("utf-8")))
        if alone & set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
        and "extract-poses" not in text
        and not text.startswith(" --")  # the end of a command
    ]
    assert bare == []
