"""How well two recordings fit at every lag, whatever the angle between their cameras.

Two cameras that keep their direction see the joints of one performance in space. From afar, the
image of either is nearly a linear function of the same coordinates, so that at the right lag a
combination of the coordinates in one image equals one of those in the other (the affine epipolar
constraint): one from two sides, such as the height, and all of them from the same or the opposite
side, or beside joints in space. At a wrong lag there is none.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.offset.signals import Signal

RATE = 30.0  # samples per second
PRIOR = 0.1  # seconds of unrelated movement that are added: a short overlap proves little
LEAST = 0.3  # seconds of overlap
APART = 0.1  # seconds between two lags that are told apart


def fit_at_lags(a: Signal, b: Signal) -> tuple[FloatArray, FloatArray]:
    """Lags (L,) in seconds, which seconds of A plus are seconds of B, and the information (L,) in
    nats that a joint of A then gives about the one of B; -inf without an overlap."""
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
    """Frames (L,) in which both values (T, D) have weight at each lag, and the summed products
    (L, D, D) of the coordinates of A and of B about their means over these frames."""
    size = 1 << (len(a[0]) + len(b[0]) - 1).bit_length()
    (one_a, by_a, two_a), (one_b, by_b, two_b) = _terms(*a), _terms(*b)

    def sums(of_a: FloatArray, of_b: FloatArray) -> FloatArray:
        """(L, ...) of terms (T, ...) of A times those of B."""
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
    """Weight (T,), weighted values (T, D) about their mean, and the weighted products (T, D, D) of
    two of these."""
    value = value - weight @ value / max(weight.sum(), 1)
    by = weight[:, None] * value
    return weight, by, by[:, :, None] * value[:, None]


def _spread(value: FloatArray, weight: FloatArray) -> FloatArray:
    """(D, D) covariance over the whole recording."""
    about = (value - weight @ value / max(weight.sum(), 1)) * weight[:, None]
    return about.T @ about / max(weight.sum(), 1)


def peaks(lag: FloatArray, value: FloatArray, most: int) -> FloatArray:
    """At most `most` lags at which the value (L,) has a maximum, the highest first."""
    padded = np.concatenate([[-np.inf], value, [-np.inf]])
    high = np.flatnonzero(np.isfinite(value) & (value >= padded[:-2]) & (value > padded[2:]))
    found: list[float] = []
    for at in lag[high[np.argsort(-value[high], kind="stable")]].tolist():
        if len(found) < most and all(abs(at - other) >= APART for other in found):
            found.append(at)
    return np.array(found)
