"""`la2ds embed`: one vector per frame, from a trained run. `la2ds export-model`: its network as an
ONNX file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

import typer

from la2ds_cli.commands.options import DEVICE, RUN, Here, option
from la2ds_cli.commands.projects import on_project, show_batch
from la2ds_cli.core.device import DeviceName


def embed(
    run: str = RUN,
    engine: Literal["torch", "onnx", "ray"] = option(
        "torch|onnx|ray",
        "onnx: the file written by la2ds export-model, on the CPU without torch. ray: torch, on a "
        "Ray cluster.",
        "torch",
    ),
    model: Path | None = option("FILE.onnx", "With --engine onnx; default the run's own file."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Compute an embedding for every frame.

    \b
      la2ds embed --project swings
      la2ds embed --project swings --engine onnx --model swings.onnx

    Needs a trained run, or a model that was exported from one. align, retrieve and evaluate embed
    clips themselves when they need it.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.embedding import embed as embedding
    from la2ds_cli.embedding.trained import has_model

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            results = embedding.embed(
                opened,
                run=run,
                device=device,
                progress=console.progress,
                engine=engine,
                model=model,
            )
        usable = show_batch(console, "embed", opened, results, run=run, engine=engine)
        # A model lent by another project has no run here, which evaluate needs.
        if usable and has_model(opened, run):
            console.next(f"{on_project('la2ds evaluate', here.project)} --run {run}")
    raise typer.Exit(batch_exit_code(results))


def export_model(
    run: str = RUN,
    out: Path | None = option("FILE.onnx", "The file; default model.onnx in the run's folder."),
    *,
    here: Here,
) -> None:
    """Write a trained model as an ONNX file.

    \b
      la2ds export-model --project swings
      la2ds export-model --run wide --out wide.onnx --project swings

    The file holds everything needed to embed clips: la2ds embed --engine onnx uses it, without
    torch. Its output is checked against torch before it is written. Prints its path.
    """
    from la2ds_cli.embedding import model_export

    with here.console() as console:
        opened = here.open()
        exported = model_export.export_model(opened, run=run, out=out, progress=console.progress)
        check = exported.check
        console.note(
            f"{exported.size / 1e6:.1f} MB; differs from torch by up to {check.share:.0e} of the "
            f"largest number, on clips of {', '.join(map(str, check.lengths))} frames"
        )
        console.line(str(exported.path))
        console.document("export-model", {"project": opened.root, "model": exported})
        chosen = "" if out is None else f" --model {shlex.quote(str(exported.path))}"
        embed = on_project("la2ds embed", here.project)
        console.next(f"{embed} --run {run} --engine onnx{chosen}")
