"""`la2ds cache-heatmaps`: from joints to stored heatmaps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import (
    JsonOption,
    OverwriteOption,
    ProjectOption,
    QuietOption,
    on_project,
    open_project,
)


def cache_heatmaps(
    project: ProjectOption = Path(),
    overwrite: OverwriteOption = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also draw the stored maps of every clip: .png, .svg or .pdf."
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render and store the heatmaps of all clips.

    Stores one map for every joint and every limb of every frame, to check what the network sees
    (--sheet) and for programs that read many clips often. Training and embedding render their own
    maps.

    \b
      la2ds cache-heatmaps --project swings --sheet maps.png
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.features import heatmap_cache
    from la2ds_cli.health.status import after_poses
    from la2ds_cli.views import heatmap_sheet

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        checked_outputs(opened, [sheet] if sheet else [], "a sheet", heatmap_sheet.SUFFIXES)
        with opened.lock():
            results = heatmap_cache.cache_heatmaps(
                opened, opened.config().heatmap, overwrite=overwrite, progress=console.progress
            )
        stored = [item.video for item in results if item.usable]
        if sheet and stored:
            heatmap_sheet.write(opened, stored, sheet)
            console.note(f"wrote {sheet}")
        console.items(results)
        console.document("cache-heatmaps", {"project": opened.root, "items": results})
        if stored:
            console.next(on_project(after_poses(opened), project))
    raise typer.Exit(batch_exit_code(results))
