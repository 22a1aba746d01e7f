"""`la2ds embed`: one vector per frame, from a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from la2ds_cli.commands.options import (
    DeviceOption,
    JsonOption,
    OverwriteOption,
    ProjectOption,
    QuietOption,
    RunOption,
    on_project,
    open_project,
)


def embed(
    project: ProjectOption = Path(),
    run: RunOption = "default",
    engine: Annotated[
        Literal["torch", "onnx", "ray"],
        typer.Option(
            "--engine",
            metavar="torch|onnx|ray",
            help="onnx: the file written by la2ds export-model, on the CPU without torch. ray: "
            "torch, on a Ray cluster.",
        ),
    ] = "torch",
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="FILE.onnx", help="With --engine onnx; default the run's own file."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compute an embedding for every frame.

    Needs a trained run, or a model that was exported from one. align, retrieve and evaluate embed
    clips themselves when they need it.

    \b
      la2ds embed --project swings
      la2ds embed --project swings --engine onnx --model swings.onnx
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.embedding import embed as embedding
    from la2ds_cli.embedding.trained import has_model

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        with opened.lock():
            results = embedding.embed(
                opened,
                run=run,
                device=device,
                overwrite=overwrite,
                progress=console.progress,
                engine=engine,
                model=model,
            )
        console.items(results)
        document = {"project": opened.root, "run": run, "engine": engine, "items": results}
        console.document("embed", document)
        # A model lent by another project has no run here, which evaluate needs.
        if any(result.usable for result in results) and has_model(opened, run):
            console.next(f"{on_project('la2ds evaluate', project)} --run {run}")
    raise typer.Exit(batch_exit_code(results))
