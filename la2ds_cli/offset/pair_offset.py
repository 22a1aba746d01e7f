"""The lag of two recordings, how sure it is, and the other lags that fit.

Every lag at which two recordings fit well is a candidate (lags.py). There, the combinations of the
coordinates that agree best are known: y of A and z of B. Where B is late by d, y - z is d times
their slope in every joint and frame. Repeated least squares gives d until nothing is left to
explain and, if the overlap is long, the drift of the clocks.

At the lag of one performance the recordings agree to the noise of the joints, throughout the
overlap. Another take, or the next step of a walk, agrees less, and is early here and late there.
The weights of this evidence were fitted on motion capture of walks, rendered performers and
golfers, with the errors of pose networks (docs/results/offset.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from la2ds_cli.core.errors import Unusable
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.offset.lags import APART, Signal, fit_at_lags, peaks, signals

CANDIDATES = 6
LEAST_OVERLAP = 1.0  # seconds; a shorter overlap fits by chance
POSSIBLE = 0.0  # evidence; less is refused
ENOUGH = 3.0  # seconds; agreeing for less proves little, but is no evidence against it either
SURE = 2.2  # evidence from which it is one performance; 1 in 100 other takes has as much
RIVAL = 3.0  # a lag with this much less evidence may be the right one
WEIGHTS = (-19.81, -2.13, -2.6, 2.45)  # of 1, unlike, spread and overlap in `evidence`
DRIFT_FROM = 30.0  # seconds of overlap from which the drift is estimated
NORMAL = 1.5, 4.0  # half a 90 % interval in standard deviations, and more for a short overlap
STEPS = 8
LONGEST_STEP = 0.1  # seconds
AGREES = 0.3  # least correlation of a combination that counts
HUBER = 2.0  # standard deviations from which a joint counts less
BLOCK = 0.5  # seconds within which errors are correlated
CLOCKS = 1e-4  # largest drift of two cameras in nine of ten pairs
OF_A_FRAME = 0.03  # standard deviation of the error of interpolation, frames


@dataclass(frozen=True)
class Fit:
    """Two recordings at a lag.

    lag: seconds of B minus those of A, at `middle` seconds of A.
    drift: seconds that B's clock gains in a second of A, None = not estimated.
    deviation, drift_deviation: standard deviations of the lag at `middle` and of the drift.
    overlap: seconds that both show.
    correlation: of the combination of coordinates that agrees best.
    spread: standard deviation of the lag over BLOCKs of the overlap, seconds.
    no_drift: whether the user says that there is no drift.
    """

    lag: float
    drift: float | None
    middle: float
    deviation: float
    drift_deviation: float
    overlap: float
    correlation: float
    spread: float
    no_drift: bool = False

    def lag_at(self, seconds: float, otherwise: float = 0.0) -> float:
        """Return the lag at seconds of A. otherwise: the drift, if none was estimated."""
        drift = otherwise if self.drift is None else self.drift
        return self.lag + drift * (seconds - self.middle)

    @property
    def evidence(self) -> float:
        """Log odds that both recordings show one performance at this lag."""
        if self.overlap < LEAST_OVERLAP:
            return -math.inf
        unlike, spread = math.log(1 - self.correlation + 1e-3), math.log(self.spread + 2e-3)
        terms = (1.0, unlike, spread, math.log(self.overlap))
        return sum(weight * term for weight, term in zip(WEIGHTS, terms, strict=True))

    @property
    def probability(self) -> float:
        return 1 / (1 + math.exp(-self.evidence))

    @property
    def within(self) -> float:
        """Seconds that contain the error of the lag at `middle` in nine cases of ten."""
        return self._deviations * self.deviation

    def within_at(self, seconds: float) -> float:
        """Return the seconds that contain the error of `lag_at` in nine cases of ten; it grows with
        the distance from `middle` by the drift."""
        return math.hypot(self.within, self.drift_within * (seconds - self.middle))

    @property
    def drift_within(self) -> float:
        """The same of the drift; CLOCKS if it was not estimated."""
        if self.drift is None:
            return 0.0 if self.no_drift else CLOCKS
        return self._deviations * self.drift_deviation

    @property
    def _deviations(self) -> float:
        return NORMAL[0] + NORMAL[1] / max(self.overlap, LEAST_OVERLAP) ** 2


@dataclass(frozen=True)
class PairOffset:
    """The lag of two recordings.

    a, b: their numbers. best: the lag. rivals: other lags that fit as well, if the movement
    repeats. shorter: seconds of the shorter recording.
    """

    a: int
    b: int
    best: Fit
    rivals: tuple[Fit, ...] = ()
    shorter: float = math.inf

    @property
    def possible(self) -> bool:
        """Whether they may show one performance.

        Recordings of less than ENOUGH seconds cannot have much evidence, so theirs counts as if
        they agreed as well for that long.
        """
        lacking = math.log(max(ENOUGH / max(self.shorter, LEAST_OVERLAP), 1.0))
        return self.best.evidence + WEIGHTS[3] * lacking >= POSSIBLE

    @property
    def sure(self) -> bool:
        return self.best.evidence >= SURE and not self.rivals


def pair_offset(
    poses: tuple[PoseSequence, PoseSequence],
    numbers: tuple[int, int],
    names: tuple[str, str],
    drift: bool | None = None,
) -> PairOffset:
    """Return the lag of two recordings.

    Parameters
    ----------
    poses: of both.
    numbers: of both, for the result.
    names: of both, for messages.
    drift: whether the clocks may run at different rates; None = if the overlap is long.

    Raises
    ------
    UserError: exit 4 for a recording that is too short or does not move, 5 for recordings without
        joints in common.
    """
    a, b = signals(*poses, names)
    for name, signal in zip(names, (a, b), strict=True):
        if signal.time[-1] - signal.time[0] < LEAST_OVERLAP:
            raise Unusable(
                f"{name} lasts less than {LEAST_OVERLAP:g} s, too short to find its place",
                hint="use more of the recording",
            )
    fits = [fit(a, b, float(lag), drift) for lag in peaks(*fit_at_lags(a, b), CANDIDATES)]
    if not fits:
        raise Unusable(
            f"{names[0]} and {names[1]} have no lag at which they agree",
            hint="look at the joints with la2ds extract-poses --overlay sheet.png",
        )
    best, *others = sorted(fits, key=lambda each: -each.evidence)
    rivals = (
        other
        for other in others
        if other.evidence > best.evidence - RIVAL and abs(other.lag - best.lag) >= APART
    )
    shorter = min(float(signal.time[-1] - signal.time[0]) for signal in (a, b))
    return PairOffset(*numbers, best, rivals=tuple(rivals), shorter=shorter)


# --- the lag to a fraction of a frame, and the drift ----------------------------------------------


class _Residual(NamedTuple):
    """The part of the error that a change of the lag explains.

    time: (T,) seconds of A. shown: (T,) seconds that each frame stands for. pull, weight: (T, K)
    gradient and curvature of the squared error. seen: (T, K). trust: (T, K) weights of the joints
    by their error, for the next step. correlation: the largest.
    """

    time: FloatArray
    shown: FloatArray
    pull: FloatArray
    weight: FloatArray
    seen: FloatArray
    trust: FloatArray
    correlation: float


def fit(a: Signal, b: Signal, lag: float, drift: bool | None = None) -> Fit:
    """Return the fit of signals A and B, from a lag that is right to about 0.1 s.

    drift: see pair_offset.
    """
    shared = min(a.time[-1], b.time[-1] - lag) - max(a.time[0], b.time[0] - lag)
    no_drift = drift is False
    drift = bool(shared >= DRIFT_FROM) if drift is None else drift
    rate, middle = 0.0, float(a.time[0] + a.time[-1]) / 2
    left = _residual(a, b, lag, rate, middle)
    for step in range(STEPS):
        if step == 0:
            total = left.seen.sum(axis=1)
            middle = float(left.time @ total / max(total.sum(), 1))
        else:
            left = _residual(a, b, lag, rate, middle, left.trust)
        from_middle = (left.time - middle)[:, None]
        terms = np.stack([np.ones_like(from_middle), from_middle * drift])  # (2, T, 1)
        curvature = np.einsum("itx,jtx,tk->ij", terms, terms, left.weight)
        inverse = np.linalg.pinv(curvature, hermitian=True)
        change = inverse @ np.einsum("itx,tk->i", terms, left.pull)
        lag += float(np.clip(change[0], -LONGEST_STEP, LONGEST_STEP))
        rate += float(np.clip(change[1], -0.01, 0.01))
    block = np.floor((left.time - left.time[0]) / BLOCK).astype(np.int64)
    pulls = _summed(left.pull * terms, block)  # (2, blocks)
    joints = (left.pull * terms).sum(axis=1)  # (2, K)
    variance = inverse @ (pulls @ pulls.T + joints @ joints.T) @ inverse
    weight = _summed(left.weight[None], block)[0]
    of_block = pulls[0, weight > 0] / weight[weight > 0]
    weight = weight[weight > 0]
    off = of_block - weight @ of_block / max(weight.sum(), 1e-12)
    seen = left.seen.max(axis=1)
    overlap = float(seen @ left.shown)
    # the frames in the overlap, which may be longer or shorter than usual
    steps = [np.interp(left.time + by, of.time, of.shown) for of, by in ((a, 0.0), (b, lag))]
    period = max(float(seen @ (left.shown * step)) / max(overlap, 1e-9) for step in steps)
    return Fit(
        lag,
        rate if drift else None,
        middle,
        float(np.hypot(np.sqrt(variance[0, 0]), OF_A_FRAME * period)),
        float(np.sqrt(variance[1, 1])),
        overlap,
        left.correlation,
        float(np.sqrt(weight @ off**2 / max(weight.sum(), 1e-12))),
        no_drift,
    )


def _summed(value: FloatArray, block: FloatArray) -> FloatArray:
    """Return value (N, T, K) summed over joints and the frames of each block, (N, blocks)."""
    return np.stack([np.bincount(block, of.sum(axis=1)) for of in value])


def _residual(
    a: Signal, b: Signal, lag: float, rate: float, middle: float, robust: FloatArray | None = None
) -> _Residual:
    """Return the residual at the frames of the recording with the lower rate; the other is
    interpolated."""
    if a.period >= b.period:
        time, shown = a.time, a.shown
        time_b = time + lag + rate * (time - middle)
    else:
        time_b, shown = b.time, b.shown
        time = middle + (time_b - lag - middle) / (1 + rate)
    (va, wa), (vb, wb) = a.at(time), b.at(time_b)
    seen = wa * wb
    y, z, correlation = _combined(va, vb, seen if robust is None else robust)
    counts = correlation > min(AGREES, correlation.max() - 1e-9)
    y, z = y[..., counts], z[..., counts]
    precision = 1 / (2 * (1 - correlation[counts]) + 1e-3)
    error, slope = y - z, np.gradient((y + z) / 2, time, axis=0)
    distance = np.sqrt(error**2 @ precision)
    usual = np.sqrt((seen * distance**2).sum() / max(seen.sum(), 1)) + 1e-12
    trust = seen * np.minimum(1, HUBER * usual / np.maximum(distance, 1e-12))
    pull = trust * ((error * slope) @ precision)
    weight = trust * (slope**2 @ precision)
    return _Residual(time, shown, pull, weight, seen, trust, float(correlation.max()))


def _combined(
    va: FloatArray, vb: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the canonical combinations y and z (T, K, D) of the coordinates of A and B, with
    variance 1 about the mean of each joint, and their correlations (D,)."""
    count = np.maximum(weight.sum(axis=0), 1e-9)[:, None]
    va, vb = (v - (weight[..., None] * v).sum(axis=0) / count for v in (va, vb))
    of_a, of_b, both = (
        np.einsum("tk,tki,tkj->ij", weight, left, right) / max(weight.sum(), 1e-9)
        for left, right in ((va, va), (vb, vb), (va, vb))
    )
    white_a, white_b = _whitening(of_a), _whitening(of_b)
    left, correlation, right = np.linalg.svd(white_a.T @ both @ white_b, full_matrices=False)
    return va @ white_a @ left, vb @ white_b @ right.T, np.clip(correlation, 0, 1)


def _whitening(covariance: FloatArray) -> FloatArray:
    least = 1e-9 * float(np.trace(covariance)) + 1e-15
    value, vector = np.linalg.eigh(covariance + least * np.eye(len(covariance)))
    return vector / np.sqrt(value)
