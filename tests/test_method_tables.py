"""The tables of methods in README.md and docs/methods.md: every method has a row, every file is
there, and both name the same papers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from la2ds_cli.experiments.methods import shipped_methods

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/methods.md")
PAPER = re.compile(
    r"https://arxiv\.org/abs/\d{4}\.\d{5}"
    r"|https://openaccess\.thecvf\.com/content/CVPR\d{4}/html/\w[\w-]*_paper\.html"
)


def rows(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """Names of the methods of each row of the table of methods, and its other cells."""
    lines = iter((ROOT / page).read_text("utf-8").splitlines())
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


@pytest.mark.parametrize("page", PAGES)
def test_every_shipped_method_has_one_row(page: str) -> None:
    named = [name for names, _ in rows(page) for name in names]
    assert sorted(named) == sorted(shipped_methods())


@pytest.mark.parametrize("page", PAGES)
def test_every_row_has_a_paper_files_and_tests_that_are_there(page: str) -> None:
    for names, (paper, *_, file, test) in rows(page):
        assert links(paper), names
        assert all(PAPER.fullmatch(url) for url in links(paper)), paper
        linked = [(ROOT / page).parent / target for target in (*links(file), *links(test))]
        files = [*linked, *(ROOT / path for path in re.findall(r"`(tests/[\w/.]+)`", test))]
        assert links(file)
        assert any(path.name.startswith("test_") for path in files), names
        for path in files:
            assert path.is_file(), path


def test_both_tables_name_the_same_papers_and_files() -> None:
    of_readme, of_docs = (
        {
            name: (set(links(cells[0])), {Path(link).name for link in links(cells[-2])})
            for names, cells in rows(page)
            for name in names
        }
        for page in PAGES
    )
    for name, (papers, files) in of_readme.items():
        assert papers <= of_docs[name][0], name
        assert files <= of_docs[name][1], name
