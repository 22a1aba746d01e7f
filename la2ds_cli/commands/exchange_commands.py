"""`la2ds export labels` and `la2ds import labels`: phases to and from other tools.
`la2ds transfer-labels`: propagate phases from labelled clips to others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.completion import complete_clips
from la2ds_cli.commands.exports import export_clips
from la2ds_cli.commands.options import (
    METHOD,
    Exported,
    Features,
    Here,
    argument,
    flag,
    option,
    out_option,
)
from la2ds_cli.commands.projects import show_batch

if TYPE_CHECKING:
    from la2ds_cli.core.clip_names import ShownNames
    from la2ds_cli.core.console import Console
    from la2ds_cli.labels.propagated import MergeResult, PropagationResult


def export_labels(
    format_name: str = argument("FORMAT", "elan, boris, kinovea or via3."),
    carried: bool = flag("--carried", "Include propagated labels that nobody has checked."),
    *,
    what: Exported,
    here: Here,
) -> None:
    """Write phases for ELAN, BORIS, Kinovea or VIA 3.

    \b
      la2ds export labels elan --project swings --out eaf/
      la2ds export labels boris anna.mp4 --project swings

    Writes one file per clip, named after its id, in seconds of its video, and prints the paths.
    """
    from la2ds_cli.labels.exchange import export_labels as export

    export_of = partial(export, format_name=format_name, carried=carried)
    export_clips(here, what, "export labels", export_of)


def import_labels(
    format_name: str = argument("FORMAT", "elan, boris, kinovea or via3."),
    paths: list[Path] = argument("PATH", "Files, or folders of files, to import."),
    layer: str = option(
        "NAME", "The tier, subject or attribute to read, if there are several.", ""
    ),
    clip: str = option(
        "NAME", "The clip, if the file does not name it.", "", autocompletion=complete_clips
    ),
    overwrite: bool = flag("--overwrite", "Replace labels set by people."),
    *,
    here: Here,
) -> None:
    """Import phases from ELAN, BORIS, Kinovea or VIA 3.

    \b
      la2ds import labels elan anna.eaf --project swings --layer movement
      la2ds import labels boris swings.boris --project swings

    Labels are assigned to the clips of the videos that the files name. Labels set by people are
    kept unless --overwrite is given. The old phases.csv is saved in results/phases.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.labels.import_plan import import_labels as run_import

    with here.console() as console:
        opened = here.open()
        results = run_import(
            opened,
            format_name,
            paths,
            layer=layer,
            clip=clip,
            overwrite=overwrite,
            progress=console.progress,
        )
        show_batch(console, "import labels", opened, results)
    raise typer.Exit(batch_exit_code(results))


def transfer_labels(
    sources: list[str] = option(
        "VIDEO",
        "A labelled clip, or: labelled (all labelled clips); repeatable.",
        ...,
        "--from",
    ),
    targets: list[str] | None = option(
        "VIDEO",
        "A clip to label, or: all (other clips); repeatable.",
        None,
        "--to",
        show_default="all",
    ),
    method: str | None = METHOD,
    write: bool = flag("--write", "Also add them to the project's phases.csv, marked."),
    overwrite: bool = flag(
        "--overwrite", "With --write: replace labels propagated earlier, never those set by people."
    ),
    out: Path | None = out_option("DIR", "Folder for the tables; default results/transfer."),
    *,
    how: Features,
    here: Here,
) -> None:
    """Propagate the phases of labelled clips to other clips.

    \b
      la2ds transfer-labels --from anna --project swings
      la2ds transfer-labels --from labelled --to all --write --project swings

    Each labelled clip is aligned with each other clip, which maps its phases onto it; several
    labelled clips vote on every boundary. Writes phases.csv and boundaries.csv (time, interval,
    confidence, votes) to results/transfer. Propagated labels are marked, and never used as ground
    truth. --write keeps labels set by people, omits degenerate ones, and backs up phases.csv.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.labels.propagate import propagate_labels
    from la2ds_cli.labels.propagated import checked_folder, write_phases, write_tables

    with here.console() as console:
        opened = here.open()
        request = how.request(opened, method=method)
        folder = checked_folder(opened, out or opened.results_dir("transfer"))
        result = propagate_labels(opened, sources, targets or ["all"], request, console.progress)
        files = write_tables(opened, result, folder)
        if write:
            result = write_phases(opened, result, overwrite=overwrite)
        if result.merged:
            files.append(opened.phases_path)
        document = {"project": opened.root, **result.to_json(), "files": list(map(str, files))}
        console.document("transfer-labels", document)
        _show(console, result, opened.clip_names())
        if result.merged:
            _show_merged(console, result.merged, opened.clip_names())
        console.files(files)
    raise typer.Exit(batch_exit_code(result.items))


def _show(console: Console, result: PropagationResult, names: ShownNames) -> None:
    from la2ds_cli.alignment.request import features_name

    console.items(result.items, names)
    rows = [row for clip in result.clips.values() for row in clip.boundary_rows()]
    rows = [row for row in rows if not row["cut"]]
    if rows:
        rows.sort(key=lambda row: row["confidence"])
        console.line()
        console.line(f"{len(rows)} boundaries; check these first:")
        console.table(
            ("confidence", "clip", "boundary", "seconds", "from", "to", "votes"),
            [
                (
                    f"{row['confidence']:.2f}",
                    names[row["video"]],
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


def _show_merged(console: Console, merged: MergeResult, names: ShownNames) -> None:
    """Print how phases.csv has changed."""

    def listed(clips: Sequence[str]) -> str:
        return ", ".join(names[clip] for clip in clips)

    console.line(f"added propagated phases of {len(merged.written)} clips to phases.csv")
    if merged.kept:
        console.line(
            f"clips that kept their labels: {listed(merged.kept)} (--overwrite replaces "
            "propagated labels, never those set by people)"
        )
    if merged.withheld:
        console.line(f"not added, see above: {listed(merged.withheld)}", "yellow")
    if merged.backup:
        console.line(f"backup of phases.csv: {merged.backup}")
