"""Docstrings say what the code has: sections as numpydoc names them, and names of the signature.

Public functions of `la2ds`, and functions anywhere whose docstring has a section Parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("la2ds", "la2ds_cli", "models/la2ds_models")
SECTIONS = ("Parameters", "Returns", "Yields", "Raises")
_ENTRY = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: ?: \S.*)?$")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sections_of(docstring: str) -> dict[str, list[str]]:
    """Return the entries of each section of a docstring, without the lines that go on one."""
    lines = docstring.splitlines()
    sections: dict[str, list[str]] = {}
    section: list[str] | None = None
    for number, line in enumerate(lines):
        if line.strip() in SECTIONS:
            section = sections.setdefault(line.strip(), [])
            indent = len(line) - len(line.lstrip())
            continue
        if section is None or not line.strip() or set(line.strip()) == {"-"}:
            continue
        body = lines[number - 1].strip() in SECTIONS or not section
        indent = len(line) - len(line.lstrip()) if body else indent
        if len(line) - len(line.lstrip()) <= indent:
            section.append(line.strip())
    return sections


def documented_names(entries: list[str]) -> tuple[list[str], list[str]]:
    """Return the names of entries, `a, b: of both` gives two; and the lines that are no entry."""
    names: list[str] = []
    others: list[str] = []
    for entry in entries:
        match = _ENTRY.match(entry)
        if match is None:
            others.append(entry)
        else:
            names += [name.strip(" *") for name in match[1].split(",")]
    return names, others


def parameters_of(function: Function) -> list[str]:
    """Return the names of a function's parameters, without self and cls."""
    arguments = function.args
    vararg, kwarg = ([each] if each else [] for each in (arguments.vararg, arguments.kwarg))
    every = [*arguments.posonlyargs, *arguments.args, *vararg, *arguments.kwonlyargs, *kwarg]
    return [each.arg for each in every if each.arg not in ("self", "cls")]


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, Function):
            yield node


FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sections_name_the_parameters_one_a_line(path: Path):
    wrong: list[str] = []
    for function in _functions(path):
        sections = sections_of(ast.get_docstring(function) or "")
        if "Parameters" not in sections:
            continue
        names, others = documented_names(sections["Parameters"])
        signature = parameters_of(function)
        unknown = [name for name in names if name not in signature]
        in_order = sorted(names, key=signature.index) if not unknown else names
        if unknown or others or len(set(names)) < len(names) or not names:
            wrong.append(f"{function.name}: {unknown} {others} {names}")
        elif names != in_order:
            wrong.append(f"{function.name}: {names}, in the signature {in_order}")
    assert not wrong


@pytest.mark.parametrize("path", sorted((ROOT / "la2ds").glob("*.py")), ids=lambda path: path.name)
def test_public_functions_of_the_interface_say_what_they_take(path: Path):
    """Every parameter is in the section Parameters or, of a function with few, in the text."""
    silent: list[str] = []
    for function in _functions(path):
        text = ast.get_docstring(function)
        if function.name.startswith("_") or text is None:
            silent += [function.name] * (text is None and not function.name.startswith("_"))
            continue
        names, _ = documented_names(sections_of(text).get("Parameters", []))
        if names and set(names) != set(parameters_of(function)):
            missing = sorted(set(parameters_of(function)) - set(names))
            silent.append(f"{function.name}: {missing}")
        first = text.splitlines()[0]
        if not first.endswith(".") and "\n" not in text:
            silent.append(f"{function.name}: {first}")
    assert not silent


def test_a_wrong_name_is_found():
    text = "Return it.\n\nParameters\n----------\na, b: two\n    lines\n*c\n    more\n\n"
    text += "Raises\n------\nE: x"
    assert documented_names(sections_of(text)["Parameters"]) == (["a", "b", "c"], [])
    assert sections_of(text)["Raises"] == ["E: x"]
    assert documented_names(["what it takes"]) == ([], ["what it takes"])
