"""`la2ds report`: HTML pages of a pair of clips or of the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import AnchoredAlignment, Here, argument, flag, option

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.views.report.pair import PairReport


def report(
    a: str | None = argument("A", "A video file, or a clip of the project.", None),
    b: str | None = argument("B", "The clip to show beside it.", None),
    out: Path | None = option("FILE.html", "Where to write the page."),
    privacy: bool = flag("--privacy", "Skeletons only: no pictures from the videos."),
    *,
    how: AnchoredAlignment,
    here: Here,
) -> None:
    """Write a page of two clips in step, or of the project.

    \b
      la2ds report anna.mp4 ben.mp4 --project swings
      la2ds report anna.mp4 ben.mp4 --project swings --privacy --out swings.html
      la2ds report --project swings

    One file that opens in any browser, offline: both clips played in step, distance matrix, tempo,
    differences of the joints, confidence, phases, baselines and weaknesses of the joints. Without
    clips, the page shows the project: its clips, runs, results and links to the pages of pairs.
    Without --out, it is written to results/report.
    """
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.report.pair import PAGE, write_pair

    with here.console() as console:
        if a is None or b is None:
            from la2ds_cli.views.report.overview import write_overview

            opened = here.open()
            checked_outputs(opened, [out] if out else [], *PAGE)
            page = write_overview(opened, out=out, privacy=privacy, progress=console.progress)
            console.document("report", page.to_json())
            clips = "1 clip" if page.clips == 1 else f"{page.clips} clips"
            pages = "1 page" if page.pairs == 1 else f"{page.pairs} pages"
            console.line(f"{clips}, {pages} of pairs")
            console.line(f"{page.file}")
            return
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
