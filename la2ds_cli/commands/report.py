"""`la2ds report`: the page of a pair of clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import AnchoredAlignment, Here, argument, flag, option

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.views.report.pair import PairReport


def report(
    a: str = argument("A", "A video file, or a clip of the project."),
    b: str = argument("B", "The clip to show beside it."),
    out: Path | None = option("FILE.html", "Where to write the page."),
    privacy: bool = flag("--privacy", "Skeletons only: no pictures from the videos."),
    *,
    how: AnchoredAlignment,
    here: Here,
) -> None:
    """Write a page of two clips in step.

    \b
      la2ds report anna.mp4 ben.mp4 --project swings
      la2ds report anna.mp4 ben.mp4 --project swings --privacy --out swings.html

    One file that opens in any browser, offline: both clips played in step, distance matrix, tempo,
    differences of the joints, confidence, phases and weaknesses of the joints.
    Without --out, it is written to results/report.
    """
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.report.pair import PAGE, write_pair

    with here.console() as console:
        opened = here.clips((a, b), console)
        checked_outputs(opened, [out] if out else [], *PAGE)
        request = how.request(opened)
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
