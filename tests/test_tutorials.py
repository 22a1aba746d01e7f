"""The tutorials are run on the clips of the demo, and what they print is what the pages show.

A page may show a part of an output, in its order. Where a network was trained, figures depend on
the machine, and only the words are compared. The others are those of the versions of locks/, since
another FFmpeg encodes other clips.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.processes import invoke

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
TRAINED, FIGURE = "train-and-evaluate", "figure-for-a-paper"


def steps(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """The command lines of each example of a page, and the lines of output shown after it."""
    text = (TUTORIALS / f"{page}.md").read_text("utf-8")
    example = re.compile(r"^```sh\n(.*?)^```\n(?:\n^```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
    for commands, shown in example.findall(text):
        lines = [each for line in commands.splitlines() for each in unrolled(line)]
        lines = [line for line in lines if line.startswith("la2ds ")]  # others install
        own = any("anna.mp4" in line for line in lines)  # clips of the reader's: test_pages_run.py
        if not own:
            yield lines, shown.splitlines()


def unrolled(line: str) -> list[str]:
    """The lines that a loop of the shell runs."""
    loop = re.fullmatch(r"for (\w) in ([\w ]+); do (.*); done", line)
    if not loop:
        return [line]
    name, values, body = loop.groups()
    return [body.replace(f"${name}", value) for value in values.split()]


def compared(line: str, page: str) -> str:
    line = re.sub(r"\S*/la2ds-demo/", "la2ds-demo/", line)
    if page == TRAINED:
        line = re.sub(r"[-–.\d]*\d|\*", "0", line)
    return " ".join(line.split())


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_the_tutorials_print_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    pages = ["two-clips", "what-differs", FIGURE, TRAINED]
    if find_spec("spm1d") is None:  # an extra: without it, that page prints how to install it
        pages.remove(FIGURE)
    for page in pages:
        for lines, shown in steps(page):
            printed: list[str] = []
            for line in lines:
                result = invoke(*shlex.split(line, comments=True)[1:])
                printed += [compared(each, page) for each in result.stdout.splitlines()]
            if page == "what-differs" and shown:
                assert [compared(line, page) for line in shown] == printed
            rest = iter(printed)
            for line in shown:
                found = compared(line, page) in rest
                assert found, f"{page}: {line}\nis not in this order in\n" + "\n".join(printed)


def test_examples_and_their_output_are_found() -> None:
    assert (
        sum(bool(shown) for page in ("two-clips", "what-differs") for _, shown in steps(page)) == 4
    )
    assert sum(len(lines) for lines, _ in steps(TRAINED)) >= 8
    assert [bool(shown) for _, shown in steps(FIGURE)] == [True, True, True]
