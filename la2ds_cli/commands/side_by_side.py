"""`la2ds report` and `la2ds sync`: two clips side by side, as a page and as a video.
`la2ds compare`: where and when a clip differs from a reference.
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
    out_option,
)
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.compare.attempts import AttemptsResult
    from la2ds_cli.compare.compare_clips import CompareResult
    from la2ds_cli.core.console import Console
    from la2ds_cli.offset.offset_result import OffsetResult


_OFFSETS = "offsets", (".csv", ".json")  # for checked_outputs


def report(
    a: str = argument("A", "A video file, or a clip of the project."),
    b: str = argument("B", "The clip to show beside it."),
    out: Path | None = out_option("FILE.html", "Where to write the page."),
    privacy: bool = flag("--privacy", "Skeletons only: no pictures from the videos."),
    *,
    how: AnchoredAlignment,
    shown_as: Recordings,
    here: Here,
) -> None:
    """Write a page that shows two clips in step.

    \b
      la2ds report anna.mp4 ben.mp4 --project swings
      la2ds report anna.mp4 ben.mp4 --project swings --privacy --out swings.html

    Writes one file that opens in any browser, offline: both clips played in step, distance matrix,
    tempo, differences of joint angles, confidence, phases and problems with the joints. Without
    --out, it is written to results/report. la2ds align --out ab.html makes the same page.
    """
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.report.pair import PAGE, write_pair

    with here.console() as console:
        opened = here.clips((a, b), console)
        checked_outputs(opened, [out] if out else [], *PAGE, (a, b))
        result = shown_as.find(opened, a, b, how.request(opened), console.progress)
        page = write_pair(opened, result, out=out, privacy=privacy, progress=console.progress)
        size = page.stat().st_size
        document = {
            "file": str(page),
            "bytes": size,
            "a": result.a.id,
            "b": result.b.id,
            "features": result.features,
            "mirrored": result.mirrored,
        }
        console.document("report", document)
        console.line(f"{page} ({size / 1e6:.1f} MB)")


def sync(
    a: str = argument("A", "A video file, or a clip of the project."),
    b: str = argument("B", "The clip to show at the speed of A."),
    out: Path | None = out_option("FILE", "The video, .mp4, .mov or .mkv."),
    height: int = option("PIXELS", "Height of the pictures.", 480, min=64, max=2160),
    no_skeleton: bool = flag("--no-skeleton", "Do not draw the joints."),
    privacy: bool = flag("--privacy", "Show the joints on a plain background, without pictures."),
    *,
    how: AnchoredAlignment,
    shown_as: Recordings,
    here: Here,
) -> None:
    """Write a video of two clips side by side, in step.

    \b
      la2ds sync anna.mp4 ben.mp4 --project swings --out side.mp4
      la2ds sync front.mp4 side.mp4 --project walks --same-performance

    Aligns B with A as `la2ds align` does. A plays at its own speed; B speeds up and slows down to
    follow it, and is grey where a moment of A has no counterpart. Without --out, the video is
    written to results/sync. la2ds align --out ab.mp4 makes the same video.
    """
    from la2ds_cli.alignment.request import features_name
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views.sync import SUFFIXES, write_sync

    with here.console() as console:
        opened = here.clips((a, b), console)
        checked_outputs(opened, [out] if out else [], "a video", SUFFIXES, (a, b))
        aligned = shown_as.find(opened, a, b, how.request(opened), console.progress)
        document = write_sync(
            opened,
            aligned,
            console.progress,
            out=out,
            height=height,
            skeleton=not no_skeleton,
            privacy=privacy,
        )
        console.document("sync", document)
        by = features_name(document["features"], aligned.run)
        mirrored = ", B mirrored" * document["mirrored"]
        a, b = aligned.titles
        console.line(f"{b} at the speed of {a}")
        console.line(f"aligned by {document['method']} on {by}{mirrored}")
        console.line(f"{document['frames']} frames at {document['fps']:.4g} per second")
        if unmatched := document["frames_without_counterpart"]:
            console.line(f"frames without a counterpart in B: {unmatched}")
        console.line(document["files"][0])


def offset(
    recordings: list[str] = argument("A B [C...]", "Video files, or clips of the project."),
    drift: bool | None = flag(
        "--drift/--no-drift",
        "Whether clocks may run at different rates; default yes if 30 s or more overlap.",
        None,
    ),
    force: bool = flag("--force", "Return the best lag even if the performances seem to differ."),
    out: list[Path] | None = out_option("FILE", "Write .csv or .json; repeatable."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Find the lag between recordings of the same performance.

    \b
      la2ds offset front.mp4 side.mp4 --project walks
      la2ds offset front.mp4 side.mp4 capture --project walks --out offsets.csv

    For two phones, or a phone and motion capture, that record the same person at the same time,
    from any side and at any frame rates. Seconds of A plus the offset are seconds of B; the offset
    is exact to a fraction of a frame, and has a 90 % interval. Recordings of different performances
    are refused; use la2ds align for them. Prints ffmpeg commands that cut the videos to their
    common part.
    """
    from la2ds_cli.core import artifact
    from la2ds_cli.core.output_paths import checked_outputs, write_output
    from la2ds_cli.offset.find_offsets import find_offsets

    with here.console() as console:
        opened = here.clips(recordings, console)
        targets = checked_outputs(opened, out or [], *_OFFSETS, recordings)
        result = find_offsets(
            opened, recordings, drift=drift, force=force, device=device, progress=console.progress
        )
        document = result.to_json() | {"files": [str(file) for file in targets]}
        for file in targets:
            table = file.suffix.lower() == ".csv"
            write_output(opened, file, result.csv() if table else artifact.json_text(document))
        console.document("offset", document)
        _show(console, result)
        console.files(targets)


def _show(console: Console, result: OffsetResult) -> None:
    for line in result.lags():
        console.line(line)
    for line in result.doubts():
        console.line(line, "yellow")
    for line in result.ffmpeg():
        console.line(line)


def compare(
    reference: str = argument("REFERENCE", "The clip that shows how to do it."),
    other: str | None = argument("OTHER", "The clip to compare with it.", None),
    attempts: list[str] | None = option(
        "VIDEO,...|PATTERN", "Instead of OTHER: several attempts, in order; repeatable."
    ),
    privacy: bool = flag("--privacy", "Draw stick figures instead of video pictures."),
    quantity: list[str] | None = option(
        "MODULE", "Also compare the quantities of your own module; repeatable."
    ),
    out: list[Path] | None = out_option(
        "FILE", "Write .png, .svg, .pdf, .html, .csv or .json; repeatable."
    ),
    *,
    how: AnchoredAlignment,
    here: Here,
) -> None:
    """Show where and when OTHER differs from REFERENCE.

    \b
      la2ds compare coach.mp4 me.mp4 --project swings --out me.png --out me.html
      la2ds compare coach.mp4 --attempts 'me-*.mp4' --project swings

    Aligns both clips, then compares joint angles, lean of the trunk, width of the stance, heights
    of hips, hands and head, and the time each phase takes. A difference is not
    reported if noise, another camera or an uncertain alignment can explain it. Angles are measured
    in the picture, so film both from the same side. Without --out, a figure, a page and a JSON file
    are written to results/compare.

    --attempts compares each of several clips with REFERENCE, and reports what they have in common
    in a figure, a table and a JSON file.
    """
    from la2ds_cli.compare import compare_clips as step
    from la2ds_cli.compare.attempts import attempt_names, compare_attempts
    from la2ds_cli.compare.measured_quantities import load_quantities
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import attempts_files, compare_files

    with here.console() as console:
        more = load_quantities(quantity or [])
        if attempts:
            opened = here.clips((reference,), console)
            names = attempt_names(opened, attempts)
            inputs = [reference, *names]
            targets = checked_outputs(opened, out or [], *attempts_files.ATTEMPTS, inputs)
            compared = compare_attempts(
                opened, reference, names, how.request(opened), console.progress, more
            )
            compared = attempts_files.write(opened, compared, targets, console.progress)
            console.document("compare", compared.to_json())
            _show_attempts(console, compared)
            return
        assert other is not None
        opened = here.clips((reference, other), console)
        inputs = reference, other
        targets = checked_outputs(opened, out or [], *compare_files.A_COMPARISON, inputs)
        request = how.request(opened)
        result = step.compare(opened, reference, other, request, console.progress, quantities=more)
        result = compare_files.write(opened, result, targets, console.progress, privacy=privacy)
        console.document("compare", result.to_json())
        _show_differences(console, result)


def _show_attempts(console: Console, result: AttemptsResult) -> None:
    from la2ds_cli.compare.attempts import attempts_lines

    console.line(f"reference: {result.attempts[0].aligned.a.name}")
    for number, attempt in enumerate(result.attempts, start=1):
        console.line(f"attempt {number}: {attempt.aligned.b.name}")
    for name, why in result.left_out.items():
        console.line(f"left out: {name}: {why}", "yellow")
    for line in attempts_lines(result):
        console.line(line)
    console.files(result.files)


def _show_differences(console: Console, result: CompareResult) -> None:
    from la2ds_cli.compare.compare_clips import document_sentences

    sentences = document_sentences(result.to_json())
    console.line(f"reference: {result.aligned.a.name}")
    console.line(f"other:     {result.aligned.b.name}")
    for note in sentences["notes"]:
        console.line(note, "yellow")
    for line in [*(item["text"] for item in sentences["differs"]), *sentences["tempo"]]:
        console.line(line)
    for line in sentences["unjudged"]:
        console.line(line, "yellow")
    console.files(result.files)
