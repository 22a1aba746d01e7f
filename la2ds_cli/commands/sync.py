"""`la2ds sync`: two clips as one video, the same moments at the same time."""

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
)

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.views.sync.sync import SyncResult


def sync(
    a: Annotated[str, typer.Argument(metavar="A", help="A video file, or a clip of the project.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The clip to show at the speed of A.")],
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    method: MethodOption = None,
    anchor: AnchorOption = None,
    view: ViewOption = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Video of both side by side, .mp4, or a Rerun recording, .rrd.",
        ),
    ] = None,
    height: Annotated[
        int,
        typer.Option(
            "--height", metavar="PIXELS", min=64, max=2160, help="Height of the pictures."
        ),
    ] = 480,
    skeleton: Annotated[
        bool, typer.Option("--skeleton/--no-skeleton", help="Draw the joints, or not.")
    ] = True,
    privacy: Annotated[
        bool,
        typer.Option("--privacy", help="Show the joints on a plain background, without pictures."),
    ] = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show two clips side by side, moment by moment.

    Aligns B to A as `la2ds align` does. A plays at its own speed. B speeds up and slows down to
    follow it, and is grey where a moment of A has no counterpart. Without --out, the video is
    written to results/sync.

    \b
      la2ds sync anna.mp4 ben.mp4 --project swings --out side.mp4
      la2ds sync anna ben --project swings --out pair.rrd
    """
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.alignment.request import AlignRequest, parsed_anchors
    from la2ds_cli.core.console import Console
    from la2ds_cli.views.sync.sync import Appearance, check_output, write_sync

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_for_clips(project, (a, b), console)
        appearance = Appearance(height, skeleton, privacy)
        check_output(out, appearance)
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
        aligned = find_alignment(opened, a, b, request, console.progress)
        result = write_sync(
            opened,
            aligned,
            out=out,
            appearance=appearance,
            progress=console.progress,
        )
        console.document("sync", result.to_json())
        _show(console, result)


def _show(console: Console, result: SyncResult) -> None:
    from la2ds_cli.alignment.request import features_name

    aligned, timeline = result.alignment, result.timeline
    by = features_name(aligned.alignment.features, aligned.run)
    note = ", B mirrored" * aligned.alignment.mirrored
    console.line(f"{aligned.b.id} at the speed of {aligned.a.id}")
    console.line(f"aligned by {aligned.alignment.method} on {by}{note}")
    console.line(f"{len(timeline)} frames at {timeline.fps:.4g} per second")
    lost = int((~timeline.matched).sum())
    if lost:
        console.line(f"{lost} of them have no counterpart in B")
    console.line(str(result.file))
