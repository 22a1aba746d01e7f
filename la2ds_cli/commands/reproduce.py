"""`la2ds reproduce`: a table of the paper on the project's clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import typer

from la2ds_cli.commands.options import Here, Runs, argument, option

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project

# As metrics.METHOD_TABLES and ablations.TableName of experiments
Table = Literal[
    "table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8", "choices"
]
METHODS = ("table1", "table2", "table3")  # compare methods, not parts of one


def reproduce(
    table: Table = argument(
        "TABLE",
        "table1, table2, table3: methods by phase classification, by progression and tau, "
        "by retrieval; table4, table5, table6, table7, table8: components, heatmaps, "
        "augmentations, missing joints, noisy joints; choices: where la2ds departs from the "
        "text.",
    ),
    preset: str | None = option(
        "NAME",
        "The recipe whose parts are varied; default paper-penn-casa. Not for table1 to table3.",
    ),
    *,
    training: Runs,
    here: Here,
) -> None:
    """Train and evaluate the rows of a table of the paper.

    \b
      la2ds reproduce table4 --project swings --minutes 30 --seeds 0,1,2

    Works on any clips with poses, and shows the figures of the paper beside them. A finished run
    is reused and an interrupted one is resumed, so the same command continues a table. Tables 1
    to 3 are la2ds benchmark on one project, by the protocol of the paper.
    """

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            if table in METHODS:
                code = _methods(console, opened, table, training.arguments())
            else:
                code = _ablation(console, opened, table, preset, training.arguments())
    raise typer.Exit(code)


def _methods(console: Console, project: Project, table: str, options: dict[str, Any]) -> int:
    from la2ds_cli.commands.benchmark import print_benchmark
    from la2ds_cli.experiments.benchmark import Plan
    from la2ds_cli.experiments.reproduce import compare_methods

    result = compare_methods(project, table, Plan(**options), console.progress)
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
