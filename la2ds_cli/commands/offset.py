"""`la2ds offset`: how much later one recording of a performance starts than another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import DEVICE, Here, argument, flag, option
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.offset.result import OffsetResult


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
