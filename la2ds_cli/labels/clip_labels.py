"""The propagated phases of a clip in whole frames, seconds and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.features.resample import frame_period, seconds_at
from la2ds_cli.labels.vote import Boundary, PhaseConsensus, PropagatedPhase

BOUNDARY_COLUMNS = (
    *("video", "before", "after", "frame", "time", "time_low", "time_high", "confidence"),
    *("votes", "labelled_clips", "spread", "cut"),
)


@dataclass(frozen=True)
class ClipLabels:
    """The propagated phases of one clip. phases: in source frames, marked as propagated. left_out:
    phase -> why it is left out. rows: phases with their whole rows start..end in `pose`."""

    video: str
    pose: PoseSequence
    consensus: PhaseConsensus
    rows: tuple[tuple[PropagatedPhase, int, int], ...]
    left_out: dict[str, str]

    @property
    def phases(self) -> list[Phase]:
        frame = np.append(self.pose.frame, self.pose.frame[-1] + 1)
        return [
            Phase(int(frame[start]), int(frame[end]), phase.key.name, propagated=True)
            for phase, start, end in self.rows
        ]


def clip_labels(video: str, pose: PoseSequence, consensus: PhaseConsensus) -> ClipLabels:
    """The consensus in whole frames. A phase shorter than one frame is left out; one that begins at
    the first frame of the clip or ends at its last is cut off there."""
    rows, left_out = [], dict(consensus.left_out)
    for phase in consensus.phases:
        start, end = (
            int(np.clip(np.rint(edge.row), 0, len(pose))) for edge in (phase.start, phase.end)
        )
        if start < end:
            first = replace(phase.start, cut=True) if start == 0 else phase.start
            last = replace(phase.end, cut=True) if end == len(pose) else phase.end
            rows.append((replace(phase, start=first, end=last), start, end))
        else:
            left_out[str(phase.key)] = "shorter than a frame here"
    return ClipLabels(video, pose, consensus, tuple(rows), left_out)


@dataclass(frozen=True)
class LabelBoundary:
    """A boundary with the phases on its two sides, "" = none."""

    before: str
    after: str
    boundary: Boundary


def boundaries(labels: ClipLabels) -> list[LabelBoundary]:
    """The boundaries of a clip in time order, one where two phases share it."""
    result: list[LabelBoundary] = []
    phases = [phase for phase, _, _ in labels.rows]
    for previous, phase in pairwise([None, *phases, None]):
        if previous and phase and previous.end == phase.start:
            result.append(LabelBoundary(str(previous.key), str(phase.key), phase.start))
            continue
        if previous:
            result.append(LabelBoundary(str(previous.key), "", previous.end))
        if phase:
            result.append(LabelBoundary("", str(phase.key), phase.start))
    return result


def boundary_rows(labels: ClipLabels) -> list[dict[str, Any]]:
    """The boundaries of a clip by the names of BOUNDARY_COLUMNS; times in seconds of the clip."""
    pose = labels.pose
    period = frame_period(pose.time, pose.fps)
    frame = np.append(pose.frame, pose.frame[-1] + 1)
    rows = []
    for shared in boundaries(labels):
        boundary = shared.boundary
        row = int(np.clip(np.rint(boundary.row), 0, len(pose)))
        rows.append(
            {
                "video": labels.video,
                "before": shared.before,
                "after": shared.after,
                "frame": int(frame[row]),
                "time": round(seconds_at(pose, boundary.row), 6),
                "time_low": round(seconds_at(pose, boundary.low), 6),
                "time_high": round(seconds_at(pose, boundary.high), 6),
                "confidence": round(boundary.confidence, 4),
                "votes": boundary.votes,
                "labelled_clips": labels.consensus.labelled_clips,
                "spread": None if boundary.spread is None else round(boundary.spread * period, 6),
                "cut": boundary.cut,
            }
        )
    return rows


def boundaries_csv(clips: Iterable[ClipLabels]) -> str:
    """CSV of all boundaries, columns BOUNDARY_COLUMNS; `cut` is `yes` or empty, `spread` empty for
    a single vote."""
    rows = []
    for labels in clips:
        for row in boundary_rows(labels):
            row["cut"] = "yes" if row["cut"] else ""
            row["spread"] = "" if row["spread"] is None else row["spread"]
            rows.append([row[name] for name in BOUNDARY_COLUMNS])
    return table_text(BOUNDARY_COLUMNS, rows)
