"""Events of the scored clips: labelled phase boundaries, otherwise kinematic events.

Kinematic events are detected from the joints alone, for projects without phase labels. All features
use the same joints, so these events do not replace human labels, and the output is flagged
`events: kinematic`. An extremum counts only if it stands out from all others, is not near an end of
the clip, and is brief: while a pose is held, any frame would do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from la2ds_cli.alignment.rests import at_rest
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.features.pose_features import body_frame
from la2ds_cli.features.resample import evenly_sampled

EventSource = Literal["phases", "kinematic"]


@dataclass(frozen=True)
class EvaluationClip:
    """A clip to score.

    id: in the project. events: name -> row of `pose` (not the source frame number).
    """

    id: str
    pose: PoseSequence
    events: Mapping[str, int]

    @cached_property
    def resting(self) -> BoolArray:
        """Return (T,) whether the person stands still."""
        return at_rest((self.pose, self.pose), np.full(len(self.pose), np.nan))

    def rest_of(self, event: str) -> range:
        """Return the rows of the rest that holds an event; empty where the person moves.

        All rows of a rest show the same pose, so that each of them is as right as the labelled one.
        A stretch that holds two events is no rest, however slow: somebody can tell its rows apart.
        """
        row = self.events[event]
        if not self.resting[row]:
            return range(row, row)
        moving = np.flatnonzero(~self.resting)
        after = int(np.searchsorted(moving, row))
        first = int(moving[after - 1]) + 1 if after else 0
        rest = range(first, int(moving[after]) if after < len(moving) else len(self.resting))
        return range(row, row) if sum(other in rest for other in self.events.values()) > 1 else rest


def phase_events(pose: PoseSequence, phases: Sequence[Phase]) -> dict[str, int]:
    """Return the row of `pose` for each phase boundary, by the name of the phase that starts there.

    The start of the first phase is not an event. When a phase recurs, its k-th start is named
    `NAME#k`. A boundary outside the frames of `pose` is left out; between two frames, the nearer
    one is taken.

    Parameters
    ----------
    phases: in time order, in source frame numbers.
    """
    events = {}
    times: Counter[str] = Counter()
    for position, phase in enumerate(phases):
        times[phase.name] += 1
        inside = len(pose) and pose.frame[0] <= phase.start <= pose.frame[-1]
        if position and inside:
            name = phase.name if times[phase.name] == 1 else f"{phase.name}#{times[phase.name]}"
            events[name] = int(np.abs(pose.frame - phase.start).argmin())
    return events


def choose_events(
    poses: Mapping[str, PoseSequence], phases: Mapping[str, Sequence[Phase]]
) -> tuple[list[EvaluationClip], EventSource | None, list[str]]:
    """Return the clips with their events, the source of the events, and warnings.

    Labels are used if at least two clips share one; clips without labels then have no events. The
    source is None if no two clips share an event of either kind (the last warning says why).
    """
    labelled = {v: phase_events(pose, phases.get(v, [])) for v, pose in poses.items()}
    if _shared(labelled):
        warnings = []
        missing = sum(not events for events in labelled.values())
        if missing:
            warnings.append(
                f"{missing} of {len(poses)} clips have no phase boundary and so no events to "
                "transfer"
            )
        repeated = sum(any("#" in name for name in events) for events in labelled.values())
        if repeated:
            warnings.append(
                f"clips that repeat a phase: {repeated}; the k-th start of a phase is compared "
                "with the k-th start in other clips"
            )
        return _clips(poses, labelled), "phases", warnings
    why = "no phase labels"
    if any(phases.values()):
        why = "no two scored clips share a phase boundary"
    kinematic = {v: kinematic_events(pose) for v, pose in poses.items()}
    if _shared(kinematic):
        return (
            _clips(poses, kinematic),
            "kinematic",
            [f"{why}: events were detected from the joints (extrema), not labelled by people"],
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
    clips = Counter(name for clip in events.values() for name in clip)
    return any(count > 1 for count in clips.values())


def _clips(
    poses: Mapping[str, PoseSequence], events: Mapping[str, Mapping[str, int]]
) -> list[EvaluationClip]:
    return [EvaluationClip(video, pose, events[video]) for video, pose in poses.items()]


SMOOTHING = 0.1  # seconds, half width of the moving average
MARGIN = 0.05  # share of the clip at each end where an extremum may be an effect of the cut
DEPTH = 0.4  # least prominence of an extremum of a position, torso lengths
SPEED = 1.5  # least prominence of an extremum of a speed, torso lengths per second
_FEW = 3  # frames; too few to compare shares of time
HELD = 0.75  # a pose is held if a peak's upper fifth lasts longer than this share of its upper half
"""A parabola has 0.63, a cosine 0.59, a triangle 0.4, a plateau with steep flanks nearly 1. Of 169
events in 240 golf swings and squats of Penn Action, 155 remain."""
RIVAL = 0.6  # ambiguous if a second extremum has this share of the first one's prominence


def kinematic_events(pose: PoseSequence) -> dict[str, int]:
    """Detect `hips lowest`, `wrist highest` and `wrist fastest`; return name -> row of `pose`.

    Only clear events are returned; none for skeletons without the joints and for very short clips.
    Hips are measured relative to the ankles and wrists relative to the hips, in torso lengths, so
    that a moving camera does not matter. Clips with uneven frame times are resampled first.
    """
    even = evenly_sampled(pose)
    signals = _signals(even)
    events = {}
    for name, (signal, depth, seen) in signals.items():
        row = _clear_peak(signal, depth)
        if row is not None and seen[row] and not _is_held(signal, row):
            events[name] = row if even is pose else pose.axis.nearest_row(float(even.time[row]))
    return events


def _signals(pose: PoseSequence) -> dict[str, tuple[FloatArray, float, BoolArray]]:
    """Return, for an evenly sampled clip, name -> (signal (T,) whose peak is the event, least
    prominence, (T,) whether the joints are seen)."""
    names = get_skeleton(pose.skeleton).joints
    hips = [k for k, name in enumerate(names) if name in ("left_hip", "right_hip")]
    ankles = [k for k, name in enumerate(names) if name in ("left_ankle", "right_ankle")]
    wrists = [k for k, name in enumerate(names) if name in ("left_wrist", "right_wrist")]
    if len(hips) < 2 or len(pose) < 5:
        return {}
    xy, _ = body_frame(pose)
    xy = xy - xy[:, hips].mean(axis=1, keepdims=True)
    rate = 1 / pose.axis.mean_step
    reach = max(1, round(SMOOTHING * rate))
    xy = _moving_average(xy, reach)
    seen = np.asarray(np.isfinite(pose.xy).all(axis=-1))
    signals = {}
    if ankles:
        # The hips are the origin and y points down: the nearer the ankles, the lower the hips.
        lowest = -xy[:, ankles, 1].mean(axis=1)
        signals["hips lowest"] = (lowest, DEPTH, seen[:, hips + ankles].all(axis=1))
    if wrists:
        highest = -xy[:, wrists, 1].min(axis=1)
        speed = np.linalg.norm(np.gradient(xy[:, wrists], axis=0), axis=-1).max(axis=1) * rate
        visible = seen[:, wrists].all(axis=1)
        signals["wrist highest"] = (highest, DEPTH, visible)
        signals["wrist fastest"] = (speed, SPEED, visible)
    return signals


def _moving_average(xy: FloatArray, reach: int) -> FloatArray:
    """Return the mean of xy (T, K, 2) over +-reach frames; the end values are repeated outside."""
    padded = np.pad(xy, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return windows.mean(axis=-1)


def _clear_peak(signal: FloatArray, depth: float) -> int | None:
    """Return the row of the only clear peak, of prominence `depth` or more; None if there is
    none."""
    from scipy.signal import find_peaks

    peaks, facts = find_peaks(signal, prominence=depth)
    if not len(peaks):
        return None
    order = np.argsort(facts["prominences"])[::-1]
    first = int(peaks[order[0]])
    prominence = facts["prominences"][order]
    margin = max(2, MARGIN * len(signal))
    at_end = first < margin or first >= len(signal) - margin
    # If the clip ends higher than its peak, the true extremum lies outside.
    beaten = signal.max() > signal[first] + 1e-9
    rival = len(prominence) > 1 and prominence[1] > RIVAL * prominence[0]
    return None if at_end or beaten or rival else first


def _is_held(signal: FloatArray, row: int) -> bool:
    """Return whether the signal stays near its peak (see HELD)."""
    from scipy.signal import peak_prominences

    prominence = peak_prominences(signal, [row])[0][0]
    below = np.flatnonzero(signal < signal[row] - 0.5 * prominence)
    before, after = below[below < row], below[below > row]
    first = before[-1] + 1 if len(before) else 0
    half = signal[first : after[0] if len(after) else len(signal)]
    fifth = half >= signal[row] - 0.2 * prominence
    return bool(fifth.sum() > max(HELD * len(half), _FEW))
