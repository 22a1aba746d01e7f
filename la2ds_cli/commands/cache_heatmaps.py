"""`la2ds cache-heatmaps`: from joints to stored heatmaps."""

from __future__ import annotations

from pathlib import Path

import typer

from la2ds_cli.commands.options import OVERWRITE, Here, option
from la2ds_cli.commands.projects import on_project, show_batch


def cache_heatmaps(
    overwrite: bool = OVERWRITE,
    sheet: Path | None = option(
        "FILE", "Also draw the stored maps of every clip: .png, .svg or .pdf."
    ),
    *,
    here: Here,
) -> None:
    """Render and store the heatmaps of all clips.

    \b
      la2ds cache-heatmaps --project swings --sheet maps.png

    Stores one map for every joint and every limb of every frame, to check what the network sees
    (--sheet) and for programs that read many clips often. Training and embedding render their own
    maps.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.features import heatmap_cache
    from la2ds_cli.health.status import after_poses
    from la2ds_cli.views import heatmap_sheet

    with here.console() as console:
        opened = here.open()
        checked_outputs(opened, [sheet] if sheet else [], "a sheet", heatmap_sheet.SUFFIXES)
        with opened.lock():
            results = heatmap_cache.cache_heatmaps(
                opened, opened.config().heatmap, overwrite=overwrite, progress=console.progress
            )
        stored = [item.video for item in results if item.usable]
        if sheet and stored:
            heatmap_sheet.write(opened, stored, sheet)
            console.note(f"wrote {sheet}")
        if show_batch(console, "cache-heatmaps", opened, results):
            console.next(on_project(after_poses(opened), here.project))
    raise typer.Exit(batch_exit_code(results))
