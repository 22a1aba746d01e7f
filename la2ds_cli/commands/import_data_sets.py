"""`la2ds import` of data sets: their joints, splits and labels; one sub-command for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.options import Here, argument, option
from la2ds_cli.commands.projects import on_project, open_or_create, show_batch

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult


def import_into(here: Here, name: str, importer: Callable[..., list[ItemResult]]) -> None:
    """Run an importer on the project, which is created if it does not exist, and show the results.
    name: of the sub-command."""
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.health.status import after_poses

    with here.console() as console:
        opened = open_or_create(here.project, console)
        with opened.lock():
            results = importer(opened, progress=console.progress)
        if show_batch(console, f"import {name}", opened, results):
            console.next(on_project(after_poses(opened), here.project))
    raise typer.Exit(batch_exit_code(results))


def penn_action(
    root: Path = argument("ROOT", "Folder that holds labels/*.mat."),
    action: str | None = option("NAME", "Only clips of this action."),
    carl_labels: Path | None = option("DIR", "Phases: CARL's {train,val}/ACTION/ID*.npy."),
    *,
    here: Here,
) -> None:
    """The 13 hand-labelled joints of Penn Action, and its split.

    \b
      la2ds import penn-action Penn_Action --action golf_swing --project golf

    Creates the project if there is none.
    """
    from la2ds_cli.formats.penn_action import import_penn_action

    importer = partial(import_penn_action, root=root, action=action, carl_labels=carl_labels)
    import_into(here, "penn-action", importer)


def ikea_asm(
    root: Path = argument("ROOT", "Folder that holds Kallax_Shelf_Drawer and others."),
    furniture: str | None = option("NAME", "Only scans of this furniture."),
    camera: str = option("NAME", "dev1, dev2 or dev3.", "dev3"),
    *,
    here: Here,
) -> None:
    """2D poses of IKEA ASM, with its split and its actions.

    \b
      la2ds import ikea-asm ikea_asm --furniture kallax_shelf_drawer

    Creates the project if there is none. Actions come from gt_segments.json.
    """
    from la2ds_cli.formats.ikea_asm import import_ikea_asm

    importer = partial(import_ikea_asm, root=root, furniture=furniture, camera=camera)
    import_into(here, "ikea-asm", importer)


def h2o(
    root: Path = argument("ROOT", "Folder that holds subject1, subject2, ..."),
    action: str | None = option("NAME", "Only recordings with this action, in full."),
    camera: str = option("NAME", "cam0 to cam3, or cam4 on the head of the person.", "cam4"),
    *,
    here: Here,
) -> None:
    """Both hands of H2O in 2D, with its split and its actions.

    \b
      la2ds import h2o h2o --action "pour milk" --project milk

    Creates the project if there is none. The 3D joints are projected with cam_intrinsics.txt.
    Recordings of the validation list get no split.
    """
    from la2ds_cli.formats.h2o import import_h2o

    import_into(here, "h2o", partial(import_h2o, root=root, camera=camera, action=action))


def casa_npy(
    path: Path = argument("FILE", "NAME_train.npy or NAME_val.npy."),
    fps: float | None = option("N", "Frames per second; required.", min=0.001, max=1e6),
    skeleton: str | None = option("NAME", "The order of the joints."),
    *,
    here: Here,
) -> None:
    """Joints of CASA, and its labels as phases.

    \b
      la2ds import casa-npy kallax_train.npy --fps 30 --project kallax

    Creates the project if there is none. The file is pickled; a safe reader accepts only numbers,
    text and numpy arrays, and runs nothing. Records of SMPL and MANO parameters, such as those of
    Penn Action and H2O, hold no joints and are refused.
    """
    from la2ds_cli.formats.casa_npy import import_casa_npy
    from la2ds_cli.formats.file_clip import ImportOptions

    options = ImportOptions(fps=fps, skeleton=skeleton)
    import_into(here, "casa-npy", partial(import_casa_npy, root=path, options=options))
