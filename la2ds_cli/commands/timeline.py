"""`la2ds timeline`: many clips on one timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import Alignment, Here, argument, option

if TYPE_CHECKING:
    from la2ds_cli.alignment.timeline_result import TimelineResult
    from la2ds_cli.core.console import Console

_LISTED = 20


def timeline(
    clips: list[str] | None = argument(
        "CLIP", "Video files, or clips of the project; default all that have poses.", None
    ),
    group: str | None = option("NAME", "The clips of one group, instead of CLIP."),
    reference: str | None = option("CLIP", "Whose time to use; default the most typical."),
    out: list[Path] | None = option("FILE", "Write .png, .svg, .pdf, .csv or .json; repeatable."),
    *,
    how: Alignment,
    here: Here,
) -> None:
    """Put many clips on one timeline.

    \b
      la2ds timeline --project swings
      la2ds timeline anna.mp4 ben.mp4 cleo.mp4 --reference anna --project swings
      la2ds timeline --project swings --out mean.png

    Needs no trained model. Each clip is aligned with the reference, whose time is the timeline. A
    clip that clearly shows another movement is left out, and named. Without --out, a figure, a
    table and a JSON file are written to results/timeline.
    """
    from la2ds_cli.alignment.timeline import align_all, clips_of
    from la2ds_cli.compare.attempts import attempt_names
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import timeline_figure

    named = clips or []
    with here.console() as console:
        opened = here.clips([*named, *filter(None, [reference])] or ["."], console)
        targets = checked_outputs(opened, out or [], *timeline_figure.A_TIMELINE)
        names = attempt_names(opened, named) or clips_of(opened, group)
        request, progress = how.request(opened, method="dtw"), console.progress
        result = align_all(opened, names, request, reference=reference, progress=progress)
        result = timeline_figure.write_timeline(opened, result, targets, progress)
        console.document("timeline", result.to_json())
        _show(console, result)


def _show(console: Console, result: TimelineResult) -> None:
    """Print where each clip is on the timeline, which are left out and why, and the files."""
    import numpy as np

    from la2ds_cli.alignment.request import features_name

    rows = [
        (
            clip.video.id,
            f"{(~np.isnan(clip.position)).sum()} of {len(clip.frame)}",
            f"{result.times_as_long(clip):.2f}",
            f"{clip.mean_confidence:.2f}",
        )
        for clip in result.clips
    ]
    if len(rows) <= _LISTED:
        console.table(("clip", "frames", "times as long", "confidence"), rows)
    chosen = "named" if result.named else "the most typical of a sample"
    console.line(f"{len(result.clips)} clips on the timeline of {result.clock.video.id} ({chosen})")
    console.line(f"aligned by dtw on {features_name(result.features, result.run)}")
    for name, why in list(result.left_out.items())[:_LISTED]:
        console.line(f"left out: {name}: {why}", "yellow")
    if len(result.left_out) > _LISTED:
        console.line(f"left out: {len(result.left_out)} in all (--json lists them)", "yellow")
    _say(console, "may not show the same movement", [c.video.id for c in result.doubtful])
    _say(
        console,
        "has several repetitions; the one nearest to the reference is placed",
        [clip.video.id for clip in result.clips if clip.repetitions > 1],
    )
    console.files(result.files)


def _say(console: Console, what: str, clips: Sequence[str]) -> None:
    for name in clips[:_LISTED]:
        console.line(f"{name} {what}", "yellow")
    if len(clips) > _LISTED:
        console.line(f"... and {len(clips) - _LISTED} more", "yellow")
