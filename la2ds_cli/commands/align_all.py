"""`la2ds align --all`: many clips on one timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import open_for_clips

if TYPE_CHECKING:
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.alignment.timeline_result import TimelineResult
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project

_LISTED = 20


@dataclass(frozen=True)
class AllOptions:
    """The options of `la2ds align` that need --all."""

    reference: str | None
    group: str | None
    video: Path | None

    def refuse(self) -> None:
        """Raises UserError (exit 2) if one is given without --all."""
        from la2ds_cli.core.errors import UserError

        for name in ("reference", "group", "video"):
            if getattr(self, name) is not None:
                raise UserError(f"--{name} needs --all", hint="add --all, or leave it out")


def run_all(
    console: Console,
    root: Path,
    clips: Sequence[str],
    options: AllOptions,
    request_for: Callable[[Project], AlignRequest],
    out: Sequence[Path],
) -> None:
    """Put the clips, or all of the project or of a group, on one timeline; write and print it.

    request_for: makes the request from the project's settings. Raises UserError as align_all, and
    (exit 2) for clips together with a group.
    """
    from la2ds_cli.alignment.timeline import align_all, clips_of
    from la2ds_cli.compare.attempts import attempt_names
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.views import timeline_figure, timeline_video

    if clips and options.group is not None:
        raise UserError("--group chooses the clips", hint="leave out the clips or --group")
    project = open_for_clips(root, [*clips, *filter(None, [options.reference])] or ["."], console)
    targets = timeline_figure.timeline_targets(project, out)
    timeline_video.check_video(project, options.video)
    names = attempt_names(project, clips) or clips_of(project, options.group)
    progress = console.progress
    result = align_all(
        project, names, request_for(project), reference=options.reference, progress=progress
    )
    if options.video is not None:
        result = timeline_video.write_grid(project, result, options.video, progress)
    result = timeline_figure.write_timeline(project, result, targets, progress)
    console.document("align", result.to_json())
    show(console, result)


def show(console: Console, result: TimelineResult) -> None:
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
    _say(console, "seems to be slow motion", [c.video.id for c in result.slow])
    _say(
        console,
        "has several repetitions; the one nearest to the reference is placed",
        [clip.video.id for clip in result.clips if clip.repetitions > 1],
    )
    for file in result.files:
        console.line(str(file))


def _say(console: Console, what: str, clips: Sequence[str]) -> None:
    for name in clips[:_LISTED]:
        console.line(f"{name} {what}", "yellow")
    if len(clips) > _LISTED:
        console.line(f"... and {len(clips) - _LISTED} more", "yellow")
