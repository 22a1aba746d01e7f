"""`la2ds demo`: the whole pipeline on rendered clips."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.commands.options import DEVICE, Output, argument, option
from la2ds_cli.commands.projects import on_project
from la2ds_cli.core.device import DeviceName


def demo(
    folder: Path = argument("DIR", "Where to create the demo project.", Path("la2ds-demo")),
    minutes: float = option("M", "Longest training, in minutes.", 1.5, min=0.1),
    device: DeviceName = DEVICE,
    *,
    output: Output,
) -> None:
    """Run the whole pipeline on rendered clips.

    \b
      la2ds demo

    Takes a few minutes on a CPU, from video to joints, embedding, alignment, retrieval and
    evaluation, and downloads nothing. The clips are rendered, so the true alignment is known and
    the result is checked against it. Running it again continues from what is done.
    """
    from la2ds_cli.demo.run import run_demo
    from la2ds_cli.evaluation.table import evaluation_table

    with output.console() as console:
        result = run_demo(folder, minutes=minutes, device=device, progress=console.progress)
        console.document("demo", result)
        console.rendered(evaluation_table(result["evaluation"]))
        truth = result["truth"]
        console.line()
        console.line(f"{result['clips']} clips, {result['training']['steps']} training steps")
        console.line(
            f"alignment of {truth['a']} and {truth['b']}: median error "
            f"{truth['median_error']:.1f} frames of {truth['length']} against the rendered truth "
            f"(constant speed: {truth['clock_median_error']:.1f})"
        )
        console.line("pictures:")
        for picture in result["pictures"]:
            console.line(f"  {picture}")
        console.next(on_project("la2ds status", folder))
