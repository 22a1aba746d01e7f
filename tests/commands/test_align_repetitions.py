"""`la2ds align --repetition` as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from la2ds_cli.core.project import Project
from tests.commands.conftest import squats
from tests.movement import add_sequence

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def clips(project: Project) -> None:
    add_sequence(project, "one", squats(1))
    add_sequence(project, "many", squats(3))


def test_all_are_listed_with_their_times(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "ab.csv"
    result = run("align", "one", "many", "--repetition", "all", "--out", str(table))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["A: one", "B: many, 3 repetitions"]
    rows = [line.split() for line in lines[3:6]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    np.testing.assert_allclose([float(row[1]) for row in rows], [0, 2, 4], atol=0.15)
    assert sum(row[-1] == "nearest" for row in rows) == 1
    assert lines[-1] == str(table)


def test_the_document_holds_them_all(document: Document, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "ab.csv"))
    found = document("align", "one", "many", "--repetition", "2", *out)
    assert found["command"] == "align"
    assert found["repetition"] == "2"
    assert ["alignment" in each for each in found["repetitions"]] == [False, True, False]
    other = document("align", "many", "one", "--repetition", "best", "--repetition-of-a", "3", *out)
    assert other["a"]["repetition"]["number"] == 3
    assert other["a"]["repetition"]["start"] == pytest.approx(4, abs=0.15)
    assert other["count"] == 1


def test_without_the_option_they_are_pointed_at(run: Run, tmp_path: Path) -> None:
    result = run("align", "one", "many", "--out", str(tmp_path / "ab.csv"))
    assert result.exit_code == 0
    assert "many seems to hold 3 repetitions" in result.stderr
    quiet = run("align", "one", "many", "-q", "--out", str(tmp_path / "ab.csv"))
    assert quiet.stderr == ""


def test_no_tempo_is_told_where_pairs_run_back_and_forth(run: Run, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "ab.csv"))
    by_time = run("align", "one", "many", *out)
    assert "times as long as A" in by_time.stdout
    nearest = run("align", "one", "many", "--method", "nearest", *out)
    assert nearest.exit_code == 0
    assert "nan" not in nearest.stdout
    assert "aligned by nearest" in nearest.stdout
