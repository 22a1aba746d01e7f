"""`la2ds reproduce`: a table of the paper on the project's clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    JsonOption,
    ProjectOption,
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
    from la2ds_cli.core.project import Project

# As metrics.METHOD_TABLES and ablations.TableName of experiments
Table = Literal[
    "table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8", "choices"
]
METHODS = ("table1", "table2", "table3")  # compare methods, not parts of one


def reproduce(
    table: Annotated[
        Table,
        typer.Argument(
            metavar="TABLE",
            help="table1, table2, table3: methods by phase classification, by progression and tau, "
            "by retrieval; table4, table5, table6, table7, table8: components, heatmaps, "
            "augmentations, missing joints, noisy joints; choices: where la2ds departs from the "
            "text.",
        ),
    ],
    project: ProjectOption = HERE,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="The recipe whose parts are varied; default paper-penn-casa. Not for table1 to "
            "table3.",
        ),
    ] = None,
    settings: SetOption = None,
    minutes: RunMinutesOption = None,
    seeds: SeedsOption = "0",
    overwrite: RetrainOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train and evaluate the rows of a table of the paper.

    Works on any clips with poses, and shows the figures of the paper beside them. A finished run
    is reused and an interrupted one is resumed, so the same command continues a table. Tables 1
    to 3 are la2ds benchmark on one project, by the protocol of the paper.

    \b
      la2ds reproduce table4 --project swings --minutes 30 --seeds 0,1,2
    """
    from la2ds_cli.core.console import Console

    options: dict[str, Any] = {
        "settings": settings or [],
        "minutes": minutes,
        "seeds": seed_numbers(seeds),
        "device": device,
        "overwrite": overwrite,
    }
    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        with opened.lock():
            if table in METHODS:
                code = _methods(console, opened, table, preset, options)
            else:
                code = _ablation(console, opened, table, preset, options)
    raise typer.Exit(code)


def _methods(
    console: Console, project: Project, table: str, preset: str | None, options: dict[str, Any]
) -> int:
    from la2ds_cli.commands.benchmark import print_benchmark
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.experiments.reproduce import compare_methods

    if preset is not None:
        raise UserError(
            f"{table} compares methods, each of which has its own preset",
            hint="leave --preset out; --set changes a setting of all of them",
        )
    result = compare_methods(project, table, progress=console.progress, **options)
    print_benchmark(console, "reproduce", result, project.results_dir("reproduce"))
    return result.exit_code()


def _ablation(
    console: Console, project: Project, table: Any, preset: str | None, options: dict[str, Any]
) -> int:
    from la2ds_cli.core.table import terminal
    from la2ds_cli.experiments.ablation_table import effort, notes, shown_table
    from la2ds_cli.experiments.reproduce import DEFAULT_PRESET
    from la2ds_cli.experiments.reproduce import reproduce as step

    preset = DEFAULT_PRESET if preset is None else preset
    result = step(project, table, preset=preset, progress=console.progress, **options)
    console.document("reproduce", {"project": project.root, **result.to_json()})
    console.line(result.title)
    console.rendered(terminal(shown_table(result)))
    console.line(effort(result))
    for text in notes(result):
        console.line(f"note: {text}", "yellow")
    console.note(f"in full: {project.results_dir('reproduce') / table}.md, .csv, .json")
    return result.exit_code()
