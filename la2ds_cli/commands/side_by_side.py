"""`la2ds report` and `la2ds sync`: two clips side by side, as a page and as a video.
`la2ds offset`: how much later one recording of a performance starts than another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import (
    DEVICE,
    AnchoredAlignment,
    Here,
    Recordings,
    argument,
    flag,
    option,
)
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.offset.result import OffsetResult


def report(
    a: str = argument("A", "A video file, or a clip of the project."),
    b: str = argument("B", "The clip to show beside it."),
    out: Path | None = option("FILE.html", "Where to write the page."),
    privacy: bool = flag("--privacy", "Skeletons only: no pictures from the videos."),
    *,
    how: AnchoredAlignment,
    shown_as: Recordings,
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
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.report.pair import PAGE, write_pair

    with here.console() as console:
        opened = here.clips((a, b), console)
        checked_outputs(opened, [out] if out else [], *PAGE)
        result = shown_as.find(opened, a, b, how.request(opened), console.progress)
        page = write_pair(opened, result, out=out, privacy=privacy, progress=console.progress)
        size = page.stat().st_size
        document = {
            "file": str(page),
            "bytes": size,
            "a": result.a.id,
            "b": result.b.id,
            "features": result.alignment.features,
            "mirrored": result.alignment.mirrored,
        }
        console.document("report", document)
        console.line(f"{page} ({size / 1e6:.1f} MB)")


def sync(
    a: str = argument("A", "A video file, or a clip of the project."),
    b: str = argument("B", "The clip to show at the speed of A."),
    out: Path | None = option("FILE", "Video of both side by side, .mp4."),
    height: int = option("PIXELS", "Height of the pictures.", 480, min=64, max=2160),
    no_skeleton: bool = flag("--no-skeleton", "Leave the joints out."),
    privacy: bool = flag("--privacy", "Show the joints on a plain background, without pictures."),
    *,
    how: AnchoredAlignment,
    shown_as: Recordings,
    here: Here,
) -> None:
    """Show two clips side by side, moment by moment.

    \b
      la2ds sync anna.mp4 ben.mp4 --project swings --out side.mp4
      la2ds sync front.mp4 side.mp4 --project walks --same-performance

    Aligns B to A as `la2ds align` does. A plays at its own speed. B speeds up and slows down to
    follow it, and is grey where a moment of A has no counterpart. Without --out, the video is
    written to results/sync.
    """
    from la2ds_cli.alignment.request import features_name
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.sync import SUFFIXES, write_sync

    with here.console() as console:
        opened = here.clips((a, b), console)
        checked_outputs(opened, [out] if out else [], "a video", SUFFIXES)
        aligned = shown_as.find(opened, a, b, how.request(opened), console.progress)
        made = write_sync(
            opened,
            aligned,
            console.progress,
            out=out,
            height=height,
            skeleton=not no_skeleton,
            privacy=privacy,
        )
        console.document("sync", made)
        by = features_name(made["features"], aligned.run)
        console.line(f"{aligned.b.id} at the speed of {aligned.a.id}")
        console.line(f"aligned by {made['method']} on {by}" + ", B mirrored" * made["mirrored"])
        console.line(f"{made['frames']} frames at {made['fps']:.4g} per second")
        if lost := made["frames_without_counterpart"]:
            console.line(f"{lost} of them have no counterpart in B")
        console.line(made["files"][0])


def offset(
    recordings: list[str] = argument("A B [C...]", "Video files, or clips of the project."),
    drift: bool | None = flag(
        "--drift/--no-drift",
        "Let clocks run at different rates, or not; default where 30 s overlap.",
        None,
    ),
    force: bool = flag("--force", "Give the best lag even if it is not one performance."),
    out: list[Path] | None = option("FILE", "Write .csv or .json; repeatable."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Find the lag between recordings of one performance.

    \b
      la2ds offset front.mp4 side.mp4 --project walks
      la2ds offset front.mp4 side.mp4 capture --project walks --out offsets.csv

    Two phones, or a phone and motion capture, that show the same person at the same time, from any
    side, at any frame rates. Seconds of A plus the offset are seconds of B; it holds to a fraction
    of a frame, with an interval of 90 %. Recordings of two performances are refused: la2ds align
    matches these. Prints commands for ffmpeg that cut the videos to what all show.
    """
    from la2ds_cli.core import artifact
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.offset.several import find_offsets

    with here.console() as console:
        opened = here.clips(recordings, console)
        targets = checked_outputs(opened, out or [], "offsets", (".csv", ".json"))
        result = find_offsets(
            opened,
            recordings,
            drift=drift,
            force=force,
            device=device,
            progress=console.progress,
        )
        told = result.to_json() | {"files": [str(file) for file in targets]}
        for file in targets:
            if file.suffix.lower() == ".csv":
                artifact.write_text(file, result.csv())
            else:
                artifact.write_json(file, told)
        console.document("offset", told)
        _show(console, result)
        console.files(targets)


def _show(console: Console, result: OffsetResult) -> None:
    for line in result.lags():
        console.line(line)
    for line in result.doubts():
        console.line(line, "yellow")
    for line in result.ffmpeg():
        console.line(line)
