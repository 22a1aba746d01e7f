"""Carried phases in the project's own phases.csv, beside those of people and marked apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import phases_text, read_phases
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase

BACKUP = (
    "phases-before.csv"  # in results/transfer: phases.csv as it was before labels were replaced
)


@dataclass(frozen=True)
class Merged:
    """written: clips that now have the carried phases. kept: clips whose labels by a person stayed.
    replaced: clips whose labels by a person were replaced."""

    written: list[str]
    kept: list[str]
    replaced: list[str]


def merge_carried(
    project: Project,
    carried: Mapping[str, Sequence[Phase]],
    *,
    overwrite: bool,
    never: Collection[str] = (),
) -> Merged:
    """Write carried phases (id -> phases) into phases.csv, in place of what was carried before.

    Labels by a person stay, unless `overwrite`; those of the clips `never` stay in any case. With
    `overwrite` the file as it was is kept as BACKUP. UserError (exit 5) when another command holds
    the project, or for a phases.csv that cannot be read.
    """
    with project.lock():
        path = project.phases_path
        old = read_phases(path) if path.exists() else []
        videos = {name: project.find(name) for name in dict(old)}
        by_hand = set(project.phases())
        kept = [v for v in carried if v in by_hand and (not overwrite or v in never)]
        written = [v for v in carried if v not in kept and carried[v]]
        replaced = [v for v in written if v in by_hand]
        if replaced:
            artifact.write_bytes(project.results_dir("transfer") / BACKUP, path.read_bytes())
        rows = [
            (name, phase)
            for name, phase in old
            if (video := videos[name]) is None or video.id not in written
        ]
        rows += [(video, phase) for video in written for phase in carried[video]]
        artifact.write_text(path, phases_text(rows))
    return Merged(written, kept, replaced)
