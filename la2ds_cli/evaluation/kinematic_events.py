"""Events found in the joints alone, for projects without phase labels.

They derive from the very joints that every feature sees, so they are no human labels, and the
output is flagged `events: kinematic`. An extremum counts only when it stands out from all others
and lies away from the clip's ends.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import body_frame

SMOOTHING = 0.1  # seconds, half width of the moving average
MARGIN = 0.05  # share of the clip at each end where an extremum is taken for the clip's edge
DEPTH = 0.4  # torso lengths that a position must change on both sides of its extremum
SPEED = 1.5  # torso lengths per second, the same for a speed
RIVAL = 0.6  # a second extremum of this share of the first's prominence makes it ambiguous


def kinematic_events(pose: PoseSequence) -> dict[str, int]:
    """Name -> row of `pose` of `hips lowest`, `wrist highest` and `wrist fastest`.

    Only those that are clear; empty for skeletons without the joints and for very short clips.
    Hips are measured against the ankles and wrists against the hips, in torso lengths, so that
    a moving camera does not matter.
    """
    signals = _signals(pose)
    events = {}
    for name, (signal, depth, seen) in signals.items():
        row = _clear_peak(signal, depth)
        if row is not None and seen[row]:
            events[name] = row
    return events


def _signals(pose: PoseSequence) -> dict[str, tuple[FloatArray, float, np.ndarray]]:
    """Name -> (signal (T,) whose peak is the event, smallest prominence, (T,) joints seen)."""
    names = get_skeleton(pose.skeleton).joints
    hips = [k for k, name in enumerate(names) if name in ("left_hip", "right_hip")]
    ankles = [k for k, name in enumerate(names) if name in ("left_ankle", "right_ankle")]
    wrists = [k for k, name in enumerate(names) if name in ("left_wrist", "right_wrist")]
    if len(hips) < 2 or len(pose) < 5:
        return {}
    xy, _ = body_frame(pose)
    xy = xy - xy[:, hips].mean(axis=1, keepdims=True)
    rate = (len(pose) - 1) / float(pose.time[-1] - pose.time[0])
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
    """Mean over +-reach frames, ends held; xy (T, K, 2)."""
    padded = np.pad(xy, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return windows.mean(axis=-1)


def _clear_peak(signal: FloatArray, depth: float) -> int | None:
    """Row of the one peak that stands out by `depth` on both sides, None when there is none."""
    from scipy.signal import find_peaks

    peaks, facts = find_peaks(signal, prominence=depth)
    if not len(peaks):
        return None
    order = np.argsort(facts["prominences"])[::-1]
    first = int(peaks[order[0]])
    prominence = facts["prominences"][order]
    margin = max(2, MARGIN * len(signal))
    at_end = first < margin or first >= len(signal) - margin
    # A clip that ends higher than its peak has its true extremum outside.
    beaten = signal.max() > signal[first] + 1e-9
    rival = len(prominence) > 1 and prominence[1] > RIVAL * prominence[0]
    return None if at_end or beaten or rival else first
