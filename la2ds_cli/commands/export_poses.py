"""`la2ds export`: poses of the project for other tools."""

from __future__ import annotations

import typer

from la2ds_cli.commands.options import Exported, Here, argument
from la2ds_cli.commands.projects import show_batch

_FORMATS = "coco-json, openpose-json, wide-csv, dlc-csv, trc, trc-3d, sleap, or a dotted "


def export_poses(
    format_name: str = argument("FORMAT", f"{_FORMATS}path."), *, what: Exported, here: Here
) -> None:
    """Write poses as files of other tools.

    \b
      la2ds export coco-json --project swings --out poses/
      la2ds export trc anna.mp4 ben.mp4 --project swings --out trc/

    Writes one file per clip (for openpose-json one folder), named after its id.
    docs/reference/file-formats.md says what each format keeps. Prints the paths written.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.formats.exporting import export_poses as export

    with here.console() as console:
        opened = here.open()
        results = export(
            opened,
            format_name,
            what.videos or [],
            what.out,
            overwrite=what.overwrite,
            progress=console.progress,
        )
        show_batch(console, "export", opened, results, paths=True)
    raise typer.Exit(batch_exit_code(results))
