"""`la2ds reproduce`: a table of the paper on the project's clips."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    open_project,
)

# As reproduce.rows.TableName
Table = Literal["table4", "table5", "table6", "table7", "table8", "choices"]


def reproduce(
    table: Annotated[
        Table,
        typer.Argument(
            metavar="TABLE",
            help=f"{', '.join(get_args(Table))}: components, heatmaps, augmentations, missing "
            "joints, noisy joints; choices: where la2ds departs from the text.",
        ),
    ],
    project: ProjectOption = HERE,
    preset: Annotated[
        str,
        typer.Option("--preset", metavar="NAME", help="The recipe whose parts are switched."),
    ] = "paper-penn",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting of every run."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", metavar="M", min=0.0, help="Longest training of each run, in minutes."
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="N,N,...", help="A run of every row for each seed.")
    ] = "0",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train every run from the start again.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train and evaluate the rows of a table of the paper.

    Works on any clips with poses; the paper's own figures, on H2O, stand beside. A finished run
    is used again and an interrupted one goes on, so the same command continues a table.

    \b
      la2ds reproduce table4 --project swings --minutes 30 --seeds 0,1,2
    """
    from la2ds_cli.console import Console
    from la2ds_cli.reproduce.reproduce import reproduce as step
    from la2ds_cli.reproduce.text import effort, notes, screen_table

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        with opened.lock():
            result = step(
                opened,
                table,
                preset=preset,
                settings=settings or [],
                minutes=minutes,
                seeds=_numbers(seeds),
                device=device,
                overwrite=overwrite,
                progress=console.progress,
            )
        console.document("reproduce", {"project": opened.root, **result.to_json()})
        console.line(result.title)
        console.rendered(screen_table(result))
        console.line(effort(result))
        for text in notes(result):
            console.line(f"note: {text}", "yellow")
        console.note(f"in full: {opened.results_dir('reproduce') / table}.md, .csv, .json")
    raise typer.Exit(result.exit_code())


def _numbers(text: str) -> list[int]:
    from la2ds_cli.errors import UserError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' is no list of seeds", hint="--seeds 0,1,2") from None
