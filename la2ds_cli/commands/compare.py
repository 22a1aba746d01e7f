"""`la2ds compare`: where and when a clip differs from a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import Here, PairAlignment, argument, flag, option

if TYPE_CHECKING:
    from la2ds_cli.compare.attempts import AttemptsResult
    from la2ds_cli.compare.compare import CompareResult
    from la2ds_cli.core.console import Console


def compare(
    reference: str = argument("REFERENCE", "The clip that shows how to do it."),
    other: str | None = argument("OTHER", "The clip to compare with it.", None),
    attempts: list[str] | None = option(
        "VIDEO,...|PATTERN", "Instead of OTHER: several attempts, in order; repeatable."
    ),
    privacy: bool = flag("--privacy", "Draw stick figures instead of video pictures."),
    out: list[Path] | None = option(
        "FILE", "Write .png, .svg, .pdf, .html, .csv or .json; repeatable."
    ),
    *,
    how: PairAlignment,
    here: Here,
) -> None:
    """Show where and when OTHER differs from REFERENCE.

    \b
      la2ds compare coach.mp4 me.mp4 --project swings --out me.png --out me.html
      la2ds compare coach.mp4 --attempts 'me-*.mp4' --project swings

    Aligns the two, then compares the angles at the joints and the time each phase takes. A
    difference is not reported if noise, another camera or an uncertain alignment can explain it.
    Angles are those of the picture: film both from the same side. Without --out, a figure, a page
    and a JSON file are written to results/compare.

    --attempts compares each of several clips with REFERENCE, and says what all of them do. It
    writes a figure, a table and a JSON file.
    """
    from la2ds_cli.compare import compare as step
    from la2ds_cli.compare.attempts import attempt_names, compare_attempts
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import attempts_files, compare_files

    with here.console() as console:
        if attempts:
            opened = here.clips((reference,), console)
            targets = checked_outputs(opened, out or [], "attempts", attempts_files.SUFFIXES)
            names = attempt_names(opened, attempts)
            found = compare_attempts(
                opened, reference, names, how.request(opened), console.progress
            )
            found = attempts_files.write(opened, found, targets, console.progress)
            console.document("compare", found.to_json())
            _show_attempts(console, found)
            return
        assert other is not None
        opened = here.clips((reference, other), console)
        targets = checked_outputs(opened, out or [], "a comparison", compare_files.SUFFIXES)
        result = step.compare(opened, reference, other, how.request(opened), console.progress)
        result = compare_files.write(opened, result, targets, console.progress, privacy=privacy)
        console.document("compare", result.to_json())
        _show(console, result)


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


def _show(console: Console, result: CompareResult) -> None:
    from la2ds_cli.compare.compare import told

    said = told(result.to_json())
    console.line(f"reference: {result.aligned.a.name}")
    console.line(f"other:     {result.aligned.b.name}")
    for note in said["notes"]:
        console.line(note, "yellow")
    for line in [*(one["text"] for one in said["differs"]), *said["tempo"]]:
        console.line(line)
    for line in said["unjudged"]:
        console.line(line, "yellow")
    console.files(result.files)
