"""`la2ds cache-heatmaps`: from joints to stored heatmaps."""

from __future__ import annotations

from pathlib import Path

import typer

from la2ds_cli.commands.options import (
    JsonOption,
    OverwriteOption,
    ProjectOption,
    QuietOption,
    open_project,
)


def cache_heatmaps(
    project: ProjectOption = Path(),
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render and store the heatmaps of all clips.

    One map for every joint and every limb of every frame, for a look at what the network sees
    and for programs that read many clips often. Training and embedding render their own.

    \b
      la2ds cache-heatmaps --project swings
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.features import heatmap_cache
    from la2ds_cli.health.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        with opened.lock():
            results = heatmap_cache.cache_heatmaps(
                opened, opened.config().heatmap, overwrite=overwrite, progress=console.progress
            )
        console.items(results)
        console.document("cache-heatmaps", {"project": opened.root, "items": results})
        console.next(f"{after_poses(opened)} --project {project}")
    raise typer.Exit(batch_exit_code(results))
