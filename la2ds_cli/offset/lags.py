"""Turn recordings into signals of the joints that both show, for any skeletons and frame rates; and
measure how well two signals fit at every lag, for any angle between the cameras.

Two cameras that keep their direction see the joints of one performance in space. From afar, each
image is nearly a linear function of the same coordinates, so that at the right lag a combination of
the coordinates in one image equals a combination of those in the other (the affine epipolar
constraint): one combination from two sides, such as the height, and all of them from the same or
the opposite side, or if one recording has joints in space. At a wrong lag there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.pose_features import fill_gaps, known_in_3d
from la2ds_cli.features.resample import interpolate, smoothed_in_time

SMOOTHING = 0.04  # seconds, standard deviation: jitter of estimated joints is not movement
LEAST_SMOOTHING = 0.7  # frames
STEADY = 0.4  # seconds, standard deviation over which the size of a person is measured
LONGEST_GAP = 0.25  # seconds; joints are not interpolated over longer ones
FEWEST_JOINTS = 4
SEEN = 0.1  # share of the frames in which a joint must be known
RATE = 30.0  # samples per second
PRIOR = 0.1  # seconds of unrelated movement that are added, since a short overlap proves little
LEAST = 0.3  # seconds of overlap
APART = 0.1  # seconds between two lags that count as different


@dataclass(frozen=True)
class Signal:
    """The joints of a recording.

    value: (T, K, D) about their mean, smoothed, in units of the person's height; D = 2 in the
        image, 3 with the depth.
    seen: (T, K) whether the value is known.
    axis: when its frames were filmed.
    """

    value: FloatArray
    seen: BoolArray
    axis: TimeAxis

    @property
    def time(self) -> FloatArray:
        """(T,) seconds."""
        return self.axis.seconds

    @property
    def period(self) -> float:
        """Usual time from one frame to the next, seconds."""
        return self.axis.usual_step

    @property
    def shown(self) -> FloatArray:
        """(T,) seconds that each frame stands for; pauses of the camera are left out."""
        return np.minimum(self.axis.steps, max(LONGEST_GAP, self.period))

    def at(self, time: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (G, K, D) and weights (G, K), 0 or 1, at seconds (G,); the weight is 0
        outside the recording and in its pauses."""
        inside = (time >= self.time[0]) & (time <= self.time[-1])
        following = np.clip(np.searchsorted(self.time, time), 1, len(self.time) - 1)
        gap = self.time[following] - self.time[following - 1]
        paused = (gap > max(LONGEST_GAP, 2 * self.period)) & ~np.isin(time, self.time)
        inside &= ~paused
        known = interpolate(self.seen.astype(np.float64), self.time, time) > 0.999
        return interpolate(self.value, self.time, time), (known & inside[:, None]).astype(float)


def signals(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> tuple[Signal, Signal]:
    """Return the signals of recordings A and B, called `names`, for the joints that they share;
    raises UserError (exit 5) for too few."""
    shown_a, shown_b = (
        dict(zip(get_skeleton(pose.skeleton).joints, seen.mean(axis=0) > SEEN, strict=True))
        for pose, seen in ((pose, ~np.isnan(pose.xy[..., 0])) for pose in (a, b))
    )
    shared = [name for name, shown in shown_a.items() if shown and shown_b.get(name)]
    if len(shared) < FEWEST_JOINTS:
        raise Mismatch(
            f"{names[0]} and {names[1]} have {len(shared)} joints in common, but "
            f"{FEWEST_JOINTS} are needed",
            hint="extract or import both with skeletons that name the same joints",
        )
    return _signal(a, shared), _signal(b, shared)


def _signal(pose: PoseSequence, joints: list[str]) -> Signal:
    value = np.asarray(pose.xy, np.float64)
    if known_in_3d(pose) and pose.world is not None:
        value = np.concatenate([value, pose.world[..., 2:] * _pixels_per_metre(pose)], axis=2)
    value = value[:, [get_skeleton(pose.skeleton).index(name) for name in joints]]
    seen = _known(np.asarray(~np.isnan(value).any(axis=2)), pose.time)
    value = smoothed_in_time(fill_gaps(value, pose.time), pose.axis, SMOOTHING, LEAST_SMOOTHING)
    value -= value.mean(axis=1, keepdims=True)
    value /= _height(value[..., 1], pose.axis)[:, None, None]
    return Signal(value, seen, pose.axis)


def _height(y: FloatArray, axis: TimeAxis) -> FloatArray:
    """Return (T,) how far joints y (T, K) lie above and below their mean, over about a second: the
    same from every side, larger when the person comes closer."""
    spread = np.sqrt((y**2).mean(axis=1))
    usual = float(np.median(spread)) or 1.0
    return np.maximum(smoothed_in_time(spread, axis, STEADY, 1.0), usual / 4)


def _pixels_per_metre(pose: PoseSequence) -> float:
    """Return a scale by which depth counts about as much as the position in the image."""
    assert pose.world is not None
    across, along = (
        float(np.nanstd(of - np.nanmean(of, axis=(0, 1)))) for of in (pose.xy, pose.world)
    )
    return across / along if along > 0 else 1.0


def _known(seen: BoolArray, time: FloatArray) -> BoolArray:
    """Return (T, K) whether joints are seen, or lie in a gap of at most LONGEST_GAP."""
    known = seen.copy()
    for k in range(seen.shape[1]):
        rows = np.flatnonzero(seen[:, k])
        gaps = np.flatnonzero((np.diff(rows) > 1) & (np.diff(time[rows]) <= LONGEST_GAP))
        for gap in gaps:
            known[rows[gap] : rows[gap + 1], k] = True
    return known


def fit_at_lags(a: Signal, b: Signal) -> tuple[FloatArray, FloatArray]:
    """Return lags (L,) in seconds, of B minus A, and the information (L,) in nats that a joint of A
    then gives about the same joint of B; -inf without an overlap."""
    (va, wa), (vb, wb) = (of.at(np.arange(of.time[0], of.time[-1] + 1e-9, 1 / RATE))
                          for of in (a, b))  # fmt: skip
    da, dims = va.shape[2], va.shape[2] + vb.shape[2]
    lag = np.arange(-(len(va) - 1), len(vb))
    total = np.zeros((len(lag), dims, dims))
    most = np.zeros(len(lag))
    prior = np.zeros((dims, dims))
    for k in range(va.shape[1]):  # joint by joint, since a long film has many lags
        count, own = _covariance_at_lags((va[:, k], wa[:, k]), (vb[:, k], wb[:, k]), lag)
        most = np.maximum(most, count)
        total += own
        prior[:da, :da] += _spread(va[:, k], wa[:, k])
        prior[da:, da:] += _spread(vb[:, k], wb[:, k])
    prior += 1e-9 * max(float(np.trace(prior)), 1e-6) * np.eye(dims)
    total += PRIOR * RATE * prior
    blocks = (total[:, :da, :da], total[:, da:, da:], total)
    first, second, both = (np.linalg.slogdet(block)[1] for block in blocks)
    value = np.where(most >= LEAST * RATE, (first + second - both) / 2, -np.inf)
    return lag / RATE + b.time[0] - a.time[0], value


def _covariance_at_lags(
    a: tuple[FloatArray, FloatArray], b: tuple[FloatArray, FloatArray], lag: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the number of frames (L,) in which both values (T, D) have weight at each lag, and the
    summed products (L, D, D) of the coordinates of A and B about their means over these frames."""
    size = 1 << (len(a[0]) + len(b[0]) - 1).bit_length()
    (one_a, by_a, two_a), (one_b, by_b, two_b) = _terms(*a), _terms(*b)

    def sums(of_a: FloatArray, of_b: FloatArray) -> FloatArray:
        """Return the sums (L, ...) of terms (T, ...) of A times terms of B."""
        both = np.conj(np.fft.rfft(of_a, size, axis=0)) * np.fft.rfft(of_b, size, axis=0)
        return np.fft.irfft(both, size, axis=0)[lag]

    count = np.round(sums(one_a, one_b))
    total = np.concatenate([sums(by_a, one_b[:, None]), sums(one_a[:, None], by_b)], axis=1)
    own_a, own_b = sums(two_a, one_b[:, None, None]), sums(one_a[:, None, None], two_b)
    both = sums(by_a[:, :, None], by_b[:, None])
    products = np.block([[own_a, both], [both.transpose(0, 2, 1), own_b]])
    means = total[:, :, None] * total[:, None] / np.maximum(count, 1)[:, None, None]
    return count, products - means


def _terms(value: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the weight (T,), the weighted values (T, D) about their mean, and their weighted
    products (T, D, D)."""
    value = value - weight @ value / max(weight.sum(), 1)
    by = weight[:, None] * value
    return weight, by, by[:, :, None] * value[:, None]


def _spread(value: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the covariance (D, D) over the whole recording."""
    about = (value - weight @ value / max(weight.sum(), 1)) * weight[:, None]
    return about.T @ about / max(weight.sum(), 1)


def peaks(lag: FloatArray, value: FloatArray, most: int) -> FloatArray:
    """Return at most `most` of the lags (L,) at which the value (L,) has a maximum, the highest
    first."""
    padded = np.concatenate([[-np.inf], value, [-np.inf]])
    high = np.flatnonzero(np.isfinite(value) & (value >= padded[:-2]) & (value > padded[2:]))
    chosen: list[float] = []
    for at in lag[high[np.argsort(-value[high], kind="stable")]].tolist():
        if len(chosen) < most and all(abs(at - other) >= APART for other in chosen):
            chosen.append(at)
    return np.array(chosen)
