"""`la2ds embed`: one vector per frame, from a trained run."""

from __future__ import annotations

from pathlib import Path

import typer

from la2ds_cli.commands.options import (
    DeviceOption,
    JsonOption,
    OverwriteOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_project,
)


def embed(
    project: ProjectOption = Path(),
    run: RunOption = "default",
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compute an embedding for every frame.

    Needs a trained run. align, retrieve and evaluate call this by themselves where they need it.

    \b
      la2ds embed --project swings
    """
    from la2ds_cli import embedding
    from la2ds_cli.batch import batch_exit_code
    from la2ds_cli.console import Console

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        with opened.lock():
            results = embedding.embed(
                opened, run=run, device=device, overwrite=overwrite, progress=console.progress
            )
        console.items(results)
        console.document("embed", {"project": opened.root, "run": run, "items": results})
        console.next(f"la2ds evaluate --project {project} --run {run}")
    raise typer.Exit(batch_exit_code(results))
