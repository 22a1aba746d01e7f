"""`la2ds import penn-action`: the label files of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import JsonOption, ProjectOption, QuietOption, open_or_create


def penn_action(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder that holds labels/*.mat.")],
    action: Annotated[
        str | None, typer.Option("--action", metavar="NAME", help="Only clips of this action.")
    ] = None,
    phases: Annotated[
        Path | None,
        typer.Option("--phases", metavar="FILE.csv", help="Phases: video,start,end,phase."),
    ] = None,
    carl_labels: Annotated[
        Path | None,
        typer.Option(
            "--carl-labels", metavar="DIR", help="Phases: CARL's {train,val}/ACTION/ID*.npy."
        ),
    ] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """The 13 hand-labelled joints of Penn Action, and its split.

    Makes the project where there is none.

    \b
      la2ds import penn-action Penn_Action --action golf_swing --project golf
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.formats import penn_action
    from la2ds_cli.health.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_or_create(project, console)
        with opened.lock():
            results = penn_action.import_penn_action(
                opened,
                root,
                action=action,
                phases=phases,
                progress=console.progress,
                carl_labels=carl_labels,
            )
        console.items(results)
        console.document("import penn-action", {"project": opened.root, "items": results})
        console.next(f"{after_poses(opened)} --project {project}")
    raise typer.Exit(batch_exit_code(results))
