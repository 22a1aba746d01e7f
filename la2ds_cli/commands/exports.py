"""`la2ds export`: the poses of clips, one sub-command per format, as `la2ds import` has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.command import add_command
from la2ds_cli.commands.options import Exported, Here
from la2ds_cli.commands.projects import show_batch
from la2ds_cli.commands.usage_errors import Group

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult


app = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Write poses or phases as files for other tools.

    \b
      la2ds export coco-json --project swings --out poses/
      la2ds export trc anna.mp4 ben.mp4 --project swings --out trc/
      la2ds export labels elan --project swings --out eaf/

    docs/reference/file-formats.md says what each format keeps.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


# Format -> what it is, and an example: the help of the sub-command.
POSE_FILES = {
    "coco-json": ("COCO keypoint JSON, a file for each clip.", "--project swings --out poses/"),
    "openpose-json": ("OpenPose JSON, a folder for each clip.", "--project swings --out poses/"),
    "wide-csv": ("CSV of <joint>_x,<joint>_y,<joint>_score.", "anna.mp4 --project swings"),
    "dlc-csv": ("CSV of DeepLabCut, a file for each clip.", "anna.mp4 --project swings"),
    "trc": ("TRC files, as OpenSim reads them.", "anna.mp4 ben.mp4 --project swings --out trc/"),
}


def export_command(name: str) -> Callable[..., None]:
    """Return the sub-command that writes poses in a format."""

    def run(*, what: Exported, here: Here) -> None:
        from la2ds_cli.formats.import_export import export_poses

        export_clips(here, what, "export", partial(export_poses, format_name=name))

    run.__name__ = "export"
    what, example = POSE_FILES[name]
    run.__doc__ = (
        f"{what}\n\n\b\n  la2ds export {name} {example}\n\n"
        "Files are named after the ids of the clips. Prints the paths written."
    )
    return run


def heatmaps(*, what: Exported, here: Here) -> None:
    """Heatmaps of the joints, as .npz files.

    \b
      la2ds export heatmaps --project swings --out maps/

    Needs the heatmaps that la2ds lab cache-heatmaps stores. Prints the paths written.
    """
    from la2ds_cli.features.heatmap_cache import export_heatmaps

    export_clips(here, what, "export", export_heatmaps)


def export_clips(
    here: Here, what: Exported, command: str, export: Callable[..., list[ItemResult]]
) -> None:
    """Export clips, and print the paths of the files.

    Parameters
    ----------
    command: its name in the JSON document.
    """
    from la2ds_cli.core.batch import batch_exit_code

    with here.console() as console:
        opened = here.open()
        results = export(
            opened,
            names=what.videos or [],
            out=what.out,
            overwrite=what.overwrite,
            progress=console.progress,
        )
        show_batch(console, command, opened, results, paths=True)
    raise typer.Exit(batch_exit_code(results))


for _name in POSE_FILES:
    add_command(app, _name, export_command(_name))
add_command(app, "heatmaps", heatmaps)
