"""`la2ds benchmark`: methods trained with the same budget on one or several projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    EngineOption,
    JsonOption,
    QuietOption,
    RetrainOption,
    RunMinutesOption,
    SeedsOption,
    SetOption,
    open_project,
    seed_numbers,
)

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.experiments.result import BenchmarkResult


def benchmark(
    projects: Annotated[
        list[Path] | None,
        typer.Option(
            "--project",
            envvar="LA2DS_PROJECT",
            metavar="DIR",
            help="Project directory, repeatable: a column for each. [default: .]",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            metavar="A,B,C",
            help="Shipped ones, presets or dotted paths; default all shipped.",
        ),
    ] = None,
    seeds: SeedsOption = "0",
    minutes: RunMinutesOption = None,
    settings: SetOption = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="la2ds|paper|tcc|casa|ae2",
            help="Whose definitions of the metrics.",
        ),
    ] = "la2ds",
    tries: Annotated[
        int,
        typer.Option(
            "--tries",
            metavar="N",
            min=1,
            help="Learning rates to try for each method on held-out training clips.",
        ),
    ] = 1,
    rates: Annotated[
        Path | None,
        typer.Option(
            "--rates",
            metavar="FILE",
            help="Use the learning rates that an earlier benchmark.json chose.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder; default results/benchmark of the first project."
        ),
    ] = None,
    overwrite: RetrainOption = False,
    engine: EngineOption = "local",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train and score methods with one budget.

    Tables 1 to 3 of the paper, event transfer and the cost of training, as Markdown, CSV, LaTeX,
    HTML and JSON. A finished run is reused and an interrupted one is resumed, so the same command
    continues a benchmark.

    \b
      la2ds benchmark --project golf --project squat --minutes 3 --seeds 0,1,2 --out tables
      la2ds benchmark --project golf --methods la2ds,tcc,mypackage.mymethod
      la2ds benchmark --project squat --rates golf/results/benchmark/benchmark.json
      la2ds benchmark --project golf --seeds 0,1,2 --engine ray
    """
    from contextlib import ExitStack

    from la2ds_cli.core.console import Console
    from la2ds_cli.experiments.benchmark import NAME, check_projects
    from la2ds_cli.experiments.benchmark import benchmark as step
    from la2ds_cli.experiments.tries import read_rates

    with Console(as_json=as_json, quiet=quiet) as console, ExitStack() as locks:
        opened = [open_project(root) for root in projects or [HERE]]
        check_projects(opened)
        for project in opened:
            locks.enter_context(project.lock())
        folder = opened[0].results_dir(NAME) if out is None else out
        result = step(
            opened,
            methods=None if methods is None else [name.strip() for name in methods.split(",")],
            seeds=seed_numbers(seeds),
            minutes=minutes,
            settings=settings or [],
            protocol=protocol,
            tries=tries,
            rates=None if rates is None else read_rates(rates),
            out=folder,
            device=device,
            overwrite=overwrite,
            engine=engine,
            progress=console.progress,
        )
        print_benchmark(console, "benchmark", result, folder)
    raise typer.Exit(result.exit_code())


def print_benchmark(console: Console, command: str, result: BenchmarkResult, folder: Path) -> None:
    """Print the JSON document, or the tables with their notes and the paths of the files."""
    from la2ds_cli.core.table import terminal
    from la2ds_cli.experiments.ablation_table import effort
    from la2ds_cli.experiments.benchmark_pages import document, screen_tables, winner_sentences
    from la2ds_cli.experiments.benchmark_tables import all_notes
    from la2ds_cli.experiments.benchmark_winners import winners

    console.document(command, {"folder": folder.resolve(), **document(result)})
    console.line(f"{result.title}: {result.facts['budget']}")
    for title, table in screen_tables(result):
        console.line("")
        console.line(title)
        console.rendered(terminal(table))
    console.line("")
    for text in winner_sentences(winners(result)):
        console.line(text)
    for project in result.projects:
        console.line(f"{project.table.name}: {effort(project.table)}")
    for text in all_notes(result):
        console.line(f"note: {text}", "yellow")
    console.note(f"in full: {folder / result.name}.md, .csv, .tex, .html, .json")
