"""`la2ds transfer-labels`: phases labelled on some clips, propagated to others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    open_project,
)

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.errors import ExitCode
    from la2ds_cli.core.phase_table import PhaseChange
    from la2ds_cli.core.project import Project
    from la2ds_cli.labels.check import CheckResult
    from la2ds_cli.labels.propagate import MergeResult, PropagationResult

NAMES = {"carried": "transfer-labels", "equal_votes": "... with equal votes"}
DRAWS = 5  # of each number of votes
MOST_SHOWN = 20  # clips whose changes of phases.csv are printed
SHOWN = {
    **{"median_percent": 2, "mean_percent": 2, "median_frames": 1, "median_seconds": 3},
    "frames_right": 3,
}


def transfer_labels(
    sources: Annotated[
        list[str],
        typer.Option(
            "--from",
            metavar="VIDEO,...",
            help="Labelled clips, which vote, or: labelled (all of them), train, test; repeatable.",
        ),
    ],
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="VIDEO,...",
            help="Clips to label, or: all (others), labelled, train, test; repeatable. "
            "[default: all]",
        ),
    ] = None,
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: FeaturesOption = "auto",
    method: MethodOption = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Also add them to the project's phases.csv, marked, and show the changes.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="With --write: replace labels propagated earlier, never those set by people.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder for the tables; default results/transfer."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Propagate to labelled clips and measure the errors; writes no labels."
        ),
    ] = False,
    votes: Annotated[
        str,
        typer.Option(
            "--votes",
            metavar="N,N,...",
            help="With --check: how many clips vote, drawn at random.",
        ),
    ] = "",
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws",
            metavar="N",
            min=1,
            max=10_000,
            help=f"With --votes: how often they are drawn; default {DRAWS}.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Propagate the phases of labelled clips to other clips.

    Each labelled clip is aligned with each other clip, which maps its phases onto it; several vote
    on every boundary. Writes phases.csv, boundaries.csv (time, interval, confidence, votes) and
    frames.csv to results/transfer. Propagated labels are marked, and never used as ground truth.
    --write keeps labels set by people, withholds degenerate ones, and backs up phases.csv.

    \b
      la2ds transfer-labels --from anna --project swings
      la2ds transfer-labels --from labelled --to all --write --project swings
      la2ds transfer-labels --from labelled --check --project swings
    """
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.labels.check import check_propagation
    from la2ds_cli.labels.propagate import propagate_labels

    if overwrite and not write:
        raise UserError("--overwrite replaces nothing without --write", hint="add --write")
    if check and write:
        raise UserError("--check writes no labels", hint="omit --write or --check")
    counts = _counts(votes)
    if counts and not check:
        raise UserError("--votes is for --check", hint="all clips given with --from vote")
    if draws is not None and not counts:
        raise UserError("--draws needs --votes", hint="add --check --votes 1,3,5, or leave it out")
    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        request = AlignRequest(opened.config(), run, features, method, device)
        folder = out or opened.results_dir("transfer")
        if check:
            checked = check_propagation(
                opened,
                sources,
                targets or ["all"],
                request,
                votes=counts,
                draws=DRAWS if draws is None else draws,
                progress=console.progress,
            )
            raise typer.Exit(_show_check(console, checked, opened, folder))
        result = propagate_labels(
            opened,
            sources,
            targets or ["all"],
            request,
            write=write,
            overwrite=overwrite,
            out=folder,
            progress=console.progress,
        )
        console.document("transfer-labels", {"project": opened.root, **result.to_json()})
        _show(console, result)
    raise typer.Exit(batch_exit_code(result.items))


def _counts(text: str) -> list[int]:
    from la2ds_cli.core.errors import UserError

    if not text:
        return []
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise UserError(f"'{text}' is not a list of numbers of votes", hint="--votes 1,3,5")
    return list(dict.fromkeys(counts))


def _show_check(console: Console, check: CheckResult, project: Project, folder: Path) -> ExitCode:
    """Write and show a check; returns the exit code."""
    from la2ds_cli.core.errors import ExitCode
    from la2ds_cli.labels.check import check_json, write_check

    document = check_json(check)
    paths = write_check(check, folder)
    console.document("transfer-labels", {"project": project.root, "check": document})
    videos, sources = document["videos"], document["sources"]
    console.line(
        f"errors of boundaries in {videos} clip{'s' * (videos != 1)}, propagated from "
        f"{sources} labelled clip{'s' * (sources != 1)}"
    )
    console.table(
        ("votes", "aligned by", "median %", "mean %", "frames", "seconds", "right", "missing"),
        [
            (
                row["votes"],
                _named(row),
                *("" if row[n] is None else f"{row[n]:.{d}f}" for n, d in SHOWN.items()),
                f"{row['not_carried']} of {row['boundaries']}",
            )
            for row in document["rows"]
        ],
    )
    console.line("%: of the frames of the clip; frames, seconds: medians; right: share of frames")
    for one in document["calibration"]:
        if one["quarters"]:
            low, high = one["quarters"][0], one["quarters"][-1]
            console.line(
                f"votes {one['votes']}: {one['covered']:.0%} of the labels lie in the 90 % "
                f"interval; mean error {low['mean_percent']:.1f} % in the least sure quarter, "
                f"{high['mean_percent']:.1f} % in the surest"
            )
    for text in check.warnings:
        console.line(f"note: {text}", "yellow")
    if check.items:
        console.items(check.items)
    for path in paths:
        console.line(str(path))
    return ExitCode.PARTIAL if check.items else ExitCode.OK


def _named(row: Mapping[str, Any]) -> str:
    name = NAMES.get(row["name"]) or str(row["name"])
    return f"{name} ({row['variant']})" if row["name"] in ("carried", "raw_pose_best") else name


def _show(console: Console, result: PropagationResult) -> None:
    from la2ds_cli.alignment.request import features_name
    from la2ds_cli.labels.clip_labels import boundary_rows

    console.items(result.items)
    rows = [row for clip in result.clips.values() for row in boundary_rows(clip)]
    rows = [row for row in rows if not row["cut"]]
    if rows:
        rows.sort(key=lambda row: row["confidence"])
        console.line()
        console.line(f"{len(rows)} boundaries; look at these first:")
        console.table(
            ("confidence", "clip", "boundary", "seconds", "from", "to", "votes"),
            [
                (
                    f"{row['confidence']:.2f}",
                    row["video"],
                    " > ".join(side for side in (row["before"], row["after"]) if side),
                    f"{row['time']:.2f}",
                    f"{row['time_low']:.2f}",
                    f"{row['time_high']:.2f}",
                    f"{row['votes']} of {row['labelled_clips']}",
                )
                for row in rows[:10]
            ],
        )
    by = features_name(result.features, result.run)
    count = len(result.sources)
    console.line(f"propagated from {count} labelled clip{'s' * (count != 1)} by {by}")
    if result.merged:
        _show_merged(console, result.merged)
    for file in result.files:
        console.line(str(file))


def _show_merged(console: Console, merged: MergeResult) -> None:
    """How phases.csv changed: a line for each clip whose rows change."""
    if merged.changes:
        console.line("phases.csv, frames (end exclusive); + added, - removed, ~ changed:")
    by_clip: dict[str, list[str]] = {}
    for change in merged.changes:
        by_clip.setdefault(change.video, []).append(_change(change))
    for clip, texts in list(by_clip.items())[:MOST_SHOWN]:
        console.line(f"  {clip}  {'  '.join(texts)}")
    if len(by_clip) > MOST_SHOWN:
        console.line(f"  and {len(by_clip) - MOST_SHOWN} more clips (--json lists all)")
    console.line(f"phases.csv: added propagated phases of {len(merged.written)} clips, marked")
    if merged.unchanged:
        console.line(
            f"clips that kept their labels: {', '.join(merged.unchanged)} (--overwrite replaces "
            "propagated labels, never those set by people)"
        )
    if merged.withheld:
        console.line(f"not written, see above: {', '.join(merged.withheld)}", "yellow")
    if merged.backup:
        console.line(f"backup of phases.csv: {merged.backup}")


def _change(change: PhaseChange) -> str:
    before, after = (p and f"{p.start}-{p.end}" for p in (change.before, change.after))
    if change.before is None:
        return f"+ {change.after.name if change.after else ''} {after}"
    if change.after is None:
        return f"- {change.before.name} {before}"
    return f"~ {change.after.name} {after} (was {before})"
