"""Propagated phases as JSON, as tables, and as rows of phases.csv."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.output_paths import check_derived, check_output, write_derived
from la2ds_cli.core.phase_table import (
    ORIGIN_CLIPS,
    ORIGIN_CONFIDENCE,
    ORIGIN_TIME,
    PhaseRow,
    PhaseTable,
    read_phase_table,
)
from la2ds_cli.core.stored_project import PROJECT_FILE, StoredProject
from la2ds_cli.core.types import CLIP_EDGE, PROPAGATED, Origins, Phase, PoseSequence
from la2ds_cli.labels.vote import Boundary

BOUNDARY_COLUMNS = (
    *("video", "before", "after", "frame", "time", "time_low", "time_high", "confidence"),
    *("votes", "labelled_clips", "cut"),
)
_PHASE_COLUMNS = (
    *("video", "start", "end", "phase", "start_time", "end_time", "start_confidence"),
    *("end_confidence", "start_origin", "end_origin", "withheld"),
)
Rows = dict[str, list[PhaseRow]]
"""Rows of phases.csv by clip."""


@dataclass(frozen=True)
class ClipLabels:
    """The propagated phases of a clip.

    boundaries: see vote.vote.
    voters: ids of the labelled clips that voted.
    left_out: phases of the voters that the clip does not have.
    withheld: why the labels are not fit for phases.csv, empty if they are.
    """

    video: str
    pose: PoseSequence
    boundaries: tuple[Boundary, ...]
    voters: tuple[str, ...]
    left_out: tuple[str, ...]
    withheld: str

    @property
    def phases(self) -> list[Phase]:
        """Phases in source frames, marked as propagated."""
        return [phase for phase, _ in with_ends(self.pose, self.boundaries)]

    def table_rows(self, time: str) -> list[PhaseRow]:
        """Return rows of phases.csv with their origin: the labelled clips that voted, a time, and
        the confidences of both ends."""
        origin = {ORIGIN_CLIPS: " ".join(self.voters), ORIGIN_TIME: time}
        return [
            PhaseRow(
                self.video,
                phase,
                origin | {ORIGIN_CONFIDENCE: " ".join(f"{end.confidence:.4f}" for end in ends)},
            )
            for phase, ends in with_ends(self.pose, self.boundaries)
        ]

    def phase_rows(self) -> list[dict[str, Any]]:
        """Return the phases by the names of _PHASE_COLUMNS; frames of the source, end exclusive,
        seconds, and the confidences of both ends."""
        seconds_at, rows = self.pose.axis.seconds_at, []
        for phase, (start, end) in with_ends(self.pose, self.boundaries):
            times = (round(float(seconds_at(each.row)), 6) for each in (start, end))
            sure = (round(each.confidence, 4) for each in (start, end))
            cells = (self.video, phase.start, phase.end, phase.name, *times, *sure)
            origins = phase.origins.start, phase.origins.end, bool(self.withheld)
            rows.append(dict(zip(_PHASE_COLUMNS, (*cells, *origins), strict=True)))
        return rows

    def boundary_rows(self) -> list[dict[str, Any]]:
        """Return the boundaries of phases by the names of BOUNDARY_COLUMNS; times in seconds."""
        frame, seconds_at = _edges(self.pose), self.pose.axis.seconds_at
        return [
            {
                "video": self.video,
                "before": each.before or "",
                "after": each.after or "",
                "frame": int(frame[round(each.row)]),
                "time": round(float(seconds_at(each.row)), 6),
                "time_low": round(float(seconds_at(each.low)), 6),
                "time_high": round(float(seconds_at(each.high)), 6),
                "confidence": round(each.confidence, 4),
                "votes": each.votes,
                "labelled_clips": len(self.voters),
                "cut": each.cut,
            }
            for each in self.boundaries
            if each.before or each.after
        ]


def _edges(pose: PoseSequence) -> np.ndarray:
    """Return the source frames (T + 1,) at which the rows of a clip begin, and the last ends."""
    return np.append(pose.frame, pose.frame[-1] + 1)


def with_ends(
    pose: PoseSequence, boundaries: Sequence[Boundary]
) -> list[tuple[Phase, tuple[Boundary, Boundary]]]:
    """Return the phases between boundaries, each with the boundaries at its ends.

    An end at the first or behind the last frame is the end of the clip.
    """
    frame, phases = _edges(pose), []
    for start, end in pairwise(boundaries):
        first, last = int(frame[round(start.row)]), int(frame[round(end.row)])
        if start.after and first < last:
            origins = Origins(
                CLIP_EDGE if first == frame[0] else PROPAGATED,
                CLIP_EDGE if last == frame[-1] else PROPAGATED,
            )
            phases.append((Phase(first, last, start.after, origins), (start, end)))
    return phases


@dataclass(frozen=True)
class MergeResult:
    """The outcome for the phases of clips, by id.

    written: propagated phases are now in phases.csv.
    kept: phases were set by a person, or propagated before.
    withheld: propagated phases are not fit for phases.csv.
    backup: the old phases.csv, None if it did not change or is new.
    """

    written: list[str]
    kept: list[str]
    withheld: list[str]
    backup: Path | None

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "backup": self.backup and str(self.backup)}


@dataclass(frozen=True)
class PropagationResult:
    """Phases propagated to clips.

    sources: ids of the labelled clips that were used. items: result for each clip, in order;
    labelled clips only if they could not be used. clips: new labels by id. features, run, reason:
    as in Alignment. merged: what `write_phases` did with them, None = they were not written.
    """

    sources: tuple[str, ...]
    items: tuple[ItemResult, ...]
    clips: dict[str, ClipLabels]
    features: str
    run: str
    reason: str
    merged: MergeResult | None = None

    def rows(self) -> Rows:
        """Return the new rows of phases.csv, with the current time."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {clip: labels.table_rows(now) for clip, labels in self.clips.items()}

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each propagated phase of each clip.

        The columns are `video`, `start` and `end` (frames, end exclusive), `phase`, `start_time`
        and `end_time` in seconds, `start_confidence` and `end_confidence` in [0, 1],
        `start_origin` and `end_origin` (`carried`, or `clip` for an end of the clip) and
        `withheld`, whether the labels of the clip are unfit for phases.csv. `attrs["units"]` has
        the units. Raises UserError (exit 6) without pandas.
        """
        rows = [row for clip in self.clips.values() for row in clip.phase_rows()]
        return _frame_of(_PHASE_COLUMNS, rows, ("start_time", "end_time"))

    def boundaries(self) -> Any:
        """Return a pandas.DataFrame with a row for each boundary of phases of each clip.

        The columns are those of boundaries.csv: `video`, the phases `before` and `after` (empty =
        none), `frame`, `time` and its 90 % interval `time_low` to `time_high` in seconds,
        `confidence` in [0, 1], `votes` of `labelled_clips`, and `cut`, whether the clip begins or
        ends there. `attrs["units"]` has the units. Raises UserError (exit 6) without pandas.
        """
        rows = [row for clip in self.clips.values() for row in clip.boundary_rows()]
        return _frame_of(BOUNDARY_COLUMNS, rows, ("time", "time_low", "time_high"))

    def to_json(self) -> dict[str, Any]:
        """Return everything except the frames as JSON."""
        return {
            "sources": list(self.sources),
            "features": self.features,
            "run": self.run if self.features == "model" else None,
            "reason": self.reason,
            "items": [item.to_json() for item in self.items],
            "clips": [
                {
                    "video": labels.video,
                    "phases": [
                        {"start": phase.start, "end": phase.end, "phase": phase.name}
                        for phase in labels.phases
                    ],
                    "boundaries": labels.boundary_rows(),
                    "left_out": list(labels.left_out),
                    "withheld": labels.withheld or None,
                }
                for labels in self.clips.values()
            ],
            "merged": self.merged and self.merged.to_json(),
        }


def _frame_of(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], seconds: Sequence[str]
) -> Any:
    """Return a data frame of rows, also of none, whose columns `seconds` are in seconds."""
    columns = {name: [row[name] for row in rows] for name in names}
    return make_data_frame(columns, dict.fromkeys(seconds, "s"))


# --- files ---------------------------------------------------------------------------------------


def checked_folder(project: StoredProject, folder: Path) -> Path:
    """Check the folder of the tables, and return it.

    Raises UserError (exit 2) if it is a project or has labels set by people, and as `check_derived`
    does.
    """
    phases, _ = paths = _tables(folder)
    if (folder / PROJECT_FILE).exists():
        raise UserError(
            f"{folder} is a project, and its phases.csv has labels set by people",
            hint="--write adds the propagated phases to those of --project",
        )
    for path in paths:
        check_output(project, path)
    if any(row.phase.is_placed for row in read_phase_table(phases).rows):
        raise UserError(
            f"{phases} has labels set by people, which would be lost",
            hint="choose another folder with --out",
        )
    for path in paths:
        check_derived(project, path)
    return folder


def _tables(folder: Path) -> tuple[Path, Path]:
    return folder / "phases.csv", folder / "boundaries.csv"


def write_tables(project: StoredProject, result: PropagationResult, folder: Path) -> list[Path]:
    """Write phases.csv and boundaries.csv to a folder, and return their paths.

    If no clip got a phase, as after a mistyped name, older files stay. Raises UserError as
    `checked_folder` does.
    """
    if not result.clips:
        return []
    table = PhaseTable(tuple(row for rows in result.rows().values() for row in rows))
    cells = []
    for row in (row for labels in result.clips.values() for row in labels.boundary_rows()):
        row["cut"] = "yes" if row["cut"] else ""
        cells.append([row[name] for name in BOUNDARY_COLUMNS])
    phases, boundaries = _tables(checked_folder(project, folder))
    write_derived(project, phases, table.text())
    write_derived(project, boundaries, table_text(BOUNDARY_COLUMNS, cells))
    return [phases, boundaries]


def write_phases(
    project: StoredProject, result: PropagationResult, *, overwrite: bool
) -> PropagationResult:
    """Write the propagated phases that are fit for it into phases.csv, as `merge_into_project`
    does, and return the result with `merged`; unchanged if no clip got a phase."""
    if not result.clips:
        return result
    withheld = [clip for clip, labels in result.clips.items() if labels.withheld]
    merged = merge_into_project(project, result.rows(), withheld, overwrite=overwrite)
    return replace(result, merged=merged)


def merge_into_project(
    project: StoredProject, propagated: Rows, withheld: Collection[str], *, overwrite: bool
) -> MergeResult:
    """Write the propagated rows of clips that are not `withheld` into phases.csv.

    The labels of a clip are kept if a person has placed an end of one of them; earlier propagated
    labels are kept unless `overwrite`. A copy of the old file is saved. Raises UserError (exit 5)
    if another command is writing a table for long, or if phases.csv cannot be read.
    """
    with project.tables():
        old = project.clip_phases()
        fit = {clip: rows for clip, rows in propagated.items() if clip not in withheld}
        kept = [
            clip
            for clip in fit
            if any(row.phase.is_placed or not overwrite for row in old.by_clip.get(clip, ()))
        ]
        written = {clip: rows for clip, rows in fit.items() if clip not in kept}
        backup = project.write_phase_table(old.replaced(written)) if written else None
    return MergeResult(list(written), kept, list(withheld), backup)
