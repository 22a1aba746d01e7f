"""Events of the clips under evaluation: labelled phase boundaries, else kinematic ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.evaluation.kinematic_events import kinematic_events
from la2ds_cli.evaluation.trims import EvaluationClip

EventSource = Literal["phases", "kinematic"]


def phase_events(pose: PoseSequence, phases: Sequence[Phase]) -> dict[str, int]:
    """Name -> row of `pose` of each internal phase boundary, named by the phase starting there.

    phases: in time order, in source frame numbers. The start of the first phase is no event. The
    k-th occurrence of a repeated phase is named `NAME#k` from the second on. A boundary outside
    the frames of `pose` is left out; one between two of its frames goes to the nearer.
    """
    events = {}
    met: Counter[str] = Counter()
    for position, phase in enumerate(phases):
        met[phase.name] += 1
        inside = len(pose) and pose.frame[0] <= phase.start <= pose.frame[-1]
        if position and inside:
            name = phase.name if met[phase.name] == 1 else f"{phase.name}#{met[phase.name]}"
            events[name] = int(np.abs(pose.frame - phase.start).argmin())
    return events


def choose_events(
    poses: Mapping[str, PoseSequence], phases: Mapping[str, Sequence[Phase]]
) -> tuple[list[EvaluationClip], EventSource | None, list[str]]:
    """Clips with their events, where the events come from, and warnings.

    Labels are used as soon as two clips share one; then clips without labels have no events.
    None: no two clips share an event of either kind (the last warning says why).
    """
    labelled = {v: phase_events(pose, phases.get(v, [])) for v, pose in poses.items()}
    if _shared(labelled):
        warnings = []
        missing = sum(not events for events in labelled.values())
        if missing:
            warnings.append(
                f"clips without a phase boundary, so without events: {missing} of {len(poses)}"
            )
        repeated = sum(any("#" in name for name in events) for events in labelled.values())
        if repeated:
            warnings.append(
                f"clips that repeat a phase: {repeated}; the k-th time is compared with the k-th"
            )
        return _clips(poses, labelled), "phases", warnings
    found = {v: kinematic_events(pose) for v, pose in poses.items()}
    if _shared(found):
        return (
            _clips(poses, found),
            "kinematic",
            ["no phase labels: events are extrema of the joints, found by rule and not by people"],
        )
    return (
        _clips(poses, {video: {} for video in poses}),
        None,
        [
            "no two clips share a phase boundary (phases.csv) or a clear joint extremum "
            "(deepest hips, highest or fastest wrist): event transfer was not computed"
        ],
    )


def _shared(events: Mapping[str, Mapping[str, int]]) -> bool:
    met = Counter(name for clip in events.values() for name in clip)
    return any(count > 1 for count in met.values())


def _clips(
    poses: Mapping[str, PoseSequence], events: Mapping[str, Mapping[str, int]]
) -> list[EvaluationClip]:
    return [EvaluationClip(video, pose, events[video]) for video, pose in poses.items()]
