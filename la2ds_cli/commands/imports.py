"""`la2ds import`: existing poses, one sub-command per source format.

Pose files of other tools share a function and are described in POSE_FILES; data sets, which have
splits and labels, have a function each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.command import add_command
from la2ds_cli.commands.options import Here, argument, option
from la2ds_cli.commands.projects import on_project, open_or_create, show_batch
from la2ds_cli.commands.usage_errors import Group
from la2ds_cli.core.errors import UserError

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult


app = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Import existing poses or phases.

    \b
      la2ds import coco-json poses/ --fps 30 --project swings
      la2ds import dlc-csv mouse.csv --video mouse.mp4 --map snout=nose
      la2ds import penn-action Penn_Action --action golf_swing --project golf
      la2ds import labels elan anna.eaf --project swings
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


# Format -> what it is, details, and an example, for the help of the sub-command.
POSE_FILES = {
    "coco-json": (
        "COCO keypoint JSON of a data set.",
        "",
        "anna.json --video anna.mp4 --project swings",
    ),
    "openpose-json": (
        "OpenPose folders of NAME_000000000000_keypoints.json files.",
        "PATH is the folder of one clip, or contains one folder for each clip.",
        "json/ --fps 30 --size 1920x1080 --project swings",
    ),
    "mmpose-json": (
        "Predictions for videos, as saved by MMPoseInferencer.",
        "",
        "found/ --fps 25 --skeleton halpe26 --project swings",
    ),
    "wide-csv": (
        "CSV of <joint>_x,<joint>_y,<joint>_score, as exported.",
        "",
        "anna.csv --size 1920x1080 --project swings",
    ),
    "dlc-csv": (
        "CSV of DeepLabCut, of one or several individuals.",
        "Body parts are matched by name; use --map for the others.",
        "anna.csv --fps 60 --map hand=right_wrist",
    ),
    "sleap": (
        "SLEAP .slp and analysis .h5 files; needs sleap-io.",
        "",
        "anna.slp --video anna.mp4 --project runs",
    ),
    "trc": (
        "TRC files, in pixels (Sports2D) or in space (OpenSim).",
        "",
        "anna_px_person00.trc --size 1920x1080 --project swings",
    ),
    "c3d": (
        "C3D files of motion capture.",
        "Markers are matched by name; use --map for the others.",
        "trials/ --map LKNE=left_knee --project gait",
    ),
    "casa-npy": (
        "Joints of CASA, and its labels as phases.",
        "The file is pickled; a safe reader accepts only numbers, text and numpy arrays, and never "
        "runs code. Records of SMPL and MANO parameters, such as those of Penn Action and H2O, "
        "contain no joints and are refused.",
        "kallax_train.npy --fps 30 --project kallax",
    ),
}


def pose_file_command(format_name: str) -> Callable[..., None]:
    """Return the function behind `la2ds import <format_name>`."""

    def run(
        path: Path = argument("PATH", "File, or folder of files, to import."),
        fps: float | None = option(
            "N", "Frames per second, if PATH has no times.", min=0.001, max=1e6
        ),
        size: str | None = option("WxH", "Frame size in pixels, such as 1920x1080."),
        skeleton: str | None = option("NAME", "The skeleton, which defines the order of joints."),
        video: Path | None = option(
            "FILE|DIR", "The video of the poses, or a folder with a video for each clip."
        ),
        joint_map: list[str] | None = option(
            "THEIRS=OURS", "Name of a joint in the file, and in la2ds; repeatable.", None, "--map"
        ),
        *,
        here: Here,
    ) -> None:
        from la2ds_cli.formats.files import ImportOptions
        from la2ds_cli.formats.import_export import import_poses

        options = ImportOptions(
            fps=fps,
            size=_size(size),
            skeleton=skeleton,
            video=video,
            renamed=dict(_pair(text) for text in joint_map or []),
        )

        importer = partial(import_poses, format_name=format_name, root=path, options=options)
        import_into(here, format_name, importer)

    run.__name__ = "import"
    return run


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})[xX×]([1-9]\d{0,5})", text.strip())
    if match is None:
        raise UserError(f"'{text}' is not a frame size", hint="give --size 1920x1080")
    return int(match[1]), int(match[2])


def _pair(text: str) -> tuple[str, str]:
    theirs, sign, ours = (part.strip() for part in text.partition("="))
    if not (theirs and sign and ours):
        raise UserError(f"--map takes THEIRS=OURS, not '{text}'", hint="--map snout=nose")
    return theirs, ours


def _help(name: str) -> str:
    what, more, example = POSE_FILES[name]
    note = f"Creates the project if there is none. {more}"
    return f"{what}\n\n\b\n  la2ds import {name} {example}\n\n{note.strip()}"


def import_into(here: Here, name: str, importer: Callable[..., list[ItemResult]]) -> None:
    """Run an importer on the project, which is created if it does not exist, and show the results.

    Parameters
    ----------
    name: of the sub-command.
    importer: takes the project and `progress`.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.health.status import an_alignment

    with here.console() as console:
        opened = open_or_create(here.project, console)
        with opened.lock():
            results = importer(opened, progress=console.progress)
        if show_batch(console, f"import {name}", opened, results):
            console.next(on_project(an_alignment(opened), here.project))
    raise typer.Exit(batch_exit_code(results))


def penn_action(
    root: Path = argument("ROOT", "Folder with labels/*.mat."),
    action: str | None = option("NAME", "Only clips of this action."),
    carl_labels: Path | None = option("DIR", "Phases: CARL's {train,val}/ACTION/ID*.npy."),
    *,
    here: Here,
) -> None:
    """Import the labelled joints of Penn Action, and its split.

    \b
      la2ds import penn-action Penn_Action --action golf_swing --project golf

    Creates the project if there is none.
    """
    from la2ds_cli.datasets.penn_action import import_penn_action

    importer = partial(import_penn_action, root=root, action=action, carl_labels=carl_labels)
    import_into(here, "penn-action", importer)


def ikea_asm(
    root: Path = argument("ROOT", "Folder with Kallax_Shelf_Drawer and others."),
    furniture: str | None = option("NAME", "Only scans of this furniture."),
    *,
    here: Here,
) -> None:
    """Import the 2D poses of IKEA ASM, its split and its actions.

    \b
      la2ds import ikea-asm ikea_asm --furniture kallax_shelf_drawer

    Creates the project if there is none. Actions come from gt_segments.json.
    """
    from la2ds_cli.datasets.ikea_asm import import_ikea_asm

    importer = partial(import_ikea_asm, root=root, furniture=furniture)
    import_into(here, "ikea-asm", importer)


def h2o(
    root: Path = argument("ROOT", "Folder with subject1, subject2, ..."),
    action: str | None = option("NAME", "Only recordings with this action, at full length."),
    *,
    here: Here,
) -> None:
    """Import both hands of H2O in 2D, its split and its actions.

    \b
      la2ds import h2o h2o --action "pour milk" --project milk

    Creates the project if there is none. The 3D joints are projected with cam_intrinsics.txt.
    Recordings of the validation list get no split.
    """
    from la2ds_cli.datasets.h2o import import_h2o

    import_into(here, "h2o", partial(import_h2o, root=root, action=action))


for _name in POSE_FILES:
    add_command(app, _name, pose_file_command(_name), help=_help(_name))
for _data_set in (penn_action, ikea_asm, h2o):
    add_command(app, _data_set.__name__.replace("_", "-"), _data_set)
