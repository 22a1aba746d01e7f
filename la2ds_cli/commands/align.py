"""`la2ds align`: which frame of one clip is which frame of another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    MethodOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_for_clips,
)

if TYPE_CHECKING:
    from la2ds_cli.alignment.align import AlignResult
    from la2ds_cli.console import Console


def align(
    a: Annotated[str, typer.Argument(metavar="A", help="A video file, or a clip of the project.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The clip to align with it.")],
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    method: MethodOption = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="FILE", help="Write .png, .svg, .pdf, .csv or .json."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find which frame of A is which frame of B.

    Needs no trained model. Video files that are new to the project are extracted first; with
    them the project is made where there is none. Without --out a picture and a JSON file go to
    results/align.

    \b
      la2ds align anna.mp4 ben.mp4 --project swings --out ab.png --out ab.csv
    """
    from la2ds_cli.alignment import align as step
    from la2ds_cli.console import Console

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_for_clips(project, (a, b), console)
        result = step.align(
            opened,
            a,
            b,
            config=opened.config(),
            run=run,
            features=features,
            method=method,
            out=out or [],
            device=device,
            progress=console.progress,
        )
        console.document("align", result.to_json())
        _show(console, result)


def _show(console: Console, result: AlignResult) -> None:
    found = result.alignment
    by = f"model of run {result.run}" if found.features == "model" else "raw poses"
    console.line(f"A: {result.a.id}, {len(found.time_a)} frames")
    console.line(f"B: {result.b.id}, {len(found.time_b)} frames")
    console.line(f"aligned by {found.method} on {by}" + (", B mirrored" * found.mirrored))
    if result.others:
        console.line(f"{result.others} other clips of the project had a say (align.routes)")
    console.line(f"B takes {result.overall_ratio:.2f} times as long as A")
    console.line(f"mean confidence {result.mean_confidence:.2f}: of being right to 5 % of B")
    for file in result.files:
        console.line(str(file))
