"""Phase classification: the phase of each test frame, predicted from its features by a classifier
that was fitted on the frames of the training videos."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.measure import RESAMPLES, Measure, video_counts
from la2ds_cli.evaluation.phase_labels import LabelledFrames
from la2ds_cli.evaluation.protocol import Protocol, Subset


@dataclass(frozen=True)
class Classification:
    """confusion: (draws, V, K, K) int64 frames of each test video, truth by row, prediction by
    column. videos: number of training videos in each draw. one_phase: number of draws whose videos
    show only one phase, which is then predicted everywhere."""

    confusion: IntArray
    videos: int
    one_phase: int


def choose_videos(count: int, subset: Subset) -> list[list[int]]:
    """Video numbers of each draw, ascending.

    There is a single draw if nothing is random: in file order, or if all videos are used.
    """
    wanted = max(1, int(subset.share * count))
    if not subset.draws or wanted == count:
        return [list(range(wanted))]
    draws = (random.Random(subset.seed + d) for d in range(subset.draws))
    return [sorted(draw.sample(range(count), wanted)) for draw in draws]


def classify_phases(
    train: Sequence[LabelledFrames],
    test: Sequence[LabelledFrames],
    phases: int,
    subset: Subset,
    classifier: Literal["svm", "logistic"],
) -> Classification:
    """Fit on each draw of `subset` of the training videos and predict every test frame.

    phases: K. A test frame of a phase that no training video shows counts as wrong.
    """
    draws = choose_videos(len(train), subset)
    features = np.concatenate([clip.feature for clip in test])
    end = np.cumsum([len(clip.label) for clip in test])
    confusion = np.zeros((len(draws), len(test), phases, phases), np.int64)
    one_phase = 0
    for d, chosen in enumerate(draws):
        x = np.concatenate([train[v].feature for v in chosen])
        y = np.concatenate([train[v].label for v in chosen])
        one_phase += len(np.unique(y)) == 1
        guess = predict(x, y, features, classifier)
        for v, (clip, part) in enumerate(zip(test, np.split(guess, end[:-1]), strict=True)):
            np.add.at(confusion[d, v], (clip.label, part), 1)
    return Classification(confusion, len(draws[0]), one_phase)


def predict(
    x: FloatArray, y: IntArray, test: FloatArray, classifier: Literal["svm", "logistic"]
) -> IntArray:
    """(M,) labels of test (M, D) by a classifier fitted on x (N, D), y (N,)."""
    x, test = (np.asarray(part, dtype=np.float64) for part in (x, test))
    known = np.unique(y)
    if len(known) == 1:
        return np.full(len(test), known[0])
    if classifier == "logistic":
        return _logistic(x, y, test, len(known))
    return _svm(x, y, test)


def _logistic(x: FloatArray, y: IntArray, test: FloatArray, phases: int) -> IntArray:
    """Multinomial logistic regression, C = 1, as CASA and CARL fit it.

    For two classes, scikit-learn fits one weight vector w. The softmax of CASA and CARL has two,
    w / 2 and -w / 2, whose penalty is half as large: the same as C = 2.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=2.0 if phases == 2 else 1.0, max_iter=100_000)
    return model.fit(x, y).predict(test)


KERNEL_FRAMES = 8192  # training frames up to which the full kernel (512 MB) is computed
_BLOCK = 2**24  # float64 cells of a kernel in memory at once during prediction (128 MB)


def _svm(x: FloatArray, y: IntArray, test: FloatArray) -> IntArray:
    """scikit-learn's SVC with its defaults: RBF kernel, C = 1, gamma = 1 / (D var), or 1 if all
    frames are equal, one against one."""
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.svm import SVC

    width: Any = 1 / (x.shape[1] * x.var()) if np.ptp(x) > 0 else 1.0
    if len(x) > KERNEL_FRAMES:
        return SVC(C=1.0, gamma=width, cache_size=500).fit(x, y).predict(test)
    # The kernel from matrix products is equal up to rounding, and three to six times as fast.
    kernel: Any = partial(rbf_kernel, gamma=width)
    model = SVC(C=1.0, kernel=kernel).fit(x, y)
    rows = max(1, _BLOCK // len(x))
    parts = [model.predict(test[start : start + rows]) for start in range(0, len(test), rows)]
    return np.concatenate(parts)


def accuracy(confusion: FloatArray | IntArray) -> FloatArray:
    """(...) share of correct frames of confusion (..., K, K), truth by row; NaN without a frame."""
    confusion = np.asarray(confusion, dtype=np.float64)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return right.sum(axis=-1) / confusion.sum(axis=-1).sum(axis=-1)


def measure_classification(
    train: Sequence[LabelledFrames],
    test: Sequence[LabelledFrames],
    phases: int,
    protocol: Protocol,
    subset: Subset,
    seed: int,
) -> Measure:
    """The mean accuracy over the draws of a subset of the training videos."""
    result = classify_phases(train, test, phases, subset, protocol.classifier)
    draws = len(result.confusion)
    by_draw = accuracy(result.confusion.sum(axis=1))
    # How often each draw of the training videos is drawn in each resample.
    generator = np.random.default_rng([seed, draws, 1])
    weight = generator.multinomial(draws, np.full(draws, 1 / draws), RESAMPLES)
    counts = video_counts(len(test), seed)
    resampled = np.zeros(len(counts))
    for d in range(draws):
        pooled = np.einsum("rv,vij->rij", counts, result.confusion[d])
        resampled += weight[:, d] * accuracy(pooled) / draws
    facts = {
        "videos": result.videos,
        "draws": draws,
        "draw_spread": float(np.std(by_draw, ddof=1)) if draws > 1 else None,
        "one_phase_draws": result.one_phase,
        "reason": None,
    }
    return Measure(float(by_draw.mean()), resampled, len(test), facts)
