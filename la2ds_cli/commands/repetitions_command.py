"""`la2ds repetitions`: the repetitions of one clip as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import DEVICE, Here, argument, out_option
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.alignment.repetition_table import RepetitionTable
    from la2ds_cli.core.console import Console

SUFFIXES = (".csv", ".json")


def repetitions(
    clip: str = argument("CLIP", "A video file, or a clip of the project."),
    out: list[Path] | None = out_option("FILE", "Write .csv or .json; repeatable."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """List the repetitions of a clip: times, range and speed of each.

    \b
      la2ds repetitions five_squats.mp4
      la2ds repetitions five_squats.mp4 --out squats.csv

    Needs no second clip and no trained model. Each repetition goes out, turns, and comes back; a
    hold at the turn is measured apart. The range is that of the angle that changes most, and speed
    lost is relative to the fastest repetition of the clip.
    """
    from dataclasses import replace

    from la2ds_cli.alignment.repetition_table import tabulate_repetitions
    from la2ds_cli.core.artifact import json_text
    from la2ds_cli.core.output_paths import checked_outputs, write_output

    with here.console() as console:
        opened = here.clips((clip,), console)
        targets = checked_outputs(opened, out or [], "repetitions", SUFFIXES, (clip,))
        table = tabulate_repetitions(opened, clip, device, console.progress)
        table = replace(table, files=tuple(targets))
        for path in targets:
            as_csv = path.suffix.lower() == ".csv"
            write_output(opened, path, table.csv_text() if as_csv else json_text(table.to_json()))
        console.document("repetitions", table.to_json())
        _show(console, table)


def _show(console: Console, table: RepetitionTable) -> None:
    from la2ds_cli.alignment.aligned_repetitions import count_of

    console.line(f"{table.clip.title}: {count_of(len(table.rows))}")
    shown = {
        "repetition": ("repetition", "{}"),
        "start": ("from s", "{:.2f}"),
        "turn": ("turn s", "{:.2f}"),
        "end": ("to s", "{:.2f}"),
        "seconds_out": ("out s", "{:.2f}"),
        "seconds_held": ("held s", "{:.2f}"),
        "seconds_back": ("back s", "{:.2f}"),
        "range": ("range °", "{:.0f}"),
        "angle_at_turn": ("at turn °", "{:.0f}"),
        "speed_lost_out": ("slower out", "{:.0%}"),
        "speed_lost_back": ("slower back", "{:.0%}"),
    }
    rows = [
        [
            "-" if record[key] is None else form.format(record[key])
            for key, (_, form) in shown.items()
        ]
        for record in table.records()
    ]
    console.table([title for title, _ in shown.values()], rows)
    if table.angle is None:
        console.line("no angle is seen in at least half of the clip", "yellow")
    else:
        where = "in 3D" if table.spatial else "in the image"
        console.line(f"angle: {table.angle}, {where}; 180° is straight")
    console.files(table.files)
