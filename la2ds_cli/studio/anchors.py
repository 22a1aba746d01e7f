"""anchors.csv: moments of two clips that a person has said are the same.

A row names a frame of each clip, as the files count them, so that it holds when a clip is extracted
again. It is a person's work: only a person changes it. The studio aligns by it; a command does so
where its `--anchor` says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence

COLUMNS = ("a", "frame_a", "b", "frame_b", "set")
_HINT = f"correct the line, or delete it; columns: {','.join(COLUMNS)}"


@dataclass(frozen=True)
class Anchor:
    """frame_a, frame_b: of the clips' files, from 0. at: when a person set it, UTC, ISO 8601."""

    frame_a: int
    frame_b: int
    at: str = ""

    @classmethod
    def now(cls, frame_a: int, frame_b: int) -> Anchor:
        return cls(frame_a, frame_b, datetime.now(UTC).isoformat(timespec="seconds"))

    def seconds(self, a: PoseSequence, b: PoseSequence) -> tuple[float, float] | None:
        """Of both clips; None where one of them does not have the frame any more."""
        at = []
        for frame, pose in ((self.frame_a, a), (self.frame_b, b)):
            row = int(np.searchsorted(pose.frame, frame))
            if row == len(pose) or pose.frame[row] != frame:
                return None
            at.append(float(pose.time[row]))
        return at[0], at[1]


def anchors_of(project: Project, a: str, b: str) -> list[Anchor]:
    """Those of two clips, in the order of A's frames, whichever clip was A when they were set.
    Raises UserError (exit 5) that names an unreadable line."""
    return sorted(
        (
            anchor if first == a else Anchor(anchor.frame_b, anchor.frame_a, anchor.at)
            for first, second, anchor in read_anchors(project.anchors_path)
            if (first, second) in ((a, b), (b, a))
        ),
        key=lambda anchor: anchor.frame_a,
    )


def write_anchors(project: Project, a: str, b: str, anchors: Sequence[Anchor]) -> None:
    """Let these be the anchors of two clips; those of other pairs stay. Raises UserError (exit 5)
    as anchors_of, (exit 7) where the file cannot be written."""
    with project.tables():
        listed = read_anchors(project.anchors_path)
        rows = [row for row in listed if (row[0], row[1]) not in ((a, b), (b, a))]
        rows += [(a, b, anchor) for anchor in anchors]
        write_table(project.anchors_path, rows)


Row = tuple[str, str, Anchor]  # ids of the two clips, and their frames


def read_anchors(path: Path) -> list[Row]:
    """The rows of a table of anchors; none without the file. Raises UserError (exit 5)."""
    return read_rows(path, _parse, _HINT) if path.exists() else []


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write a table of anchors; raises UserError (exit 7) where it cannot be written."""
    cells = [(a, one.frame_a, b, one.frame_b, one.at) for a, b, one in rows]
    artifact.write_text(path, table_text(COLUMNS, cells))


def _parse(cells: dict[str, str]) -> tuple[str, str, Anchor]:
    frames = int(cells["frame_a"]), int(cells["frame_b"])
    if min(frames) < 0:
        raise ValueError(f"{min(frames)} is not a frame number")
    return cells["a"], cells["b"], Anchor(*frames, cells.get("set", ""))
