"""`la2ds export-labels` and `la2ds import-labels`: phases to and from other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    ExportedArgument,
    ExportFolderOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    ReplaceOption,
    open_project,
)


def export_labels(
    format_name: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="elan, boris, boris-csv, kinovea or via3."),
    ],
    videos: ExportedArgument = None,
    project: ProjectOption = HERE,
    out: ExportFolderOption = None,
    carried: Annotated[
        bool,
        typer.Option("--carried", help="Include propagated labels that nobody has checked."),
    ] = False,
    overwrite: ReplaceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write phases for ELAN, BORIS, Kinovea or VIA 3.

    One file per clip, named after its id, in seconds of its video. Kinovea files also have the
    joints. Prints the paths written.

    \b
      la2ds export-labels elan --project swings --out eaf/
      la2ds export-labels boris anna.mp4 --project swings
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.labels.exchange import export_labels as export

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        results = export(
            opened,
            format_name,
            videos or [],
            out,
            carried=carried,
            overwrite=overwrite,
            progress=console.progress,
        )
        console.items(results)
        for result in results:
            if result.usable:
                console.line(result.path)
        console.document("export-labels", {"project": opened.root, "items": results})
    raise typer.Exit(batch_exit_code(results))


def import_labels(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="elan, boris, kinovea or via3.")
    ],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files, or folders of files, to import.")
    ],
    project: ProjectOption = HERE,
    layer: Annotated[
        str,
        typer.Option(
            "--layer",
            metavar="NAME",
            help="The tier, subject or attribute to read, if there are several.",
        ),
    ] = "",
    clip: Annotated[
        str,
        typer.Option("--clip", metavar="NAME", help="The clip, if the file does not name it."),
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace labels that a person has set.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Import phases from ELAN, BORIS, Kinovea or VIA 3.

    They are assigned to the clips of the videos that the files name. Labels that a person has set
    are kept unless --overwrite is given. The old phases.csv is saved in results/phases.

    \b
      la2ds import-labels elan anna.eaf --project swings --layer movement
      la2ds import-labels boris events.csv --project swings
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.labels.exchange import import_labels as bring_in

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        results = bring_in(
            opened,
            format_name,
            paths,
            layer=layer,
            clip=clip,
            overwrite=overwrite,
            progress=console.progress,
        )
        console.items(results)
        console.document("import-labels", {"project": opened.root, "items": results})
    raise typer.Exit(batch_exit_code(results))
