"""Phase progression: how far a frame is from the end of each phase, predicted from its
features by linear regression. TCC calls it event completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.measure import Measure, undefined, video_counts
from la2ds_cli.evaluation.phase_labels import NO_PHASE, Labels
from la2ds_cli.evaluation.protocol import Protocol

MissingRule = Literal["copy", "exclude"]


class MissingPhase(ValueError):
    """A clip lacks a phase, and the protocol has no rule for it. phase: its number."""

    def __init__(self, phase: int) -> None:
        super().__init__(f"a clip has no phase {phase}")
        self.phase = phase


@dataclass(frozen=True)
class Progression:
    """r2: (E,) R squared of each boundary over all test frames, NaN if no clip has it. sums: (V, E,
    4) per test video: frames, sum of targets, sum of squared targets, sum of squared errors.
    excluded: (E,) number of training and test clips left out because they lack the phase."""

    r2: FloatArray
    sums: FloatArray
    excluded: IntArray


def progression_targets(label: IntArray, phases: int, rule: MissingRule) -> FloatArray:
    """(T, E) float64: (t - last frame of phase e) / T for e = 0..K-2.

    Neither clipped nor scaled, about -1 to 1. label: (T,) phase of each frame; phases: K. For a
    phase that is not in the clip, `copy` uses the target of the previous phase or, for e = K-2, the
    clip's length as that last frame (CASA), and raises MissingPhase for the first phase; `exclude`
    gives NaN.
    """
    length = len(label)
    time = np.arange(length, dtype=np.float64)
    targets = np.full((length, phases - 1), np.nan)
    for e in range(targets.shape[1]):
        where = np.flatnonzero(label == e)
        if len(where):
            targets[:, e] = (time - where[-1]) / length
        elif rule == "copy" and e == phases - 2:
            targets[:, e] = (time - length) / length
        elif rule == "copy" and e:
            targets[:, e] = targets[:, e - 1]
        elif rule == "copy":
            raise MissingPhase(e)
    return targets


def phase_progression(
    train: Sequence[FloatArray],
    train_label: Sequence[IntArray],
    test: Sequence[FloatArray],
    test_label: Sequence[IntArray],
    phases: int,
    rule: MissingRule,
) -> Progression:
    """One least-squares regression with intercept per boundary, over all training frames.

    train, test: features (T, D) per clip; labels (T,) int64, NO_PHASE for frames that are left out
    (they still count as time). Raises MissingPhase as progression_targets does, and if no training
    clip has a phase.
    """
    from sklearn.linear_model import LinearRegression

    fit = [progression_targets(label, phases, rule) for label in train_label]
    truth = [progression_targets(label, phases, rule) for label in test_label]
    boundaries = fit[0].shape[1]
    x = _labelled(train, train_label)
    y = _labelled(fit, train_label)
    sums = np.zeros((len(test), boundaries, 4))
    for e in range(boundaries):
        known = ~np.isnan(y[:, e])
        if not known.any():
            raise MissingPhase(e)
        model = LinearRegression().fit(x[known], y[known, e])
        for v, (feature, label) in enumerate(zip(test, test_label, strict=True)):
            scored = (label != NO_PHASE) & ~np.isnan(truth[v][:, e])
            if scored.any():
                target = truth[v][scored, e]
                miss = model.predict(np.asarray(feature[scored], np.float64)) - target
                sums[v, e] = len(target), target.sum(), (target**2).sum(), (miss**2).sum()
    excluded = np.sum([np.isnan(t).all(axis=0) for t in (*fit, *truth)], axis=0)
    return Progression(r_squared(sums.sum(axis=0)), sums, excluded)


def _labelled(values: Sequence[FloatArray], label: Sequence[IntArray]) -> FloatArray:
    parts = [np.asarray(v, np.float64)[of != NO_PHASE] for v, of in zip(values, label, strict=True)]
    return np.concatenate(parts)


def r_squared(sums: FloatArray) -> FloatArray:
    """(...) R squared of sums (..., 4) as in Progression; NaN without two different targets."""
    frames, total, square, error = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = square - total**2 / frames
        return np.where(spread > 1e-12 * square, 1 - error / spread, np.nan)


def measure_progression(
    train: Sequence[FloatArray],
    test: Sequence[FloatArray],
    labels: Labels,
    protocol: Protocol,
    seed: int,
) -> Measure:
    """The mean R squared over the boundaries; features (T, D) of the clips of `labels`."""
    if len(labels.phases) < 2:
        return undefined("fewer than two phases")
    try:
        result = phase_progression(
            train,
            labels.train,
            test,
            labels.test,
            len(labels.phases),
            protocol.missing_phase,
        )
    except MissingPhase as missing:
        name = labels.phases[missing.phase]
        return undefined(f"some clip has no phase '{name}', for which this protocol has no rule")
    names = labels.phases[: len(result.r2)]
    if np.isnan(result.r2).any():
        name = names[int(np.isnan(result.r2).argmax())]
        return undefined(f"no test clip has the phase '{name}'")
    low = -np.inf if protocol.r2_floor is None else protocol.r2_floor
    counts = video_counts(len(test), seed)
    resampled = r_squared(np.einsum("rv,ves->res", counts, result.sums))
    facts = {
        "by_phase": dict(zip(names, result.r2.tolist(), strict=True)),
        "mean_unclipped": float(result.r2.mean()),
        "clipped": int((result.r2 < low).sum()),
        "excluded": dict(zip(names, result.excluded.tolist(), strict=True)),
        "reason": None,
    }
    value = float(np.maximum(result.r2, low).mean())
    clips = int((result.sums[:, :, 0].max(axis=1) > 0).sum())
    return Measure(value, np.maximum(resampled, low).mean(axis=1), clips, facts)
