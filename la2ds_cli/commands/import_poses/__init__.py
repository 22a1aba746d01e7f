"""`la2ds import`: poses that exist already, one sub-command per source format."""

from __future__ import annotations

import typer

from la2ds_cli.commands.import_poses.casa_npy import casa_npy
from la2ds_cli.commands.import_poses.h2o import h2o
from la2ds_cli.commands.import_poses.ikea_asm import ikea_asm
from la2ds_cli.commands.import_poses.penn_action import penn_action
from la2ds_cli.commands.import_poses.pose_files import POSE_FILES, pose_file_command

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Bring in poses that exist already.

    \b
      la2ds import coco-json poses/ --fps 30 --project swings
      la2ds import dlc-csv mouse.csv --video mouse.mp4 --map snout=nose --project runs
      la2ds import penn-action Penn_Action --action golf_swing --project golf
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


for _name, _help in POSE_FILES.items():
    app.command(_name, help=_help)(pose_file_command(_name))
app.command("penn-action")(penn_action)
app.command("ikea-asm")(ikea_asm)
app.command("h2o")(h2o)
app.command("casa-npy")(casa_npy)
