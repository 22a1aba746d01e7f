"""Phase metrics of a feature: classification, progression and retrieval.

Classification: a classifier fitted on the frames of training videos predicts the phase of each test
frame. Progression: a linear regression predicts how far a frame is from the end of each phase (TCC
calls this event completion). Retrieval: nearest_frames.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.measure import (
    LEAST_CLIPS,
    RESAMPLES,
    Key,
    Measure,
    spread_over_clips,
    undefined,
    video_counts,
)
from la2ds_cli.evaluation.nearest_frames import measure_retrieval
from la2ds_cli.evaluation.phase_labels import NO_PHASE, Labels, PhaseFrames, labelled_frames
from la2ds_cli.evaluation.protocol import Protocol, Subset


def measure_phases(
    train: Sequence[FloatArray],
    test: Sequence[FloatArray],
    labels: Labels,
    protocol: Protocol,
    seed: int,
) -> dict[Key, Measure]:
    """Compute classification, progression and retrieval of one feature.

    Parameters
    ----------
    train: features (T, D) of the clips in labels.train.
    test: features (T, D) of all test clips.
    """
    test = [test[row] for row in labels.test_row]
    fit, scored = labelled_frames(train, labels.train), labelled_frames(test, labels.test)
    measures: dict[Key, Measure] = {
        ("phase_classification", subset.name): measure_classification(
            fit, scored, len(labels.phases), protocol, subset, seed
        )
        for subset in protocol.subsets
    }
    measures["phase_progression", ""] = measure_progression(train, test, labels, protocol, seed)
    measures |= measure_retrieval(scored, protocol, seed)
    return {
        key: replace(
            measure, resampled=spread_over_clips(measure.resampled, len(test), LEAST_CLIPS)
        )
        for key, measure in measures.items()
    }


# --- classification -----------------------------------------------------------------------------


def measure_classification(
    train: Sequence[PhaseFrames],
    test: Sequence[PhaseFrames],
    phases: int,
    protocol: Protocol,
    subset: Subset,
    seed: int,
) -> Measure:
    """Compute the mean accuracy over the draws of a subset of the training videos."""
    chosen = choose_videos(len(train), subset)
    confusion = classify_phases(train, test, phases, chosen, protocol.classifier)
    draws = len(chosen)
    # How often each resample contains each draw of the training videos.
    generator = np.random.default_rng([seed, draws, 1])
    weight = generator.multinomial(draws, np.full(draws, 1 / draws), RESAMPLES)
    counts = video_counts(len(test), seed)
    resampled = np.zeros(len(counts))
    for d in range(draws):
        pooled = np.einsum("rv,vij->rij", counts, confusion[d])
        resampled += weight[:, d] * accuracy(pooled) / draws
    value = float(accuracy(confusion.sum(axis=1)).mean())
    facts = {"videos": len(chosen[0]), "draws": draws, "reason": None}
    return Measure(value, resampled, len(test), facts)


def choose_videos(count: int, subset: Subset) -> list[list[int]]:
    """Return the video numbers of each draw, ascending.

    There is a single draw if nothing is random: in file order, or if all videos are used.
    """
    size = max(1, int(subset.share * count))
    if not subset.draws or size == count:
        return [list(range(size))]
    draws = (random.Random(subset.seed + d) for d in range(subset.draws))
    return [sorted(draw.sample(range(count), size)) for draw in draws]


def classify_phases(
    train: Sequence[PhaseFrames],
    test: Sequence[PhaseFrames],
    phases: int,
    draws: Sequence[Sequence[int]],
    classifier: Literal["svm", "logistic"],
) -> IntArray:
    """Fit a classifier on each draw of training videos, and count its predictions on test frames.

    Test frames of a phase that no training video shows count as wrong.

    Parameters
    ----------
    phases: K, the number of phases.

    Returns
    -------
    (draws, V, K, K) int64: frames of each test video, truth by row, prediction by column.
    """
    features = np.concatenate([value for value, _ in test])
    end = np.cumsum([len(label) for _, label in test])
    confusion = np.zeros((len(draws), len(test), phases, phases), np.int64)
    for d, chosen in enumerate(draws):
        x, y = (np.concatenate([train[v][part] for v in chosen]) for part in (0, 1))
        guess = predict(x, y, features, classifier)
        for v, ((_, label), part) in enumerate(zip(test, np.split(guess, end[:-1]), strict=True)):
            np.add.at(confusion[d, v], (label, part), 1)
    return confusion


def predict(
    x: FloatArray, y: IntArray, test: FloatArray, classifier: Literal["svm", "logistic"]
) -> IntArray:
    """Predict labels (M,) of test (M, D) by a classifier fitted on x (N, D), y (N,)."""
    x, test = (np.asarray(part, dtype=np.float64) for part in (x, test))
    classes = np.unique(y)
    if len(classes) == 1:
        return np.full(len(test), classes[0])
    if classifier == "logistic":
        return _logistic(x, y, test, len(classes))
    return _svm(x, y, test)


def _logistic(x: FloatArray, y: IntArray, test: FloatArray, phases: int) -> IntArray:
    """Predict by multinomial logistic regression with C = 1, as CASA and CARL do.

    For two classes, scikit-learn fits one weight vector w. The softmax of CASA and CARL has two,
    w / 2 and -w / 2, whose penalty is half as large; C = 2 has the same effect.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=2.0 if phases == 2 else 1.0, max_iter=100_000)
    return model.fit(x, y).predict(test)


KERNEL_FRAMES = 8192  # training frames up to which the full kernel (512 MB) is computed
_BLOCK = 2**24  # float64 cells of a kernel in memory at once during prediction (128 MB)


def _svm(x: FloatArray, y: IntArray, test: FloatArray) -> IntArray:
    """Predict by scikit-learn's SVC with its defaults: RBF kernel, C = 1, gamma = 1 / (D var) (1 if
    all frames are equal), one against one. The random_state does not change the result; it only
    keeps SVC from using numpy's global one."""
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.svm import SVC

    width: Any = 1 / (x.shape[1] * x.var()) if np.ptp(x) > 0 else 1.0
    if len(x) > KERNEL_FRAMES:
        return SVC(C=1.0, gamma=width, cache_size=500, random_state=0).fit(x, y).predict(test)
    # A kernel from matrix products is equal up to rounding, and three to six times as fast.
    kernel: Any = partial(rbf_kernel, gamma=width)
    model = SVC(C=1.0, kernel=kernel, random_state=0).fit(x, y)
    rows = max(1, _BLOCK // len(x))
    parts = [model.predict(test[start : start + rows]) for start in range(0, len(test), rows)]
    return np.concatenate(parts)


def accuracy(confusion: FloatArray | IntArray) -> FloatArray:
    """Return the share (...) of correct frames in confusion (..., K, K), truth by row; NaN without
    frames."""
    confusion = np.asarray(confusion, dtype=np.float64)
    correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return correct.sum(axis=-1) / confusion.sum(axis=-1).sum(axis=-1)


# --- progression --------------------------------------------------------------------------------


def measure_progression(
    train: Sequence[FloatArray],
    test: Sequence[FloatArray],
    labels: Labels,
    protocol: Protocol,
    seed: int,
) -> Measure:
    """Compute the mean R squared over the boundaries; features (T, D) of the clips of `labels`."""
    if len(labels.phases) < 2:
        return undefined("fewer than two phases")
    rule = protocol.missing_phase
    fit, truth = (
        [progression_targets(label, len(labels.phases), rule) for label in side]
        for side in (labels.train, labels.test)
    )
    excluded = np.sum([np.isnan(target).all(axis=0) for target in (*fit, *truth)], axis=0)
    unfitted = np.all([np.isnan(target).all(axis=0) for target in fit], axis=0)
    names = labels.phases[: len(excluded)]
    barred = excluded > 0 if rule == "copy" else unfitted
    if barred.any():
        name = names[int(barred.argmax())]
        return undefined(f"some clips have no phase '{name}', for which this protocol has no rule")
    sums = progression_sums((train, labels.train, fit), (test, labels.test, truth))
    r2 = r_squared(sums.sum(axis=0))
    if np.isnan(r2).any():
        return undefined(f"no test clip has the phase '{names[int(np.isnan(r2).argmax())]}'")
    low = -np.inf if protocol.r2_floor is None else protocol.r2_floor
    resampled = r_squared(np.einsum("rv,ves->res", video_counts(len(test), seed), sums))
    facts = {
        "by_phase": dict(zip(names, r2.tolist(), strict=True)),
        "mean_unclipped": float(r2.mean()),
        "clipped": int((r2 < low).sum()),
        "excluded": dict(zip(names, excluded.tolist(), strict=True)),
        "reason": None,
    }
    clips = int((sums[:, :, 0].max(axis=1) > 0).sum())
    value = float(np.maximum(r2, low).mean())
    return Measure(value, np.maximum(resampled, low).mean(axis=1), clips, facts)


def progression_targets(
    label: IntArray, phases: int, rule: Literal["copy", "exclude"]
) -> FloatArray:
    """Return (T, E) float64: (t - last frame of phase e) / T for e = 0..K-2, about -1 to 1.

    Parameters
    ----------
    label: (T,) the phase of each frame.
    phases: K, the number of phases.
    rule: for a phase that the clip lacks. `copy` repeats the target of the previous phase or, for
        e = K-2, takes the clip's length as the last frame (CASA); the first phase is NaN.
        `exclude` gives NaN.
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
    return targets


Targets = tuple[Sequence[FloatArray], Sequence[IntArray], Sequence[FloatArray]]
"""For each clip: features (T, D); labels (T,) int64, NO_PHASE for frames to leave out (they still
count as time); and targets (T, E), NaN where a boundary has none."""


def progression_sums(train: Targets, test: Targets) -> FloatArray:
    """Fit a linear regression with intercept for each boundary on all training frames, and return
    (V, E, 4) for the test videos: frames, sum of targets, sum of squared targets, sum of squared
    errors. Every boundary must occur in some training clip."""
    from sklearn.linear_model import LinearRegression

    features, labels, targets = train
    x, y = (
        np.concatenate([np.asarray(v, np.float64)[label != NO_PHASE] for v, label in pairs])
        for pairs in (zip(features, labels, strict=True), zip(targets, labels, strict=True))
    )
    sums = np.zeros((len(test[0]), y.shape[1], 4))
    for e in range(y.shape[1]):
        defined = ~np.isnan(y[:, e])
        model = LinearRegression().fit(x[defined], y[defined, e])
        for v, (feature, label, truth) in enumerate(zip(*test, strict=True)):
            scored = (label != NO_PHASE) & ~np.isnan(truth[:, e])
            if scored.any():
                target = truth[scored, e]
                error = model.predict(np.asarray(feature[scored], np.float64)) - target
                sums[v, e] = len(target), target.sum(), (target**2).sum(), (error**2).sum()
    return sums


def r_squared(sums: FloatArray) -> FloatArray:
    """Return R squared (...) from sums (..., 4) of `progression_sums`; NaN if all targets are
    equal."""
    frames, total, square, error = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = square - total**2 / frames
        return np.where(spread > 1e-12 * square, 1 - error / spread, np.nan)
