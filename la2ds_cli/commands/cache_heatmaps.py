"""`la2ds cache-heatmaps`: from joints to stored heatmaps."""

from __future__ import annotations

import typer

from la2ds_cli.commands.options import OVERWRITE, Here
from la2ds_cli.commands.projects import on_project, show_batch


def cache_heatmaps(
    overwrite: bool = OVERWRITE,
    *,
    here: Here,
) -> None:
    """Render and store the heatmaps of all clips.

    \b
      la2ds cache-heatmaps --project swings

    Stores one map for every joint and every limb of every frame, for programs that read
    many clips often. Training and embedding render their own maps.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.features import heatmap_cache
    from la2ds_cli.health.status import after_poses

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            results = heatmap_cache.cache_heatmaps(
                opened, opened.config().heatmap, overwrite=overwrite, progress=console.progress
            )
        if show_batch(console, "cache-heatmaps", opened, results):
            console.next(on_project(after_poses(opened), here.project))
    raise typer.Exit(batch_exit_code(results))
