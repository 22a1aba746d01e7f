"""`la2ds export`, `export-labels`, `import-labels`: poses and phases to and from other tools."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.options import Exported, Here, argument, flag, option
from la2ds_cli.commands.projects import show_batch

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult


def export_poses(
    format_name: str = argument(
        "FORMAT",
        "coco-json, openpose-json, wide-csv, dlc-csv or trc.",
    ),
    *,
    what: Exported,
    here: Here,
) -> None:
    """Write poses as files of other tools.

    \b
      la2ds export coco-json --project swings --out poses/
      la2ds export trc anna.mp4 ben.mp4 --project swings --out trc/

    Writes one file per clip (for openpose-json one folder), named after its id.
    docs/reference/file-formats.md says what each format keeps. Prints the paths written.
    """
    from la2ds_cli.formats.exchange import export_poses as export

    _export(here, what, "export", format_name, export)


def export_labels(
    format_name: str = argument("FORMAT", "elan, boris, kinovea or via3."),
    carried: bool = flag("--carried", "Include propagated labels that nobody has checked."),
    *,
    what: Exported,
    here: Here,
) -> None:
    """Write phases for ELAN, BORIS, Kinovea or VIA 3.

    \b
      la2ds export-labels elan --project swings --out eaf/
      la2ds export-labels boris anna.mp4 --project swings

    One file per clip, named after its id, in seconds of its video. Prints the paths written.
    """
    from la2ds_cli.labels.exchange import export_labels as export

    _export(here, what, "export-labels", format_name, partial(export, carried=carried))


def _export(
    here: Here,
    what: Exported,
    command: str,
    format_name: str,
    export: Callable[..., list[ItemResult]],
) -> None:
    """Write files of a format and print their paths."""
    from la2ds_cli.core.batch import batch_exit_code

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
        show_batch(console, command, opened, results, paths=True)
    raise typer.Exit(batch_exit_code(results))


def import_labels(
    format_name: str = argument("FORMAT", "elan, boris, kinovea or via3."),
    paths: list[Path] = argument("PATH", "Files, or folders of files, to import."),
    layer: str = option(
        "NAME", "The tier, subject or attribute to read, if there are several.", ""
    ),
    clip: str = option("NAME", "The clip, if the file does not name it.", ""),
    overwrite: bool = flag("--overwrite", "Replace labels that a person has set."),
    *,
    here: Here,
) -> None:
    """Import phases from ELAN, BORIS, Kinovea or VIA 3.

    \b
      la2ds import-labels elan anna.eaf --project swings --layer movement
      la2ds import-labels boris swings.boris --project swings

    They are assigned to the clips of the videos that the files name. Labels that a person has set
    are kept unless --overwrite is given. The old phases.csv is saved in results/phases.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.labels.exchange import import_labels as bring_in

    with here.console() as console:
        opened = here.open()
        results = bring_in(
            opened,
            format_name,
            paths,
            layer=layer,
            clip=clip,
            overwrite=overwrite,
            progress=console.progress,
        )
        show_batch(console, "import-labels", opened, results)
    raise typer.Exit(batch_exit_code(results))
