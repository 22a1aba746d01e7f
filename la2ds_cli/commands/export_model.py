"""`la2ds export-model`: the trained network of a run as an ONNX file."""

from __future__ import annotations

import shlex
from pathlib import Path

from la2ds_cli.commands.options import RUN, Here, option
from la2ds_cli.commands.projects import on_project


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
