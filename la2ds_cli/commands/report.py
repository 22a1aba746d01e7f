"""`la2ds report`: HTML pages of a pair of clips or of the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    AnchorOption,
    DeviceOption,
    FeaturesOption,
    ForceOption,
    JsonOption,
    MethodOption,
    ProjectOption,
    QuietOption,
    RunOption,
    ViewOption,
    open_for_clips,
    open_project,
)
from la2ds_cli.core.errors import UserError

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.views.report.pair import PairReport


def report(
    a: Annotated[
        str | None, typer.Argument(metavar="A", help="A video file, or a clip of the project.")
    ] = None,
    b: Annotated[
        str | None, typer.Argument(metavar="B", help="The clip to show beside it.")
    ] = None,
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    method: MethodOption = None,
    anchor: AnchorOption = None,
    view: ViewOption = "auto",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", help="Where to write the page."),
    ] = None,
    privacy: Annotated[
        bool,
        typer.Option("--privacy", help="Skeletons only: no pictures from the videos."),
    ] = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a page of two clips in step, or of the project.

    One file that opens in any browser, offline: both clips played in step, distance matrix, tempo,
    differences of the joints, confidence, phases, baselines and weaknesses of the joints. Without
    clips, the page shows the project: its clips, runs, results and links to the pages of pairs.
    Without --out, it is written to results/report.

    \b
      la2ds report anna.mp4 ben.mp4 --project swings
      la2ds report anna.mp4 ben.mp4 --project swings --privacy --out swings.html
      la2ds report --project swings
    """
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.alignment.request import AlignRequest, parsed_anchors
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.report.pair import PAGE, write_pair

    if a is not None and b is None:
        raise UserError(
            "a pair needs two clips, but only one is named",
            hint="la2ds report A B for a pair, la2ds report for the project",
        )
    of_pairs = {
        "--run": run != "default",
        "--features": features != "auto",
        "--anchor": anchor,
        "--method": method,
        "--force": force,
    }
    if a is None and (given := [name for name, value in of_pairs.items() if value]):
        raise UserError(
            f"{given[0]} is for a pair of clips, but none is named",
            hint="la2ds report A B for a pair, or leave it out",
        )
    with Console(as_json=as_json, quiet=quiet) as console:
        if a is None or b is None:
            from la2ds_cli.views.report.overview import write_overview

            opened = open_project(project)
            checked_outputs(opened, [out] if out else [], *PAGE)
            page = write_overview(opened, out=out, privacy=privacy, progress=console.progress)
            console.document("report", page.to_json())
            clips = "1 clip" if page.clips == 1 else f"{page.clips} clips"
            pages = "1 page" if page.pairs == 1 else f"{page.pairs} pages"
            console.line(f"{clips}, {pages} of pairs")
            console.line(f"{page.file}")
            return
        opened = open_for_clips(project, (a, b), console)
        checked_outputs(opened, [out] if out else [], *PAGE)
        request = AlignRequest(
            opened.config(),
            run,
            features,
            method,
            device,
            anchors=parsed_anchors(anchor),
            view=view,
            same_only=not force,
        )
        result = find_alignment(opened, a, b, request, console.progress)
        pair = write_pair(opened, result, out=out, privacy=privacy, progress=console.progress)
        console.document("report", pair.to_json())
        _show(console, pair)


def _show(console: Console, pair: PairReport) -> None:
    for letter, video, images in zip(
        "AB", (pair.result.a, pair.result.b), pair.images, strict=True
    ):
        pictures = "joints only"
        if images:
            pictures = f"{len(images.pictures)} pictures of {images.size[0]} x {images.size[1]}"
            pictures += f", one frame in {images.every}" if images.every > 1 else ""
        console.line(f"{letter}: {video.id}, {pictures}")
    console.line(f"{pair.file} ({pair.bytes / 1e6:.1f} MB)")
