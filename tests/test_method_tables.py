"""The table of methods in docs/reference/methods.md: every method has a row, and every file is
there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from la2ds_cli.experiments.benchmark import shipped_methods

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "methods.md"
PAPER = re.compile(
    r"https://arxiv\.org/abs/\d{4}\.\d{5}"
    r"|https://openaccess\.thecvf\.com/content/CVPR\d{4}/html/\w[\w-]*_paper\.html"
)


def rows() -> Iterator[tuple[list[str], list[str]]]:
    """Names of the methods of each row of the table of methods, and its other cells."""
    lines = iter(PAGE.read_text("utf-8").splitlines())
    head = next(line for line in lines if line.startswith("| `--method` |"))
    assert next(lines).startswith("| ---")
    for line in lines:
        if not line.startswith("|"):
            return
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == head.count("|") - 2, line
        yield re.findall(r"`([\w-]+)`", name), cells


def links(cell: str) -> list[str]:
    return re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", cell)


def test_every_shipped_method_has_one_row() -> None:
    named = [name for names, _ in rows() for name in names]
    assert sorted(named) == sorted(shipped_methods())


def test_every_row_has_a_paper_files_and_tests_that_are_there() -> None:
    for names, (paper, *_, file, test) in rows():
        assert links(paper), names
        assert all(PAPER.fullmatch(url) for url in links(paper)), paper
        modules = re.findall(r"`([\w/.-]+\.(?:py|toml))`", file)
        tests = re.findall(r"`(tests/[\w/.]+)`", test)
        assert modules
        assert tests, names
        for path in (*modules, *tests):
            assert (ROOT / path).is_file(), path
