"""`la2ds embed`: one vector per frame, from a trained run."""

from __future__ import annotations

from typing import Literal

import typer

from la2ds_cli.commands.options import DEVICE, RUN, Here, option
from la2ds_cli.commands.projects import on_project, show_batch
from la2ds_cli.core.device import DeviceName


def embed(
    run: str = RUN,
    engine: Literal["local", "ray"] = option(
        "local|ray", "Where the clips are embedded: here, or on a Ray cluster.", "local"
    ),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Compute an embedding for every frame.

    \b
      la2ds embed --project swings
      la2ds embed --project swings --engine ray

    Needs a trained run. align, retrieve and evaluate embed clips themselves when they need it.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.embedding import embed as embedding

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            results = embedding.embed(
                opened,
                run=run,
                device=device,
                progress=console.progress,
                engine=engine,
            )
        usable = show_batch(console, "embed", opened, results, run=run, engine=engine)
        if usable:
            console.next(f"{on_project('la2ds evaluate', here.project)} --run {run}")
    raise typer.Exit(batch_exit_code(results))
