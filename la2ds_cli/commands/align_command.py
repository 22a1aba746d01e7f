"""`la2ds align`: which frames of two clips match. `la2ds timeline`: the same for many clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import (
    CLIP_A,
    AlignmentOptions,
    AnchoredAlignment,
    Here,
    argument,
    flag,
    option,
    out_option,
)

if TYPE_CHECKING:
    from la2ds_cli.alignment.aligned_repetitions import RepetitionsResult
    from la2ds_cli.alignment.alignment import Alignment
    from la2ds_cli.alignment.curve_groups import CurveGroups
    from la2ds_cli.alignment.timeline_result import TimelineResult
    from la2ds_cli.core.clip_names import ShownNames
    from la2ds_cli.core.console import Console

_LISTED = 20  # clips of a timeline


def align(
    a: str = CLIP_A,
    b: str = argument("B", "The clip to align with it."),
    out: list[Path] | None = out_option(
        "FILE",
        "Write .png, .svg, .pdf, .csv or .json, the video of la2ds sync (.mp4) or the page of "
        "la2ds report (.html); repeatable.",
    ),
    repetition: str | None = option(
        "N|best|all", "Repetition of B to align: the N-th, the nearest, or all."
    ),
    *,
    how: AnchoredAlignment,
    here: Here,
) -> None:
    """Find which frame of A is which frame of B.

    \b
      la2ds align anna.mp4 ben.mp4 --project swings
      la2ds align anna ben --project swings --out ab.png --out ab.mp4
      la2ds align squat.mp4 five_squats.mp4 --repetition all

    Needs no trained model. Joints of new videos are extracted first, and the project is created if
    there is none. Without --out, a picture and a JSON file are written to results/align, named
    after both files: anna-ben.png.

    Clips that clearly show different movements are refused. --anchor corrects a wrong match and may
    be repeated: --anchor 1.2=0.85 means that 1.2 s of A is 0.85 s of B.

    --repetition splits a clip with several repetitions. With `all`, the picture shows them on the
    timeline of B; a number or `best` aligns one repetition like a clip.

    la2ds timeline aligns any number of clips; la2ds live follows a performer through A.
    """
    from la2ds_cli.alignment.aligned_repetitions import align_clips, align_repetitions
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import alignment_files

    with here.console() as console:
        opened = here.clips((a, b), console)
        progress = console.progress
        request = how.request(opened)
        every = repetition == "all"
        kinds = alignment_files.REPETITIONS if every else alignment_files.AN_ALIGNMENT
        targets = checked_outputs(opened, out or [], *kinds, (a, b))
        if repetition is not None:
            repetitions = align_repetitions(opened, a, b, request, repetition, progress)
            if every:
                written = alignment_files.write_repetitions(opened, repetitions, targets, progress)
                console.document("align", written.to_json())
                _show_repetitions(console, written)
                return
            best = repetitions.best
            part, name = best.aligned, f"-repetition-{best.number}"
        else:
            part, name = align_clips(opened, a, b, request, progress), ""
        result = alignment_files.write_alignment(opened, part, targets, progress, name)
        console.document("align", result.to_json())
        _show(console, result)


def _show(console: Console, result: Alignment) -> None:
    from la2ds_cli.alignment.nearest_view import IN_WORDS
    from la2ds_cli.alignment.request import features_name

    by = features_name(result.features, result.run)
    a, b = result.titles
    console.line(f"A: {a}, {len(result.time_a)} frames")
    console.line(f"B: {b}, {len(result.time_b)} frames")
    seen = "" if result.view == "filmed" else f", B {IN_WORDS[result.view]}"
    console.line(f"aligned by {result.method} on {by}{seen}")
    if count := result.references:
        clips = f"{count} reference clip{'s' * (count > 1)} (align.reference_clips)"
        console.line(f"consensus through {clips}")
    if result.references_left_out:
        console.line(f"reference clips of other movements left out: {result.references_left_out}")
    if missing := int((~result.matched_b).sum()):
        frames = f"{missing} frames of B have" if missing > 1 else "1 frame of B has"
        console.line(f"{frames} no counterpart")
    if result.overall_ratio == result.overall_ratio:  # NaN if nothing moves
        console.line(f"B takes {result.overall_ratio:.2f} times as long as A")
    first, *rest = result.certainty_lines
    matched = any(place == place for place in result.position)  # NaN = no counterpart
    console.line(first + " in nine of ten cases" * matched)
    for line in rest:
        console.line(line)
    for line in result.certificate.lines[:1]:
        console.line(line)
    console.files(result.files)


def _show_repetitions(console: Console, result: RepetitionsResult) -> None:
    from la2ds_cli.alignment.aligned_repetitions import count_of

    number, of = result.of_a
    which = f", repetition {number} of {of}" if of > 1 else ""
    console.line(f"A: {result.a.title}{which}")
    console.line(f"B: {result.b.title}, {count_of(len(result.repetitions))}")
    console.line("   from s      to s   seconds  B/A time  distance  to within s")
    for each in result.repetitions:
        ratio, within = each.aligned.overall_ratio, each.aligned.usual_within
        facts = f"{each.number:2} {each.start:7.2f} {each.end:9.2f} {each.seconds:9.2f}"
        facts += f" {ratio:9.2f} {each.cost:9.2f} {within:12.2f}"
        console.line(facts + "  nearest" * (each is result.best))
    console.files(result.files)


def timeline(
    clips: list[str] | None = argument(
        "CLIP", "Video files, or clips of the project; default all with poses.", None
    ),
    group: str | None = option("NAME", "Use all clips of a group, instead of CLIP."),
    reference: str | None = option("CLIP", "The reference; default the most typical clip."),
    out: list[Path] | None = out_option(
        "FILE",
        "Write .png, .svg, .pdf, .csv or .json; .curves.csv and .curves.png (or .svg, .pdf) of "
        "angles over time; .clusters.csv and .npz of groups; repeatable.",
    ),
    by: str | None = option("COLUMN", "Divide the clips by a column of videos.csv."),
    paired: bool = flag("--paired", "Compare each performer (column group) with themselves."),
    regress: bool = flag("--regress", "The column holds numbers: find what changes with them."),
    quantity: list[str] | None = option(
        "NAME", "Compare only this, such as left_knee; repeatable.", show_default="all"
    ),
    *,
    how: AlignmentOptions,
    here: Here,
) -> None:
    """Put many clips on one timeline.

    \b
      la2ds timeline --project swings
      la2ds timeline a.mp4 b.mp4 c.mp4 --reference b.mp4 --project swings
      la2ds timeline --project swings --out mean.png

    Needs no trained model. Each clip is aligned with the reference, whose time is the timeline.
    Clips that clearly show another movement are left out and listed. Without --out, a figure, a
    table of frames, a table of curves and a JSON file are written to results/timeline.

    \b
      la2ds timeline --project swings --by sex --quantity left_knee
      la2ds timeline --project swings --by time --paired

    --by draws mean and spread of each group and, with the package spm1d, finds where along the
    movement two groups differ. The clips of a performer in a group count once. --by age
    --regress finds where it changes with a number.
    """
    from la2ds_cli.alignment.curve_groups import Grouping
    from la2ds_cli.alignment.grouped_timeline import align_groups
    from la2ds_cli.alignment.timeline import clips_of
    from la2ds_cli.compare.attempts import attempt_names
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import alignment_files

    named = clips or []
    with here.console() as console:
        opened = here.clips([*named, *filter(None, [reference])] or ["."], console)
        names = attempt_names(opened, named) or clips_of(opened, group)
        inputs = [*names, *filter(None, [reference])]
        targets = checked_outputs(opened, out or [], *alignment_files.A_TIMELINE, inputs)
        alignment_files.check_groups_named(targets, by)
        request, progress = how.request(opened, method="dtw"), console.progress
        grouping = Grouping(by or "", paired, regress, tuple(quantity or ()))
        result = align_groups(opened, names, request, grouping, reference, progress)
        result = alignment_files.write_timeline(opened, result, targets, progress)
        console.document("timeline", result.to_json())
        _show_timeline(console, result, opened.clip_names())


def _show_timeline(console: Console, result: TimelineResult, names: ShownNames) -> None:
    """Print where each clip is on the timeline, which are left out and why, and the files. names:
    of clips by id."""
    import numpy as np

    from la2ds_cli.alignment.request import features_name

    rows = [
        (
            names[clip.video.id],
            f"{(~np.isnan(clip.position)).sum()} of {len(clip.frame)}",
            f"{clip.times_as_long:.2f}",
            f"{clip.mean_confidence:.2f}",
        )
        for clip in result.clips
    ]
    if len(rows) <= _LISTED:
        console.table(("clip", "frames", "times as long", "confidence"), rows)
    chosen = "named" if result.named else "the most typical of a sample"
    console.line(
        f"{len(result.clips)} clips on the timeline of {result.clock.video.name} ({chosen})"
    )
    console.line(f"aligned by dtw on {features_name(result.features, result.run)}")
    for name, why in list(result.left_out.items())[:_LISTED]:
        console.line(f"left out: {names[name]}: {why}", "yellow")
    if len(result.left_out) > _LISTED:
        console.line(f"left out in all: {len(result.left_out)} (--json lists them)", "yellow")
    if note := result.angle_note():
        console.line(f"angles are {note}", "yellow")
    _note_clips(
        console,
        "may not show the same movement",
        [names[c.video.id] for c in result.doubtful],
    )
    _note_clips(
        console,
        "has several repetitions; the one most like the reference is used",
        [names[c.video.id] for c in result.clips if c.repetitions > 1],
    )
    if result.groups and result.groups.by:
        show_groups(console, result.groups)
    console.files(result.files)


def show_groups(console: Console, groups: CurveGroups) -> None:
    """Print the groups, where two of them differ, and what was not tested."""
    if groups.numbers:
        low, high = min(groups.numbers), max(groups.numbers)
        console.line(f"{groups.by}: {len(groups.numbers)} samples from {low:g} to {high:g}")
    else:
        counts = zip(groups.labels, groups.names, strict=True)
        sizes = ", ".join(f"{label} {len(names)}" for label, names in counts)
        console.line(f"groups by {groups.by}: {sizes}")
    if groups.left_out:
        what = f"without {groups.by}" if groups.numbers else "in no group"
        console.line(f"{what}: {', '.join(groups.left_out[:_LISTED])}", "yellow")
    if groups.reason:
        console.line(f"not tested: {groups.reason}", "yellow")
        return
    same = 0
    for test in groups.tests:
        name = test.quantity.replace("_", " ")
        if test.note:
            console.line(f"{name} is not tested: {test.note}", "yellow")
        same += not test.clusters and not test.note
        for each in test.clusters:
            word = "more" if each.difference > 0 else "less"
            more = f"{abs(each.difference):.3g} {test.unit} {word}"
            if groups.numbers:
                what = f"{more} for each 1 more of {groups.by},"
            else:
                what = f"{groups.labels[1]} is {more}"
            late = "; a shift in time would explain it" if each.timing else ""
            console.line(
                f"{name}: {what} from {each.start:.0f} to {each.end:.0f} %, {each.p_text}{late}"
            )
    if tested := groups.tested:
        kind = "relation" if groups.numbers else "difference"
        console.line(f"no {kind} found: {same} of {len(tested)} quantities")
        console.line(f"each quantity is a test of its own, at a level of {tested[0].alpha:.2g}")


def _note_clips(console: Console, note: str, clips: Sequence[str]) -> None:
    for name in clips[:_LISTED]:
        console.line(f"{name} {note}", "yellow")
    if len(clips) > _LISTED:
        console.line(f"... and {len(clips) - _LISTED} more", "yellow")
