"""`la2ds retrieve`: the frames of other clips that look most like a given one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_project,
)

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.retrieval.result import RetrievalResult, Searched


def retrieve(
    project: ProjectOption = HERE,
    query: Annotated[
        str | None,
        typer.Option(
            "--query", metavar="VIDEO[@SECONDS]", help="A frame, or several spread over a clip."
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("--k", metavar="N", min=1, max=100_000, help="Frames per query.")
    ] = 7,
    per_video: Annotated[
        int | None,
        typer.Option(
            "--per-video", metavar="N", min=1, help="At most this many from one clip; default all."
        ),
    ] = None,
    min_gap: Annotated[
        float | None,
        typer.Option(
            "--min-gap",
            metavar="SECONDS",
            min=0,
            help="Between two from one clip; default a tenth of the clip, 0.25 to 1 s.",
        ),
    ] = None,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    index: Annotated[
        Literal["exact", "approximate", "faiss"],
        typer.Option(
            "--index",
            metavar="exact|approximate",
            help="approximate: search near lists only, for millions of frames; reports its recall.",
        ),
    ] = "exact",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write .png, .svg, .pdf or .json.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the frames of other clips that are most alike.

    By the trained run, or by raw poses where there is none. Draws a sheet with the query on the
    left and its nearest frames beside it; with a phases.csv, frames of another phase stand in a red
    box. Without --out a picture and a JSON file go to results/retrieve. The features of all clips
    are kept in an index, so the next query reads new clips only.

    \b
      la2ds retrieve --query anna@1.2 --per-video 1 --project swings --out sheet.png
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.retrieval import retrieve as retrieval
    from la2ds_cli.views import retrieval_sheet

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        named = [out] if out else []
        targets = checked_outputs(opened, named, "a contact sheet", retrieval_sheet.SUFFIXES)
        result = retrieval.retrieve(
            opened,
            run=run,
            k=k,
            query=query,
            per_video=per_video,
            min_gap=min_gap,
            features=features,
            index=index,
            device=device,
            progress=console.progress,
        )
        result = retrieval_sheet.write(opened, result, targets, console.progress)
        console.document("retrieve", result.to_json())
        _show(console, result)


def _show(console: Console, result: RetrievalResult) -> None:
    from la2ds_cli.alignment.request import features_name

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
    by = features_name(result.features, result.run)
    console.line(f"compared by {by}")
    console.line(_searched(result.searched))
    if result.agreement is not None:
        console.line(f"{result.agreement:.0%} of the labelled frames have the phase of their query")
    for video, reason in result.left_out.items():
        console.line(f"left out {video}: {reason}", "yellow")
    for file in result.files:
        console.line(str(file))


def _searched(searched: Searched) -> str:
    parts = [f"searched {searched.frames} frames of {searched.clips} clips"]
    if searched.recall is None:
        parts.append("exactly")
    else:
        recall = searched.recall
        parts += [
            f"in {searched.nprobe} of {searched.lists} lists",
            f"which finds {recall.value:.1%} of the {recall.k} nearest frames (recall measured on "
            f"{recall.queries} queries)",
        ]
    if searched.kept and (searched.added or searched.dropped):
        parts.append(f"index: {searched.added} clips added, {searched.dropped} dropped")
    return ", ".join(parts)
