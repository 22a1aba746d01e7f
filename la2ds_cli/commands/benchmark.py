"""`la2ds benchmark`: methods trained with the same budget on one or several projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.options import (
    ENGINE,
    HERE,
    PROJECT,
    PROTOCOL,
    EngineName,
    Output,
    Runs,
    option,
)
from la2ds_cli.commands.projects import open_project

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.experiments.result import Result


def benchmark(
    projects: list[Path] | None = option(
        "DIR",
        "Project directory, repeatable: a table for each. [default: .]",
        None,
        "--project",
        envvar=PROJECT,
    ),
    methods: str | None = option(
        "A,B,C", "Shipped ones, presets or dotted paths; default all shipped."
    ),
    protocol: str = PROTOCOL,
    out: Path | None = option("DIR", "Folder; default results/benchmark of the first project."),
    engine: EngineName = ENGINE,
    *,
    training: Runs,
    output: Output,
) -> None:
    """Train and score methods with one budget.

    \b
      la2ds benchmark --project golf --minutes 3 --seeds 0,1,2
      la2ds benchmark --project golf --project squat --minutes 3 --out tables
      la2ds benchmark --project golf --methods la2ds,tcc,mypackage.mymethod
      la2ds benchmark --project golf --seeds 0,1,2 --engine ray

    Tables 1 to 3 of the paper, event transfer and the cost of training as Markdown, and every
    figure of every run as CSV. A finished run is reused and an interrupted one is resumed, so the
    same command continues a benchmark.
    """
    from contextlib import ExitStack

    from la2ds_cli.experiments.benchmark import NAME, check_projects
    from la2ds_cli.experiments.benchmark import benchmark as step
    from la2ds_cli.experiments.runner import Plan

    with output.console() as console, ExitStack() as locks:
        opened = [open_project(root) for root in projects or [HERE]]
        check_projects(opened)
        for project in opened:
            locks.enter_context(project.lock())
        folder = opened[0].results_dir(NAME) if out is None else out
        plan = Plan(protocol=protocol, **training.arguments())
        names = None if methods is None else [name.strip() for name in methods.split(",")]
        result = step(opened, plan, names, out=folder, engine=engine, progress=console.progress)
        print_result(console, "benchmark", result, folder)
    raise typer.Exit(result.exit_code())


def print_result(console: Console, command: str, result: Result, folder: Path) -> None:
    """Print the JSON document, or the tables with their notes and the paths of the files."""
    from la2ds_cli.core.table import terminal
    from la2ds_cli.experiments.tables import all_notes, document, figures, tables

    found = figures(result)
    console.document(command, {"folder": folder.resolve(), **document(result, found)})
    console.line(f"{result.title}: {result.facts['budget']}")
    for title, table in tables(result, found):
        console.line("")
        console.line(title)
        console.rendered(terminal(table))
    console.line("")
    console.line("* best row; = not significantly worse than it")
    for text in all_notes(result, found):
        console.line(f"note: {text}", "yellow")
    console.note(f"in full: {folder / result.name}.md, .csv, .json")
