"""`la2ds align`: which frame of one clip is which frame of another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    AnchorOption,
    DeviceOption,
    FeaturesOption,
    ForceOption,
    JsonOption,
    MethodOption,
    ProjectOption,
    QuietOption,
    RunOption,
    ViewOption,
    open_for_clips,
)

if TYPE_CHECKING:
    from la2ds_cli.alignment.aligned_repetitions import RepetitionsResult
    from la2ds_cli.alignment.result import AlignResult
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project


def align(
    a: Annotated[
        str | None, typer.Argument(metavar="A", help="A video file, or a clip of the project.")
    ] = None,
    b: Annotated[
        str | None,
        typer.Argument(metavar="B", help="The clip to align with it; with --live, the SOURCE."),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="MORE", help="With --all: further clips.")
    ] = None,
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    method: MethodOption = None,
    gaps: Annotated[
        bool | None,
        typer.Option(
            "--gaps/--no-gaps",
            help="Leave out moments that only one clip shows, or none; default the project's.",
        ),
    ] = None,
    tempo: Annotated[
        float | None,
        typer.Option(
            "--tempo", metavar="TIMES", help="B takes this many times as long, as in slow motion."
        ),
    ] = None,
    anchor: AnchorOption = None,
    view: ViewOption = "auto",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out", metavar="FILE", help="Write .png, .svg, .pdf, .csv or .json; repeatable."
        ),
    ] = None,
    repetition: Annotated[
        str | None,
        typer.Option(
            "--repetition",
            metavar="N|best|all",
            help="Repetition of B to align: the N-th, the nearest, or all.",
        ),
    ] = None,
    repetition_of_a: Annotated[
        int | None,
        typer.Option(
            "--repetition-of-a",
            metavar="N",
            help="With --repetition: use A's N-th instead of its most typical.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Put the named clips, or all clips, on one timeline."),
    ] = False,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="CLIP",
            help="With --all: whose time to use; default the most typical.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="NAME", help="With --all: the clips of one group."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            "--video", metavar="FILE", help="With --all: grid of up to 16 clips in step: .mp4."
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Follow SOURCE, a video or camera:0, through A as it plays."),
    ] = False,
    every_frame: Annotated[
        bool,
        typer.Option(
            "--every-frame", help="With --live: use every frame of a file, not in real time."
        ),
    ] = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find which frame of A is which frame of B.

    Needs no trained model. Video files that are new to the project are extracted first, and the
    project is created if there is none. Without --out, a picture and a JSON file are written to
    results/align.

    Clips that clearly show different movements are refused. --anchor, which may be repeated,
    corrects a wrong match: --anchor 1.2=0.85 says that 1.2 s of A is 0.85 s of B.

    --repetition splits a clip with several repetitions. With `all`, the picture shows them on the
    timeline of B, and each alignment has its own picture, ab-1.png, ab-2.png.

    --live reports, for each frame of SOURCE as it plays, where in A the performer is and how sure
    that is. --json prints a line of JSON for each frame, and a summary at the end. Ctrl-C ends it.

    \b
      la2ds align anna.mp4 ben.mp4 --project swings --out ab.png --out ab.csv
      la2ds align squat.mp4 five_squats.mp4 --repetition all
      la2ds align --all --project swings --out mean.png --out table.csv
      la2ds align anna.mp4 camera:0 --live --project swings
    """
    from la2ds_cli.alignment.align import find_alignment
    from la2ds_cli.alignment.repetition_counts import hint_of_repetitions
    from la2ds_cli.alignment.request import AlignRequest, parsed_anchors
    from la2ds_cli.commands.align_all import AllOptions, run_all
    from la2ds_cli.commands.align_live import refuse_beside_live, run_live
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.views import alignment_files

    def request_for(opened: Project) -> AlignRequest:
        return AlignRequest(
            opened.config(),
            run,
            features,
            method,
            device,
            gaps=gaps,
            tempo=tempo,
            anchors=parsed_anchors(anchor),
            view=view,
            same_only=not force,
        )

    options = AllOptions(reference, group, video)
    if live:
        refused = {"--all": everything, "--repetition": repetition, "--anchor": anchor}
        refused |= {"--repetition-of-a": repetition_of_a, "--method": method, "--tempo": tempo}
        refused["--view"] = view != "auto"
        refused |= {"--reference": reference, "--group": group, "--video": video, "--force": force}
        refused["--gaps"] = gaps is not None
        refuse_beside_live([name for name, given in refused.items() if given])
        if a is None or b is None or more:
            raise UserError(
                "align --live takes a clip A and a SOURCE", hint="la2ds align A camera:0 --live"
            )
        with Console(as_json=as_json, quiet=quiet) as console:
            run_live(console, project, (a, b), request_for, out or [], every_frame=every_frame)
        return
    if every_frame:
        raise UserError("--every-frame needs --live", hint="add --live, or leave it out")
    if everything:
        if repetition is not None or repetition_of_a is not None:
            raise UserError(
                "--repetition cannot be combined with --all", hint="leave out one of the two"
            )
        with Console(as_json=as_json, quiet=quiet) as console:
            clips = [*filter(None, (a, b)), *(more or [])]
            run_all(console, project, clips, options, request_for, out or [])
        return
    options.refuse()
    if a is None or b is None or more:
        raise UserError("align takes two clips", hint="la2ds align A B; --all takes any number")
    if repetition is None and repetition_of_a is not None:
        raise UserError("--repetition-of-a needs --repetition", hint="add --repetition best or all")

    if repetition is not None and anchor:
        raise UserError(
            "--anchor cannot be combined with --repetition", hint="align the two clips without it"
        )
    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_for_clips(project, (a, b), console)
        progress = console.progress
        request = request_for(opened)
        targets = alignment_files.alignment_targets(opened, out or [])
        if repetition is not None:
            from la2ds_cli.alignment.aligned_repetitions import align_repetitions

            repetitions = align_repetitions(
                opened, a, b, request, repetition, repetition_of_a, progress
            )
            repetitions = alignment_files.write_repetitions(opened, repetitions, targets, progress)
            console.document("align", repetitions.to_json())
            _show_repetitions(console, repetitions)
            return
        result = find_alignment(opened, a, b, request, progress)
        hint = hint_of_repetitions(opened, (result.a.id, result.b.id), (a, b))
        if hint:
            progress.note(hint)
        result = alignment_files.write_alignment(opened, result, targets, progress)
        console.document("align", result.to_json())
        _show(console, result)


def _show(console: Console, result: AlignResult) -> None:
    from la2ds_cli.alignment.request import features_name
    from la2ds_cli.alignment.viewpoint import IN_WORDS

    alignment = result.alignment
    by = features_name(alignment.features, result.run)
    console.line(f"A: {result.a.id}, {len(alignment.time_a)} frames")
    console.line(f"B: {result.b.id}, {len(alignment.time_b)} frames")
    seen = "" if alignment.view == "filmed" else f", B {IN_WORDS[alignment.view]}"
    console.line(f"aligned by {alignment.method} on {by}{seen}")
    strangers = result.match.strangers
    if result.references or strangers:
        console.line(
            f"consensus through {result.references} reference clips (align.reference_clips)"
            + f"; {strangers} of other movements left out" * bool(strangers)
        )
    if not alignment.matched_b.all():
        console.line(f"{(~alignment.matched_b).sum()} frames of B have no counterpart")
    if result.overall_ratio == result.overall_ratio:  # NaN where pairs run back and forth in time
        console.line(f"B takes {result.overall_ratio:.2f} times as long as A")
    console.line(f"{result.sureness} (the seconds hold in nine cases out of ten)")
    for file in result.files:
        console.line(str(file))


_POSES = {  # in words, by Repetition.cut_at
    "extended": "arms and legs are extended most",
    "rest": "B stays longest",
    "example": "A begins",
}


def _show_repetitions(console: Console, result: RepetitionsResult) -> None:
    from la2ds_cli.alignment.aligned_repetitions import count_of

    number, of = result.of_a
    which = f", repetition {number} of {of}" if of > 1 else ""
    console.line(f"A: {result.a.id}{which}")
    console.line(f"B: {result.b.id}, {count_of(len(result.repetitions))}")
    if at := _POSES.get(result.repetitions[0].span.cut_at):
        console.line(f"cut where {at}")
    console.line("   from s      to s   seconds  B/A time  distance  to within s")
    for each in result.repetitions:
        facts = f"{each.number:2} {each.start:7.2f} {each.end:9.2f} {each.seconds:9.2f}"
        if each.part is not None:
            cost = float(each.part.alignment.cost.mean())
            facts += f" {each.part.overall_ratio:9.2f} {cost:9.2f} {each.part.within:12.2f}"
        console.line(facts + "  nearest" * (each.number == result.best))
    for file in result.files:
        console.line(str(file))
