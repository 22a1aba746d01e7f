"""`la2ds export-model`: the trained network of a run as an ONNX file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    JsonOption,
    ProjectOption,
    QuietOption,
    RunOption,
    on_project,
    open_project,
)


def export_model(
    project: ProjectOption = HERE,
    run: RunOption = "default",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.onnx", help="The file; default model.onnx in the run's folder."
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a trained model as an ONNX file.

    The file holds everything needed to embed clips: la2ds embed --engine onnx uses it, without
    torch. Its output is checked against torch before it is written. Prints its path.

    \b
      la2ds export-model --run default --out swings.onnx --project swings
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.embedding import model_export

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        exported = model_export.export_model(opened, run=run, out=out, progress=console.progress)
        check = exported.check
        console.note(
            f"{exported.size / 1e6:.1f} MB; differs from torch by up to {check.share:.0e} of the "
            f"largest number, on clips of {', '.join(map(str, check.lengths))} frames"
        )
        console.line(str(exported.path))
        console.document("export-model", {"project": opened.root, "model": exported})
        chosen = "" if out is None else f" --model {shlex.quote(str(exported.path))}"
        embed = on_project("la2ds embed", project)
        console.next(f"{embed} --run {run} --engine onnx{chosen}")
