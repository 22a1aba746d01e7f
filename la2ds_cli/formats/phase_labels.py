"""Phase labels that come with imported clips: all are checked, then merged into phases.csv, where
nothing that a person has set is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from la2ds_cli.core.phase_table import PhaseRow, in_time_order
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import IntArray, Phase
from la2ds_cli.formats.checks import FramesError

Labels = dict[str, list[Phase]]


def fitted_phases(phases: Sequence[Phase], end: int | None) -> tuple[list[Phase], int]:
    """Phases in time order, cut at frame `end` (None = not cut), and the frames they would need.

    The second value is 0 if they reach at most one frame beyond the end, which data sets do not
    handle consistently. Raises FramesError if two phases share a frame.
    """
    try:
        ordered = in_time_order(phases)
    except ValueError as error:
        hint = "a frame has one phase; correct the labels of the data set"
        raise FramesError(f"its phases {error}", hint) from error
    if end is None:
        return ordered, 0
    needed = max((phase.end for phase in ordered), default=0)
    cut = [replace(phase, end=min(phase.end, end)) for phase in ordered if phase.start < end]
    return cut, needed if needed > end + 1 else 0


def phases_of_labels(labels: IntArray, background: int | None = None) -> list[Phase]:
    """Runs of equal labels (T,) as phases `phase N`; negative labels are frames without one.

    background: the label whose phase is called `background`, which the protocols leave out.
    """
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [
        Phase(start, end, "background" if labels[start] == background else f"phase {labels[start]}")
        for start, end in pairwise(edges)
        if labels[start] >= 0
    ]


def merge_phases(project: Project, labels: Labels, progress: Progress) -> None:
    """Write the labels of a data set into the project's phases.csv.

    Only clips without labels of a person get them, in place of propagated ones that nobody has
    checked. All other rows stay as they are. Among them may be labels of an earlier import that a
    person has corrected since, so a note says how many clips have other labels than these.
    """
    with project.tables():
        phases = project.clip_phases()
        labelled = {
            name: checked
            for name, rows in phases.by_clip.items()
            if (checked := [row for row in rows if row.checked])
        }
        new = {
            name: [PhaseRow(name, p) for p in sorted(labels[name], key=lambda p: p.start)]
            for name in sorted(labels.keys() - labelled.keys())
        }
        if new:
            project.write_phase_table(phases.replaced(new))
    other = [name for name in sorted(labels) if _differ(labelled.get(name, ()), labels[name])]
    if other:
        clips = "1 clip keeps" if len(other) == 1 else f"{len(other)} clips keep"
        example = other[0] if len(other) == 1 else f"such as {other[0]}"
        progress.note(
            f"{clips} labels that differ from the imported ones ({example}); to take the imported "
            "ones, delete the rows of the clip in phases.csv and import it again"
        )


def _differ(rows: Sequence[PhaseRow], phases: Sequence[Phase]) -> bool:
    """Whether rows of a clip, if it has any, are other phases than these."""
    ours = sorted((row.phase.start, row.phase.end, row.phase.name) for row in rows)
    return bool(ours) and ours != sorted((p.start, p.end, p.name) for p in phases)
