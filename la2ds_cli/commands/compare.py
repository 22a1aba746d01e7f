"""`la2ds compare`: where and when a clip differs from a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    MethodOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_for_clips,
)

if TYPE_CHECKING:
    from la2ds_cli.compare.result import CompareResult
    from la2ds_cli.core.console import Console

_LISTED = 8


def compare(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The clip that shows how it should be done.")
    ],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The clip to compare with it.")],
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    method: MethodOption = None,
    examples: Annotated[
        str | None,
        typer.Option(
            "--examples",
            metavar="VIDEO,...|all|train",
            help="Good clips: report how unusual OTHER is among them.",
        ),
    ] = None,
    privacy: Annotated[
        bool, typer.Option("--privacy", help="Draw stick figures instead of video pictures.")
    ] = False,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="FILE", help="Write .png, .svg, .pdf, .html, .csv or .json."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show where and when OTHER differs from REFERENCE.

    Aligns the two, then compares the angles at the joints and the time each phase takes. What
    noise of the joints, another camera or an uncertain alignment can explain is not reported as a
    difference. Angles are those of the picture: film both from the same side. Without --out, a
    figure, a page and a JSON file are written to results/compare.

    \b
      la2ds compare coach.mp4 me.mp4 --project swings --out me.png --out me.html
    """
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.compare import compare as step
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import compare_files

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_for_clips(project, (reference, other), console)
        targets = checked_outputs(opened, out or [], "a comparison", compare_files.SUFFIXES)
        result = step.compare(
            opened,
            reference,
            other,
            AlignRequest(opened.config(), run, features, method, device),
            examples=examples,
            progress=console.progress,
        )
        result = compare_files.write(opened, result, targets, console.progress, privacy=privacy)
        console.document("compare", result.to_json())
        _show(console, result)


def _show(console: Console, result: CompareResult) -> None:
    from la2ds_cli.compare.result import finding_lines, score_lines, tempo_lines, unjudged_line

    console.line(f"reference: {result.aligned.a.name}")
    console.line(f"other:     {result.aligned.b.name}")
    for note in result.notes:
        console.line(note, "yellow")
    for line in finding_lines(result, _LISTED):
        console.line(line)
    for line in tempo_lines(result):
        console.line(line)
    for line in score_lines(result):
        console.line(line)
    for row in result.unjudged:
        console.line(unjudged_line(row), "yellow")
    for file in result.files:
        console.line(str(file))
