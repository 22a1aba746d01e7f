"""Damaged and invented files of every kind that la2ds reads end in what a parser may say; none
crashes the process, takes more than 20 seconds of the processor or more than a gigabyte.

A few inputs of each here, 10,000 with `pytest -m fuzz`, LA2DS_FUZZ_INPUTS others.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.fuzz.harness import fuzz
from tests.fuzz.parsers import MAKERS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
INPUTS = int(os.environ.get("LA2DS_FUZZ_INPUTS", "10000"))


def check(name: str, count: int, folder: Path) -> None:
    parser = MAKERS[name](folder)
    parser.parse(_good(folder, parser.name, parser.seed))
    problems = fuzz(parser, count, folder)
    assert not problems, "\n\n".join(f"input {p.number}: {p.said}" for p in problems)


def _good(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", MAKERS)
def test_a_few_mutated_files(name: str, tmp_path: Path):
    check(name, 30, tmp_path)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", MAKERS)
def test_many_mutated_files(name: str, tmp_path: Path):
    check(name, INPUTS, tmp_path)
