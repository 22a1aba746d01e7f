"""anchors.csv: moments of two clips that a person has marked as the same.

A row names one frame of each clip, by its number in the video file, so that it stays valid when a
clip is extracted again. Only a person changes this file. The studio aligns with these anchors;
commands take anchors only from `--anchor`.
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
    """frame_a, frame_b: frames of the video files, from 0. at: when it was set, UTC, ISO 8601."""

    frame_a: int
    frame_b: int
    at: str = ""

    @classmethod
    def now(cls, frame_a: int, frame_b: int) -> Anchor:
        return cls(frame_a, frame_b, datetime.now(UTC).isoformat(timespec="seconds"))

    def seconds(self, a: PoseSequence, b: PoseSequence) -> tuple[float, float] | None:
        """Times of the anchor in both clips; None if one of them no longer has the frame."""
        at = []
        for frame, pose in ((self.frame_a, a), (self.frame_b, b)):
            row = int(np.searchsorted(pose.frame, frame))
            if row == len(pose) or pose.frame[row] != frame:
                return None
            at.append(float(pose.time[row]))
        return at[0], at[1]

    @property
    def exchanged(self) -> Anchor:
        """The same anchor with A and B exchanged."""
        return Anchor(self.frame_b, self.frame_a, self.at)


Row = tuple[str, str, Anchor]  # ids of the two clips, and their frames


def anchors_of(project: Project, a: str, b: str) -> list[Anchor]:
    """Anchors of two clips in the order of A's frames, whichever clip was A when they were set.

    Raises UserError (exit 5) that names an unreadable line.
    """
    return anchors_among(read_anchors(project.anchors_path), a, b)


def anchors_among(rows: Iterable[Row], a: str, b: str) -> list[Anchor]:
    """As anchors_of, of these rows."""
    found = [
        anchor if first == a else anchor.exchanged
        for first, second, anchor in rows
        if (first, second) in ((a, b), (b, a))
    ]
    return sorted(found, key=lambda anchor: anchor.frame_a)


def write_anchors(project: Project, a: str, b: str, anchors: Sequence[Anchor]) -> None:
    """Replace the anchors of two clips; those of other pairs stay.

    Raises UserError (exit 5) as anchors_of does, (exit 7) if the file cannot be written.
    """
    with project.tables():
        listed = read_anchors(project.anchors_path)
        rows = [row for row in listed if (row[0], row[1]) not in ((a, b), (b, a))]
        rows += [(a, b, anchor) for anchor in anchors]
        write_table(project.anchors_path, rows)


def read_anchors(path: Path) -> list[Row]:
    """The rows of a table of anchors; none if there is no file. Raises UserError (exit 5)."""
    return read_rows(path, _parse, _HINT) if path.exists() else []


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write a table of anchors. Raises UserError (exit 7) if it cannot be written."""
    cells = [(a, one.frame_a, b, one.frame_b, one.at) for a, b, one in rows]
    artifact.write_text(path, table_text(COLUMNS, cells))


def _parse(cells: dict[str, str]) -> tuple[str, str, Anchor]:
    frames = int(cells["frame_a"]), int(cells["frame_b"])
    if min(frames) < 0:
        raise ValueError(f"{min(frames)} is not a frame number")
    return cells["a"], cells["b"], Anchor(*frames, cells.get("set", ""))
