"""`la2ds report` and `la2ds sync`: two clips side by side, as a page and as a video."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.commands.options import AnchoredAlignment, Here, Recordings, argument, flag, option


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
