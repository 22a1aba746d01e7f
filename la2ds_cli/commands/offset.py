"""`la2ds offset`: how much later one recording of a performance starts than another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from la2ds_cli.commands.options import DEVICE, Here, argument, flag
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.offset.result import OffsetResult


def offset(
    recordings: list[str] = argument("A B [C...]", "Video files, or clips of the project."),
    force: bool = flag("--force", "Give the best lag even if it is not one performance."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Find the lag between recordings of one performance.

    \b
      la2ds offset front.mp4 side.mp4 --project walks
      la2ds offset front.mp4 side.mp4 capture --project walks

    Two phones, or a phone and motion capture, that show the same person at the same time, from any
    side, at any frame rates. Seconds of A plus the offset are seconds of B; it holds to a fraction
    of a frame, with an interval of 90 %. Recordings of two performances are refused: la2ds align
    matches these. Prints commands for ffmpeg that cut the videos to what all show.
    """
    from la2ds_cli.offset.several import find_offsets

    with here.console() as console:
        opened = here.clips(recordings, console)
        progress = console.progress
        result = find_offsets(opened, recordings, force=force, device=device, progress=progress)
        console.document("offset", result.to_json())
        _show(console, result)


def _show(console: Console, result: OffsetResult) -> None:
    for line in result.lags():
        console.line(line)
    for line in result.doubts():
        console.line(line, "yellow")
    for line in result.ffmpeg():
        console.line(line)
