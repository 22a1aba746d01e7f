"""Step: Tables 1 to 3 of the paper, its method beside others, on a project's clips."""

from __future__ import annotations

from typing import Any

from la2ds_cli.core.project import Project
from la2ds_cli.experiments.benchmark.benchmark import benchmark
from la2ds_cli.experiments.benchmark.result import BenchmarkResult
from la2ds_cli.experiments.benchmark.tasks import TABLES

PROTOCOL = "paper"


def compare_methods(project: Project, table: str, **options: Any) -> BenchmarkResult:
    """A table of experiments.benchmark for one project, with the definitions of the paper.

    table: a name of TABLES. options: those of `benchmark`. Writes results/reproduce/TABLE.md, .csv,
    .tex, .html and .json; the runs are those of `benchmark`.
    """
    task = TABLES[table]
    return benchmark(
        [project],
        protocol=PROTOCOL,
        tasks=(task,),
        name=table,
        title=task.title,
        out=project.results_dir("reproduce"),
        **options,
    )
