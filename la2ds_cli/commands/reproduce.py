"""`la2ds reproduce`: a table of the paper on the project's clips."""

from __future__ import annotations

from typing import Literal

import typer

from la2ds_cli.commands.options import Here, Runs, argument, option

# As scores.METHOD_TABLES and reproduce.TableName of experiments
Table = Literal["table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8"]
METHODS = ("table1", "table2", "table3")  # compare methods, not parts of one


def reproduce(
    table: Table = argument(
        "TABLE",
        "table1, table2, table3: methods by phase classification, by progression and tau, "
        "by retrieval; table4, table5, table6, table7, table8: components, heatmaps, "
        "augmentations, missing joints, noisy joints.",
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

    from la2ds_cli.commands.benchmark import print_result
    from la2ds_cli.experiments import reproduce as tables
    from la2ds_cli.experiments.runner import Plan

    with here.console() as console:
        opened = here.open()
        plan = Plan(**training.arguments())
        with opened.lock():
            if table in METHODS:
                result = tables.compare_methods(opened, table, plan, console.progress)
            else:
                recipe = preset or tables.DEFAULT_PRESET
                progress = console.progress
                result = tables.reproduce(opened, table, plan, preset=recipe, progress=progress)
            print_result(console, "reproduce", result, opened.results_dir("reproduce"))
    raise typer.Exit(result.exit_code())
