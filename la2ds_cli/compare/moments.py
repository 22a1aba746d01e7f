"""The moments at which two clips are shown: those of the clearest differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.compare.findings import Finding, by_joint
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import body_frame, mirror

MOST = 3
_PER_MOMENT = 2  # findings told of one moment
_APART = 0.08  # of the reference's length, and at least:
_LEAST_APART = 0.15  # seconds


@dataclass(frozen=True)
class Moment:
    """Rows of the reference and of the other clip that are shown, and the differences then; none
    where the moment stands for a part of the movement in which nothing differs."""

    row: int
    other_row: int
    findings: tuple[Finding, ...]


def moments(result: CompareResult) -> list[Moment]:
    """At most MOST, in time order: the clearest differences, those near in time as one; without
    any, the middles of the parts of the movement."""
    position = result.aligned.alignment.position
    time = result.angles.time
    apart = max(_APART * float(time[-1] - time[0]), _LEAST_APART)
    groups: list[list[Finding]] = []
    joints = by_joint(result.findings).values()
    # The clearest of each joint comes before a second one of any.
    for finding in [group[0] for group in joints] + [f for group in joints for f in group[1:]]:
        near = [group for group in groups if abs(group[0].time - finding.time) < apart]
        if near:
            new = finding.joint not in {other.joint for other in near[0]}
            if new and len(near[0]) < _PER_MOMENT:
                near[0].append(finding)
        elif len(groups) < MOST:
            groups.append([finding])
    found = [
        Moment(group[0].row, round(float(position[group[0].row])), tuple(group)) for group in groups
    ]
    if not found:
        found = [Moment(row, round(float(position[row])), ()) for row in _middles(result)]
    return sorted(found, key=lambda moment: moment.row)


def _middles(result: CompareResult) -> list[int]:
    """Middle rows of at most MOST parts; of rows that are surely aligned where there are some."""
    matched = ~np.isnan(result.aligned.alignment.position)
    rows = []
    for span in result.spans:
        part = np.arange(span.first, span.stop)
        known = part[result.angles.sure[part]]
        known = known if len(known) else part[matched[part]]
        if len(known):
            rows.append(int(known[len(known) // 2]))
    if len(rows) > MOST:
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, MOST).round().astype(int)]
    return rows


def overlay_joints(
    result: CompareResult, shown: Sequence[Moment]
) -> list[tuple[FloatArray, FloatArray]]:
    """For each moment the joints (K, 2) of the reference and of the other clip about their roots,
    in torso lengths, y down; NaN where not seen. A mirrored clip is turned round."""
    a, b = result.aligned.pose_a, other_pose(result)
    frames = [np.where(np.isnan(pose.xy), np.nan, body_frame(pose)[0]) for pose in (a, b)]
    return [(frames[0][moment.row], frames[1][moment.other_row]) for moment in shown]


def other_pose(result: CompareResult) -> PoseSequence:
    """The other clip's joints, mirrored where that is how it was compared."""
    b = result.aligned.pose_b
    return mirror(b) if result.aligned.alignment.mirrored else b
