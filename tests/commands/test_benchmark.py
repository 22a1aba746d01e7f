from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from la2ds_cli.commands.laboratory import METHODS
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.experiments import benchmark as module
from la2ds_cli.experiments.scores import METHOD_TABLES
from la2ds_cli.main import app
from tests.small_runs import TINY, six_clips

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
QUICK = (
    *("--set", "train.steps=2", "--set", "train.threads=1", "--set", "evaluate.trim_draws=1"),
    *("--set", "align.reference_clips=0", "--set", "model.input=joints"),
)


def test_tables_are_printed_and_files_are_named(run: Run, project: Project, tmp_path: Path):
    out = tmp_path / "tables"
    result = run("benchmark", "--methods", "la2ds,tcc", *QUICK, "--out", str(out))
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "Methods side by side: 2 steps for every run"
    assert "Event transfer on trimmed pairs, error in % of the clip: project" in lines
    assert any(line.startswith("LA2DS ") for line in lines)
    assert "* best row; = not significantly worse than it" in lines
    assert "note: 1 of at least 3 seeds" in result.stdout
    assert f"in full: {out / 'benchmark'}.md, .csv, .json" in result.stderr
    for suffix in ("md", "csv", "json"):
        assert (out / f"benchmark.{suffix}").stat().st_size > 100


def test_the_document_is_the_json_file(document: Document, project: Project):
    found = document("benchmark", "--methods", "tcc", *QUICK, "--seeds", "0,4", "--minutes", "9")
    assert found["command"] == "benchmark"
    assert found["facts"]["seeds"] == [0, 4]
    assert found["facts"]["minutes"] == 9
    runs = [run["run"] for run in found["runs"] if run["row"] == "tcc"]
    assert runs == ["benchmark-tcc-s0", "benchmark-tcc-s4"]
    folder = project.results_dir("benchmark")
    assert found["folder"] == str(folder)
    written = json.loads((folder / "benchmark.json").read_text())
    assert written["figures"] == found["figures"]


def test_each_project_has_a_table_and_all_a_mean(run: Run, project: Project, tmp_path: Path):
    other = six_clips(tmp_path / "others")
    result = run("benchmark", "--project", str(other.root), "--methods", "tcc", *QUICK)
    assert result.exit_code == 0, result.stderr
    page = (other.results_dir("benchmark") / "benchmark.md").read_text()
    for name in ("others", "project", "mean over projects"):
        assert f"## Event transfer on trimmed pairs, error in % of the clip: {name}\n" in page


def test_a_failing_method_leaves_with_its_code(run: Run, project: Project):
    failing = ["--set", "model.width=25", "--set", "model.heads=2"]  # not divisible
    result = run("benchmark", "--methods", "la2ds", *QUICK, *failing)
    assert result.exit_code == ExitCode.UNUSABLE
    assert "note: project, benchmark-la2ds-s0: " in result.stdout


def test_reproduce_compares_the_methods_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = six_clips(tmp_path / "swings")
    sets = [part for setting in TINY for part in ("--set", setting)]
    small = [*sets, "--set", "model.input=joints", "--set", "train.steps=1"]
    # The command names no methods; all nine would take a minute.
    monkeypatch.setattr(module, "shipped_methods", lambda: ["lav", "la2ds"])
    result = CliRunner().invoke(
        app, ["reproduce", "table2", "--project", str(project.root), *small, "--json"]
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["command"] == "reproduce"
    assert found["facts"]["protocol"] == "paper"
    assert {one["task"] for one in found["figures"]} == {"progression", "cost"}
    assert [run["row"] for run in found["runs"] if not run["baseline"]] == ["lav", "la2ds"]
    for suffix in ("md", "csv", "json"):
        assert (project.results_dir("reproduce") / f"table2.{suffix}").exists()


def test_the_tables_of_methods_are_those_of_the_metrics():
    assert set(METHODS) == set(METHOD_TABLES)
