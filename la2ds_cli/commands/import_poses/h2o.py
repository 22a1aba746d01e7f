"""`la2ds import h2o`: both hands, splits and actions of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import HERE, JsonOption, ProjectOption, QuietOption, open_or_create


def h2o(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder that holds subject1, subject2, ...")
    ],
    action: Annotated[
        str | None,
        typer.Option(
            "--action", metavar="NAME", help="Only recordings with this action, as a whole."
        ),
    ] = None,
    camera: Annotated[
        str,
        typer.Option(
            "--camera", metavar="NAME", help="cam0 to cam3, or cam4 on the head of the person."
        ),
    ] = "cam4",
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Both hands of H2O as a camera sees them, its split and its actions.

    Makes the project where there is none. The 3D joints are projected with cam_intrinsics.txt.
    Recordings of the validation list get no split.

    \b
      la2ds import h2o h2o --action "pour milk" --project milk
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.formats.h2o import import_h2o
    from la2ds_cli.health.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_or_create(project, console)
        with opened.lock():
            results = import_h2o(
                opened, root, camera=camera, action=action, progress=console.progress
            )
        console.items(results)
        console.document("import h2o", {"project": opened.root, "items": results})
        console.next(f"{after_poses(opened)} --project {project}")
    raise typer.Exit(batch_exit_code(results))
