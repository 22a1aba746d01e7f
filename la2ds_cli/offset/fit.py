"""The lag to a fraction of a frame, the drift of the clocks, and how far both may be off.

At a lag, the combinations of the coordinates of both recordings that agree best are known
(lags.py): y of A and z of B. Where B is late by d, y - z is d times their slope in every joint and
frame. Least squares gives d, and repeated, the lag at which nothing is left to explain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.offset.signals import Signal

STEPS = 8
LONGEST_STEP = 0.1  # seconds
AGREES = 0.3  # least correlation of a combination that counts
HUBER = 2.0  # standard deviations from which a joint counts less
BLOCK = 0.5  # seconds within which errors go together
OF_A_FRAME = 0.03  # standard deviation of what interpolation between frames errs


@dataclass(frozen=True)
class Fit:
    """Two recordings at the lag that was found.

    lag: seconds of B minus those of A, at `middle` seconds of A.
    drift: seconds that B's clock gains in a second of A.
    deviation, drift_deviation: standard deviations of both.
    overlap: seconds that both show.
    correlation: of the combination of coordinates that agrees best.
    spread: standard deviation of the lag of BLOCKs of the overlap, in seconds.
    """

    lag: float
    drift: float
    middle: float
    deviation: float
    drift_deviation: float
    overlap: float
    correlation: float
    spread: float

    def lag_at(self, seconds: float) -> float:
        """The lag at seconds of A."""
        return self.lag + self.drift * (seconds - self.middle)


class _Residual(NamedTuple):
    """What a change of the lag explains. time: (T,) seconds of A. pull, weight: (T, K) of the
    squared error its gradient and its curvature. weight_seen: (T, K). correlation: the largest."""

    time: FloatArray
    pull: FloatArray
    weight: FloatArray
    seen: FloatArray
    correlation: float


def fit(a: Signal, b: Signal, lag: float, *, drift: bool) -> Fit:
    """Start from a lag that is right to about a tenth of a second. drift: estimate it, else it is
    0."""
    rate, middle = 0.0, float(a.time[0] + a.time[-1]) / 2
    robust = None
    for step in range(STEPS):
        left, robust = _residual(a, b, lag, rate, middle, robust)
        if step == 0:
            total = left.seen.sum(axis=1)
            middle = float(left.time @ total / max(total.sum(), 1))
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
    period = max(a.period, b.period)
    return Fit(
        lag,
        rate,
        middle,
        float(np.hypot(np.sqrt(variance[0, 0]), OF_A_FRAME * period)),
        float(np.sqrt(variance[1, 1])),
        float(left.seen.max(axis=1).sum() * period),
        left.correlation,
        float(np.sqrt(weight @ off**2 / max(weight.sum(), 1e-12))),
    )


def _summed(value: FloatArray, block: FloatArray) -> FloatArray:
    """Value (N, T, K) summed over joints and the frames of each block, (N, blocks)."""
    return np.stack([np.bincount(block, of.sum(axis=1)) for of in value])


def _residual(
    a: Signal, b: Signal, lag: float, rate: float, middle: float, robust: FloatArray | None
) -> tuple[_Residual, FloatArray]:
    """At the frames of the slower recording, between which the faster one is interpolated; and the
    weights (T, K) of the joints by how far they are off, which the next step uses."""
    if a.period >= b.period:
        time = a.time
        time_b = time + lag + rate * (time - middle)
    else:
        time_b = b.time
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
    return _Residual(time, pull, weight, seen, float(correlation.max())), trust


def _combined(
    va: FloatArray, vb: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Combinations y and z (T, K, D) of the coordinates of both, of variance 1 about the mean of
    each joint, and their correlations (D,): the canonical ones."""
    count = np.maximum(weight.sum(axis=0), 1e-9)[:, None]
    va, vb = (v - (weight[..., None] * v).sum(axis=0) / count for v in (va, vb))
    of_a, of_b, both = (
        np.einsum("tk,tki,tkj->ij", weight, one, other) / max(weight.sum(), 1e-9)
        for one, other in ((va, va), (vb, vb), (va, vb))
    )
    white_a, white_b = _whitening(of_a), _whitening(of_b)
    left, correlation, right = np.linalg.svd(white_a.T @ both @ white_b, full_matrices=False)
    return va @ white_a @ left, vb @ white_b @ right.T, np.clip(correlation, 0, 1)


def _whitening(covariance: FloatArray) -> FloatArray:
    least = 1e-9 * float(np.trace(covariance)) + 1e-15
    value, vector = np.linalg.eigh(covariance + least * np.eye(len(covariance)))
    return vector / np.sqrt(value)
