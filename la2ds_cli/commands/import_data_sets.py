"""`la2ds import` of data sets: their joints, splits and labels; one sub-command for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    JsonOption,
    ProjectOption,
    QuietOption,
    on_project,
    open_or_create,
)

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.project import Project


def import_into(
    project: Path,
    name: str,
    importer: Callable[[Project, Progress], list[ItemResult]],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run an importer on the project, which is created if it does not exist, and show the results.
    name: of the sub-command."""
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.health.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_or_create(project, console)
        with opened.lock():
            results = importer(opened, console.progress)
        console.items(results)
        console.document(f"import {name}", {"project": opened.root, "items": results})
        if any(result.usable for result in results):
            console.next(on_project(after_poses(opened), project))
    raise typer.Exit(batch_exit_code(results))


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
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """The 13 hand-labelled joints of Penn Action, and its split.

    Creates the project if there is none.

    \b
      la2ds import penn-action Penn_Action --action golf_swing --project golf
    """
    from la2ds_cli.formats.penn_action import import_penn_action

    def run(opened: Project, progress: Progress) -> list[ItemResult]:
        return import_penn_action(
            opened,
            root,
            action=action,
            phases=phases,
            progress=progress,
            carl_labels=carl_labels,
        )

    import_into(project, "penn-action", run, as_json=as_json, quiet=quiet)


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
            help="Which of several people: best scored, most central, or chosen over the whole "
            "clip.",
        ),
    ] = "score",
    fps: Annotated[
        float, typer.Option("--fps", metavar="N", min=0.001, max=1e6, help="Frames per second.")
    ] = 30.0,
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """2D poses of IKEA ASM, with its split and its actions.

    Creates the project if there is none. Actions come from gt_segments.json or, if it does not
    exist, from ikea_annotation_db_full and the lists in indexing_files.

    \b
      la2ds import ikea-asm ikea_asm --furniture kallax_shelf_drawer --project kallax
    """
    from la2ds_cli.formats.ikea_asm import import_ikea_asm

    def run(opened: Project, progress: Progress) -> list[ItemResult]:
        return import_ikea_asm(
            opened,
            root,
            furniture=furniture,
            camera=camera,
            poses=poses,
            person=person,
            fps=fps,
            progress=progress,
        )

    import_into(project, "ikea-asm", run, as_json=as_json, quiet=quiet)


def h2o(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder that holds subject1, subject2, ...")
    ],
    action: Annotated[
        str | None,
        typer.Option("--action", metavar="NAME", help="Only recordings with this action, in full."),
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
    """Both hands of H2O in 2D, with its split and its actions.

    Creates the project if there is none. The 3D joints are projected with cam_intrinsics.txt.
    Recordings of the validation list get no split.

    \b
      la2ds import h2o h2o --action "pour milk" --project milk
    """
    from la2ds_cli.formats.h2o import import_h2o

    def run(opened: Project, progress: Progress) -> list[ItemResult]:
        return import_h2o(opened, root, camera=camera, action=action, progress=progress)

    import_into(project, "h2o", run, as_json=as_json, quiet=quiet)


def casa_npy(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="NAME_train.npy or NAME_val.npy.")],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="train|test",
            help="The split of the clips; default by the file name, with val as test.",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="N", min=0.001, max=1e6, help="Frames per second; required."),
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
    """Joints of CASA, and its labels as phases.

    Creates the project if there is none. The file is pickled; a safe reader accepts only numbers,
    text and numpy arrays, and runs nothing. Records of SMPL and MANO parameters, such as those of
    Penn Action and H2O, hold no joints and are refused.

    \b
      la2ds import casa-npy kallax_shelf_drawer_train.npy --split train --fps 30 --project kallax
    """
    from la2ds_cli.formats.casa_npy import import_casa_npy
    from la2ds_cli.formats.file_clip import ImportOptions

    def run(opened: Project, progress: Progress) -> list[ItemResult]:
        return import_casa_npy(
            opened,
            path,
            split=split,
            options=ImportOptions(fps=fps, skeleton=skeleton),
            plane=plane,
            progress=progress,
        )

    import_into(project, "casa-npy", run, as_json=as_json, quiet=quiet)
