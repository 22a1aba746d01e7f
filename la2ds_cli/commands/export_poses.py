"""`la2ds export`: poses of the project for other tools."""

from __future__ import annotations

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


def export_poses(
    format_name: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="coco-json, openpose-json, wide-csv, dlc-csv, trc, trc-3d, sleap, movement, or a "
            "dotted path.",
        ),
    ],
    videos: ExportedArgument = None,
    project: ProjectOption = HERE,
    out: ExportFolderOption = None,
    overwrite: ReplaceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write poses as files of other tools.

    Writes one file per clip (for openpose-json one folder), named after its id.
    docs/file-formats.md says what each format keeps. Prints the paths written.

    \b
      la2ds export coco-json --project swings --out poses/
      la2ds export trc anna.mp4 ben.mp4 --project swings --out trc/
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.formats.exporting import export_poses as export

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        results = export(
            opened, format_name, videos or [], out, overwrite=overwrite, progress=console.progress
        )
        console.items(results)
        for result in results:
            if result.usable:
                console.line(result.path)
        console.document("export", {"project": opened.root, "items": results})
    raise typer.Exit(batch_exit_code(results))
