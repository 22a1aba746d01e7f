"""`la2ds import`: existing poses, one sub-command per source format.

Pose files of other tools work alike and are described here; data sets are in import_data_sets.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands import import_data_sets
from la2ds_cli.commands.import_data_sets import import_into
from la2ds_cli.commands.options import HERE, JsonOption, ProjectOption, QuietOption
from la2ds_cli.core.errors import UserError

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.project import Project

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Import existing poses.

    \b
      la2ds import coco-json poses/ --fps 30 --project swings
      la2ds import dlc-csv mouse.csv --video mouse.mp4 --map snout=nose --project runs
      la2ds import penn-action Penn_Action --action golf_swing --project golf
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


_NOTE = "Creates the project if there is none."

# Format -> what it is and an example; the help of the sub-command.
POSE_FILES = {
    "coco-json": f"""COCO keypoint JSON: a data set or results, also AlphaPose.

    {_NOTE}

    \b
      la2ds import coco-json anna.json --video anna.mp4 --project swings
    """,
    "openpose-json": f"""OpenPose folders of NAME_000000000000_keypoints.json files.

    {_NOTE} PATH is the folder of one clip, or contains one folder for each clip.

    \b
      la2ds import openpose-json output_json/ --fps 30 --size 1920x1080 --project swings
    """,
    "mmpose-json": f"""Predictions that MMPoseInferencer saves for videos.

    {_NOTE}

    \b
      la2ds import mmpose-json predictions/ --fps 25 --skeleton halpe26 --project swings
    """,
    "ultralytics": f"""Pose results of Ultralytics: JSON, or txt label files.

    {_NOTE}

    \b
      la2ds import ultralytics runs/pose/track/labels --video anna.mp4 --project swings
    """,
    "wide-csv": f"""CSV of <joint>_x,<joint>_y,<joint>_score, as exported.

    {_NOTE}

    \b
      la2ds import wide-csv anna.csv --size 1920x1080 --project swings
    """,
    "dlc-csv": f"""CSV of DeepLabCut, of one or several individuals.

    {_NOTE} Body parts are matched by name; use --map for the others.

    \b
      la2ds import dlc-csv annaDLC_resnet50.csv --fps 60 --map hand_r=right_wrist --project runs
    """,
    "sleap": f"""SLEAP .slp and analysis .h5 files; needs sleap-io.

    {_NOTE}

    \b
      la2ds import sleap anna.slp --video anna.mp4 --project runs
    """,
    "trc": f"""TRC files, in pixels (Sports2D) or in space (OpenSim).

    {_NOTE}

    \b
      la2ds import trc anna_px_person00.trc --size 1920x1080 --project swings
    """,
    "c3d": f"""C3D files of motion capture.

    {_NOTE} Markers are matched by name; use --map for the others.

    \b
      la2ds import c3d trials/ --map LKNE=left_knee --map RKNE=right_knee --project gait
    """,
}


def pose_file_command(format_name: str) -> Callable[..., None]:
    """The function behind `la2ds import <format_name>`."""

    def run(
        path: Annotated[
            Path, typer.Argument(metavar="PATH", help="File, or folder of files, to import.")
        ],
        fps: Annotated[
            float | None,
            typer.Option(
                "--fps",
                metavar="N",
                min=0.001,
                max=1e6,
                help="Frames per second, if PATH has no times.",
            ),
        ] = None,
        size: Annotated[
            str | None,
            typer.Option("--size", metavar="WxH", help="Frame size in pixels, such as 1920x1080."),
        ] = None,
        skeleton: Annotated[
            str | None,
            typer.Option(
                "--skeleton",
                metavar="NAME",
                help="The skeleton to fill, or the order of the joints.",
            ),
        ] = None,
        video: Annotated[
            Path | None,
            typer.Option(
                "--video",
                metavar="FILE|DIR",
                help="The video of the poses, or a clip's name; or a folder of one for each.",
            ),
        ] = None,
        joint_map: Annotated[
            list[str] | None,
            typer.Option(
                "--map",
                metavar="THEIRS=OURS",
                help="Their name of a joint, and ours; repeatable.",
            ),
        ] = None,
        project: ProjectOption = HERE,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        from la2ds_cli.formats import load_importer
        from la2ds_cli.formats.file_clip import ImportOptions

        options = ImportOptions(
            fps=fps,
            size=_size(size),
            skeleton=skeleton,
            video=video,
            renamed=dict(_pair(text) for text in joint_map or []),
        )

        def importer(opened: Project, progress: Progress) -> list[ItemResult]:
            return load_importer(format_name)(opened, path, options, progress=progress)

        import_into(project, format_name, importer, as_json=as_json, quiet=quiet)

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
        raise UserError(f"--map {text} is not of the form THEIRS=OURS", hint="--map snout=nose")
    return theirs, ours


for _name, _help in POSE_FILES.items():
    app.command(_name, help=_help)(pose_file_command(_name))
app.command("penn-action")(import_data_sets.penn_action)
app.command("ikea-asm")(import_data_sets.ikea_asm)
app.command("h2o")(import_data_sets.h2o)
app.command("casa-npy")(import_data_sets.casa_npy)
