"""anchors.csv: moments of two clips that a person has said are the same.

A row names a frame of each clip, as the files count them, so that it holds when a clip is extracted
again. It is a person's work: only a person changes it. The studio aligns by it; a command does so
where its `--anchor` says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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
            for first, second, anchor in _read(project)
            if (first, second) in ((a, b), (b, a))
        ),
        key=lambda anchor: anchor.frame_a,
    )


def write_anchors(project: Project, a: str, b: str, anchors: Sequence[Anchor]) -> None:
    """Let these be the anchors of two clips; those of other pairs stay. Raises UserError (exit 5)
    as anchors_of, (exit 7) where the file cannot be written."""
    rows = [row for row in _read(project) if (row[0], row[1]) not in ((a, b), (b, a))]
    rows += [(a, b, anchor) for anchor in anchors]
    cells = [(x, one.frame_a, y, one.frame_b, one.at) for x, y, one in rows]
    artifact.write_text(project.anchors_path, table_text(COLUMNS, cells))


def _read(project: Project) -> list[tuple[str, str, Anchor]]:
    if not project.anchors_path.exists():
        return []
    return read_rows(project.anchors_path, _parse, _HINT)


def _parse(cells: dict[str, str]) -> tuple[str, str, Anchor]:
    frames = int(cells["frame_a"]), int(cells["frame_b"])
    if min(frames) < 0:
        raise ValueError(f"{min(frames)} is not a frame number")
    return cells["a"], cells["b"], Anchor(*frames, cells.get("set", ""))
