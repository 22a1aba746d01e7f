"""`la2ds import casa-npy`: records of another project, read without running anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import HERE, JsonOption, ProjectOption, QuietOption, open_or_create


def casa_npy(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="NAME_train.npy or NAME_val.npy.")],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="train|test",
            help="The split of the clips; else by the file name, where val is test.",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="N", min=0.001, help="Frames per second; needed."),
    ] = None,
    skeleton: Annotated[
        str | None, typer.Option("--skeleton", metavar="NAME", help="The order of the joints.")
    ] = None,
    plane: Annotated[
        str,
        typer.Option("--plane", metavar="xy|xz|yz", help="Which axes of 3D joints are kept."),
    ] = "xy",
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Records of CASA that hold joints, and their labels as phases.

    Makes the project where there is none. The file is pickled; it is read by a reader that takes
    numbers, text and numpy arrays only and runs nothing. Records of SMPL and MANO parameters, such
    as those of Penn Action and H2O, hold no joints and are refused.

    \b
      la2ds import casa-npy kallax_shelf_drawer_train.npy --split train --fps 30 --project kallax
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.formats.casa_npy import import_casa_npy
    from la2ds_cli.formats.file_clip import ImportOptions
    from la2ds_cli.health.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_or_create(project, console)
        with opened.lock():
            results = import_casa_npy(
                opened,
                path,
                split=split,
                options=ImportOptions(fps=fps, skeleton=skeleton),
                plane=plane,
                progress=console.progress,
            )
        console.items(results)
        console.document("import casa-npy", {"project": opened.root, "items": results})
        console.next(f"{after_poses(opened)} --project {project}")
    raise typer.Exit(batch_exit_code(results))
