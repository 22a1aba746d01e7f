"""`la2ds transfer-labels`: phases labelled on some clips, carried to others."""

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
    open_project,
)

if TYPE_CHECKING:
    from la2ds_cli.console import Console
    from la2ds_cli.transfer.transfer import TransferResult


def transfer_labels(
    sources: Annotated[
        list[str],
        typer.Option(
            "--from",
            metavar="VIDEO,...",
            help="Labelled clips, which vote; or labelled, train, test: all that are labelled.",
        ),
    ],
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="VIDEO,...", help="Clips to label; or all (the others), train, test."
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
            help="Also into the project's phases.csv, beside labels by people, and marked.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="With --write: replace labels by people in these clips."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the tables; else results/transfer."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Carry the phases of labelled clips to other clips.

    Each labelled clip is aligned with each other clip and its phases are carried along; several
    vote on every boundary. Writes phases.csv, boundaries.csv (time, interval, confidence, votes)
    and frames.csv to results/transfer. Carried labels are marked, and never taken for truth.

    \b
      la2ds transfer-labels --from anna --project swings
      la2ds transfer-labels --from labelled --to all --write --project swings
    """
    from la2ds_cli.batch import batch_exit_code
    from la2ds_cli.console import Console
    from la2ds_cli.errors import UserError
    from la2ds_cli.transfer import transfer as step
    from la2ds_cli.transfer.material import Settings

    if overwrite and not write:
        raise UserError("--overwrite replaces nothing without --write", hint="add --write")
    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        settings = Settings(opened.config(), run, features, method, device)
        result = step.transfer_labels(
            opened,
            sources,
            targets or ["all"],
            settings,
            write=write,
            overwrite=overwrite,
            out=out,
            progress=console.progress,
        )
        console.document("transfer-labels", {"project": opened.root, **result.to_json()})
        _show(console, result)
    raise typer.Exit(batch_exit_code(result.items))


def _show(console: Console, result: TransferResult) -> None:
    from la2ds_cli.transfer.labels import border_row, borders

    console.items(result.items)
    rows = [border_row(clip, border) for clip in result.clips.values() for border in borders(clip)]
    rows = [row for row in rows if not row["cut"]]
    if rows:
        rows.sort(key=lambda row: row["confidence"])
        console.line()
        console.line(f"{len(rows)} boundaries; those to look at first:")
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
    by = f"model of run {result.run}" if result.features == "model" else "raw poses"
    console.line(f"carried from {len(result.sources)} labelled clips by {by}")
    if result.merged:
        console.line(f"phases.csv: carried phases of {len(result.merged.written)} clips, marked")
        if result.merged.replaced:
            console.line(
                f"labels by people replaced: {', '.join(result.merged.replaced)}", "yellow"
            )
        if result.merged.kept:
            console.line(f"clips whose own labels stayed: {', '.join(result.merged.kept)}")
    for file in result.files:
        console.line(str(file))
