"""`la2ds import ikea-asm`: 2D poses, splits and actions of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import HERE, JsonOption, ProjectOption, QuietOption, open_or_create


def ikea_asm(
    root: Annotated[
        Path,
        typer.Argument(metavar="ROOT", help="Folder that holds Kallax_Shelf_Drawer and others."),
    ],
    furniture: Annotated[
        str | None,
        typer.Option("--furniture", metavar="NAME", help="Only scans of this furniture."),
    ] = None,
    poses: Annotated[
        str,
        typer.Option(
            "--poses",
            metavar="NAME",
            help="A folder of predictions/pose2d, or ground-truth (one frame in a hundred).",
        ),
    ] = "keypoint_rcnn_ft",
    camera: Annotated[
        str, typer.Option("--camera", metavar="NAME", help="dev1, dev2 or dev3, the annotated one.")
    ] = "dev3",
    person: Annotated[
        str,
        typer.Option(
            "--person",
            metavar="score|centre|clip",
            help="Of several people: the best scored, the central one, or chosen over the clip.",
        ),
    ] = "score",
    fps: Annotated[
        float, typer.Option("--fps", metavar="N", min=0.001, help="Frames per second.")
    ] = 30.0,
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """2D poses of IKEA ASM, its cross-environment split and its actions.

    Makes the project where there is none. Actions come from gt_segments.json or,
    where it is absent, from ikea_annotation_db_full and the lists in indexing_files.

    \b
      la2ds import ikea-asm ikea_asm --furniture kallax_shelf_drawer --project kallax
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.formats.ikea_asm import import_ikea_asm
    from la2ds_cli.health.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_or_create(project, console)
        with opened.lock():
            results = import_ikea_asm(
                opened,
                root,
                furniture=furniture,
                camera=camera,
                poses=poses,
                person=person,
                fps=fps,
                progress=console.progress,
            )
        console.items(results)
        console.document("import ikea-asm", {"project": opened.root, "items": results})
        console.next(f"{after_poses(opened)} --project {project}")
    raise typer.Exit(batch_exit_code(results))
