"""`la2ds retrieve`: the frames of other clips that look most like a given one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_project,
)

if TYPE_CHECKING:
    from la2ds_cli.console import Console
    from la2ds_cli.retrieval import RetrievalResult


def retrieve(
    project: ProjectOption = HERE,
    query: Annotated[
        str | None,
        typer.Option(
            "--query", metavar="VIDEO[@SECONDS]", help="A frame, or several spread over a clip."
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", metavar="N", min=1, help="Frames per query.")] = 7,
    run: RunOption = "default",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write .png, .svg, .pdf or .json.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the frames of other clips that are most alike.

    By the trained run, or by raw poses where there is none. Draws a sheet with the query on the
    left and its nearest frames beside it; with a phases.csv, frames of another phase are marked.
    Without --out a picture and a JSON file go to results/retrieve.

    \b
      la2ds retrieve --query anna@1.2 --k 7 --project swings --out sheet.png
    """
    from la2ds_cli import retrieval
    from la2ds_cli.console import Console

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        result = retrieval.retrieve(
            opened, run=run, k=k, query=query, out=out, device=device, progress=console.progress
        )
        console.document("retrieve", result.to_json())
        _show(console, result)


def _show(console: Console, result: RetrievalResult) -> None:
    rows = [
        (
            f"{query.video}@{query.time:.2f}",
            f"{hit.neighbour.video}@{hit.neighbour.time:.2f}",
            f"{hit.neighbour.distance:.3g}",
            hit.phase or "",
        )
        for query in result.queries
        for hit in query.hits
    ]
    console.table(("query", "found", "distance", "phase"), rows)
    by = f"model of run {result.run}" if result.features == "model" else "raw poses"
    console.line(f"compared by {by}")
    if result.agreement is not None:
        console.line(f"{result.agreement:.0%} of the labelled frames have the phase of their query")
    for video, reason in result.left_out.items():
        console.line(f"left out {video}: {reason}", "yellow")
    for file in result.files:
        console.line(str(file))
