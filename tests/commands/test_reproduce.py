from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.testing import Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
QUICK = ("--set", "train.steps=2", "--set", "train.threads=1", "--set", "evaluate.trim_draws=1")


def test_a_table_is_printed_and_its_files_are_named(run: Run, project: Project):
    result = run("reproduce", "table5", *QUICK)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "Heatmaps: 2 steps for every run"
    assert sum(line.startswith("limbs + joints  ") for line in lines) == 2  # figures and cost
    assert "1 runs" not in result.stdout
    assert "note: limbs has no run: the recipe reads joints, not heatmaps" in result.stdout
    assert "in full: " in result.stderr
    for suffix in ("md", "csv", "json"):
        assert (project.results_dir("reproduce") / f"table5.{suffix}").exists()


def test_the_document_has_the_seeds(document: Document):
    found = document("reproduce", "table5", *QUICK, "--seeds", "0,4")
    assert found["command"] == "reproduce"
    assert found["facts"]["seeds"] == [0, 4]
    runs = [one["run"] for one in found["runs"] if one["row"] == "both"]
    assert runs == ["reproduce-all-s0", "reproduce-all-s4"]


def test_a_table_of_failures_leaves_with_its_code(run: Run, project: Project):
    assert run("reproduce", "table5", *QUICK).exit_code == 0
    result = run("reproduce", "table5", *QUICK, "--set", "train.learning_rate=0.5")
    assert result.exit_code == ExitCode.UNUSABLE
    assert "--overwrite trains it again" in result.stdout
