"""The list of mutations fits the source, and a fault that no test notices is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.mutation_run import (
    LIST,
    Mutation,
    NotApplicable,
    files_of_tests,
    mutated,
    read_files,
    read_list,
    run_tests,
    table,
)

SOURCE = """LIMIT = 3

def low(x):
    return x < LIMIT

class Box:
    def high(self, x):
        return x < 9 or x < 9

    def low(self, y):
        return y
"""
LOW = Mutation("edge", "low", "x < LIMIT", "x <= LIMIT", ("test_box.py",), "off by one")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "la2ds_cli").mkdir()
    (tmp_path / "tests" / "a").mkdir(parents=True)
    (tmp_path / "la2ds_cli" / "__init__.py").write_text("")
    (tmp_path / "la2ds_cli" / "box.py").write_text(SOURCE)
    (tmp_path / "tests" / "a" / "test_box.py").write_text(
        "from la2ds_cli.box import low\n\ndef test_low():\n    assert low(2) and not low(4)\n"
    )
    return tmp_path


def test_every_mutation_fits_one_place_and_has_its_tests() -> None:
    mutations, _ = read_list(LIST)
    source, paths = read_files()
    assert len(mutations) >= 60
    assert sum(mutation.blind for mutation in mutations) >= 10
    for mutation in mutations:
        path, text = mutated(mutation, source)
        assert text != source[path]
        assert files_of_tests(mutation, paths)


def test_the_old_text_is_looked_for_in_the_function_alone(root: Path) -> None:
    path, text = mutated(LOW, read_files(root)[0])
    assert path.name == "box.py"
    assert text == SOURCE.replace("x < LIMIT", "x <= LIMIT")
    constant = replace(LOW, function="LIMIT", old="3", new="4")
    assert mutated(constant, read_files(root)[0])[1].startswith("LIMIT = 4\n")


@pytest.mark.parametrize(("function", "old"), [("high", "x < LIMIT"), ("high", "x < 9")])
def test_what_is_not_there_or_there_twice_is_refused(root: Path, function: str, old: str) -> None:
    with pytest.raises(NotApplicable, match=f"found [02] times in '{function}'"):
        mutated(replace(LOW, function=function, old=old), read_files(root)[0])


def test_a_file_of_tests_is_named_by_the_end_of_its_path(root: Path) -> None:
    assert files_of_tests(LOW, read_files(root)[1]) == ["tests/a/test_box.py"]
    with pytest.raises(NotApplicable, match=r"0 test files are called b/test_box\.py"):
        files_of_tests(replace(LOW, tests=("b/test_box.py",)), read_files(root)[1])


def test_a_fault_is_killed_by_the_test_that_notices_it_or_survives(root: Path) -> None:
    path, text = mutated(LOW, read_files(root)[0])
    path.write_text(text)
    files = files_of_tests(LOW, read_files(root)[1])
    assert run_tests(root, files, []) == ("survived", "")  # nothing is tested at 3
    path.write_text(text.replace("x <= LIMIT", "x > LIMIT"))
    assert run_tests(root, files, []) == ("killed", "test_low")


def test_the_table_names_the_reason_of_what_is_left() -> None:
    left = replace(LOW, left="no caller asks for 3")
    lines = table([(LOW, "killed", "test_low"), (left, "survived", "")]).splitlines()
    assert lines[2] == "| edge | `low` | off by one | killed | `test_low` |"
    assert lines[3] == "| edge | `low` | off by one | **survived** | no caller asks for 3 |"
