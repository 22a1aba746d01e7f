"""Recordings as signals of the joints that both show, whatever their skeletons and frame rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence
from la2ds_cli.features.pose_features import fill_gaps, known_in_3d
from la2ds_cli.features.resample import frame_period, interpolate, smoothed

SMOOTHING = 0.04  # seconds, standard deviation: jitter of estimated joints is not movement
LEAST_SMOOTHING = 0.7  # frames
STEADY = 0.4  # seconds, standard deviation over which the size of a person is measured
LONGEST_GAP = 0.25  # seconds; joints are not interpolated over longer ones
FEWEST_JOINTS = 4
SEEN = 0.1  # share of the frames in which a joint must be known


@dataclass(frozen=True)
class Signal:
    """The joints of a recording.

    value: (T, K, D) about their mean, smoothed, in units of the person's height; D = 2 in the
        image, 3 with the depth.
    seen: (T, K) whether that is known.
    time: (T,) seconds.
    period: seconds of a frame.
    """

    value: FloatArray
    seen: BoolArray
    time: FloatArray
    period: float

    def at(self, time: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values (G, K, D) and weights (G, K), 0 or 1, at seconds (G,); 0 outside the recording."""
        inside = (time >= self.time[0]) & (time <= self.time[-1])
        known = interpolate(self.seen.astype(np.float64), self.time, time) > 0.999
        return interpolate(self.value, self.time, time), (known & inside[:, None]).astype(float)


def signals(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> tuple[Signal, Signal]:
    """Both recordings by the joints that they share. Raises UserError (exit 5) for too few."""
    shown_a, shown_b = (
        dict(zip(get_skeleton(pose.skeleton).joints, seen.mean(axis=0) > SEEN, strict=True))
        for pose, seen in ((pose, ~np.isnan(pose.xy[..., 0])) for pose in (a, b))
    )
    shared = [name for name, shown in shown_a.items() if shown and shown_b.get(name)]
    if len(shared) < FEWEST_JOINTS:
        raise UserError(
            f"{names[0]} and {names[1]} show {len(shared)} joints in common, and "
            f"{FEWEST_JOINTS} are needed",
            hint="extract or import both with skeletons that name the same joints",
            exit_code=ExitCode.MISMATCH,
        )
    return _signal(a, shared), _signal(b, shared)


def _signal(pose: PoseSequence, joints: list[str]) -> Signal:
    value = np.asarray(pose.xy, np.float64)
    if known_in_3d(pose) and pose.world is not None:
        value = np.concatenate([value, pose.world[..., 2:] * _pixels_per_metre(pose)], axis=2)
    value = value[:, [get_skeleton(pose.skeleton).index(name) for name in joints]]
    seen = _known(np.asarray(~np.isnan(value).any(axis=2)), pose.time)
    period = frame_period(pose.time, pose.fps)
    value = smoothed(fill_gaps(value, pose.time), max(SMOOTHING / period, LEAST_SMOOTHING))
    value -= value.mean(axis=1, keepdims=True)
    value /= _height(value[..., 1], period)[:, None, None]
    return Signal(value, seen, pose.time, period)


def _height(y: FloatArray, period: float) -> FloatArray:
    """(T,) how far joints y (T, K) lie above and below their mean, over about a second: the same
    from every side, larger when the person comes closer."""
    spread = np.sqrt((y**2).mean(axis=1))
    usual = float(np.median(spread)) or 1.0
    return np.maximum(smoothed(spread, max(STEADY / period, 1.0)), usual / 4)


def _pixels_per_metre(pose: PoseSequence) -> float:
    """About as many as make depth count as much as the place in the image."""
    assert pose.world is not None
    across, along = (
        float(np.nanstd(of - np.nanmean(of, axis=(0, 1)))) for of in (pose.xy, pose.world)
    )
    return across / along if along > 0 else 1.0


def _known(seen: BoolArray, time: FloatArray) -> BoolArray:
    """Where joints (T, K) are seen, or lie in a gap of at most LONGEST_GAP."""
    known = seen.copy()
    for k in range(seen.shape[1]):
        rows = np.flatnonzero(seen[:, k])
        gaps = np.flatnonzero((np.diff(rows) > 1) & (np.diff(time[rows]) <= LONGEST_GAP))
        for gap in gaps:
            known[rows[gap] : rows[gap + 1], k] = True
    return known
