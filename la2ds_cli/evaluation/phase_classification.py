"""Phase classification: the phase of each test frame, predicted from its features by a classifier
that was fitted on the frames of the training videos."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.protocol import Subset


@dataclass(frozen=True)
class LabelledFrames:
    """Frames of one clip that have a phase. feature: (T, D) float. label: (T,) int64 >= 0."""

    feature: FloatArray
    label: IntArray


@dataclass(frozen=True)
class Classification:
    """confusion: (draws, V, K, K) int64 frames of each test video, truth by row, prediction by
    column. videos: number of training videos in each draw. one_phase: number of draws whose videos
    show only one phase, which is then predicted everywhere."""

    confusion: IntArray
    videos: int
    one_phase: int


def choose_videos(count: int, subset: Subset) -> list[list[int]]:
    """Video numbers of each draw, ascending; empty if `count` videos are too few.

    There is a single draw if nothing is random: in file order, or if all videos are used.
    """
    wanted = subset.videos or max(1, int(subset.share * count))
    if wanted > count:
        return []
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
    shared: SharedDistances | None = None,
) -> Classification | None:
    """Fit on each draw of `subset` of the training videos and predict every test frame.

    phases: K. shared: the distances of the frames of exactly these videos, which all SVMs may use.
    A test frame of a phase that no training video shows counts as wrong. Returns None if there are
    fewer training videos than the subset needs.
    """
    draws = choose_videos(len(train), subset)
    if not draws:
        return None
    features = np.concatenate([clip.feature for clip in test])
    end = np.cumsum([len(clip.label) for clip in test])
    confusion = np.zeros((len(draws), len(test), phases, phases), np.int64)
    one_phase = 0
    for d, chosen in enumerate(draws):
        x = np.concatenate([train[v].feature for v in chosen])
        y = np.concatenate([train[v].label for v in chosen])
        one_phase += len(np.unique(y)) == 1
        # If all frames are equal, gamma is undefined, and `predict` handles it.
        if shared is not None and classifier == "svm" and np.ptp(x) > 0:
            guess = shared.svm(chosen, x, y)
        else:
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
SHARED_CELLS = 2**26  # float64 cells of distances that all SVMs of a feature share (512 MB)
_ROWS = 32  # rows of a kernel that are computed at once
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


class Memory:
    """Memory for one large array of each name, used again by the next one of that name: new memory
    takes the system longer than filling it."""

    def __init__(self) -> None:
        self._held: dict[str, FloatArray] = {}

    def array(self, name: str, rows: int, columns: int) -> FloatArray:
        """An array (rows, columns) float64 with any content. The previous array of this name may
        no longer be used."""
        cells = rows * columns
        if name not in self._held or self._held[name].size < cells:
            self._held.pop(name, None)  # before the larger one is there
            self._held[name] = np.empty(cells)
        return self._held[name][:cells].reshape(rows, columns)


class SharedDistances:
    """Squared distances of the training frames of a feature to each other and to the test frames.

    The SVMs of all draws and subsets share them: the kernel of each is computed from these
    distances with its own gamma, and for the test frames only from its support vectors. Everything
    large is in `memory`, which the distances of the next feature overwrite.
    """

    def __init__(
        self, train: Sequence[LabelledFrames], test: Sequence[LabelledFrames], memory: Memory
    ) -> None:
        self._memory = memory
        x, other = (
            np.concatenate([clip.feature for clip in clips]).astype(np.float64)
            for clips in (train, test)
        )
        self._among = memory.array("among", len(x), len(x))
        self._to_test = memory.array("to test", len(x), len(other))
        _squared_distances(x, x, self._among)
        _squared_distances(x, other, self._to_test)
        end = np.cumsum([len(clip.label) for clip in train]).tolist()
        self._part = [slice(first, last) for first, last in zip([0, *end], end, strict=False)]

    @classmethod
    def of(
        cls, train: Sequence[LabelledFrames], test: Sequence[LabelledFrames], memory: Memory
    ) -> SharedDistances | None:
        """The distances; None if they would take more than SHARED_CELLS."""
        frames, others = (sum(len(clip.label) for clip in clips) for clips in (train, test))
        return cls(train, test, memory) if 0 < frames * (frames + others) <= SHARED_CELLS else None

    def svm(self, chosen: Sequence[int], x: FloatArray, y: IntArray) -> IntArray:
        """(M,) labels of the test frames by `_svm`, fitted on the frames x (N, D), y (N,) of the
        chosen training videos."""
        from sklearn.svm import SVC

        known = np.unique(y)
        if len(known) == 1:
            return np.full(self._to_test.shape[1], known[0])
        x = np.asarray(x, dtype=np.float64)
        width = -1 / (x.shape[1] * x.var())
        parts = [self._part[video] for video in chosen]
        rows = np.concatenate([np.arange(part.start, part.stop) for part in parts])
        kernel = self._memory.array("kernel", len(rows), len(rows))
        filled = 0
        # Clip by clip, so that a block stays in the CPU cache: the full matrix would be read and
        # written four times.
        for part in parts:
            block = kernel[filled : filled + part.stop - part.start]
            np.concatenate([self._among[part, other] for other in parts], axis=1, out=block)
            block *= width
            np.exp(block, out=block)
            filled += len(block)
        model = SVC(C=1.0, kernel="precomputed").fit(kernel, y)
        near = self._memory.array("near", len(model.support_), self._to_test.shape[1])
        for first in range(0, len(near), _ROWS):
            block = near[first : first + _ROWS]
            support = rows[model.support_[first : first + _ROWS]]
            np.multiply(self._to_test[support], width, out=block)
            np.exp(block, out=block)
        return known[_most_votes(model, near)]


def _squared_distances(x: FloatArray, other: FloatArray, out: FloatArray) -> None:
    """Write the squared distances of x (N, D) and other (M, D) into out (N, M), by the arithmetic
    of scikit-learn's euclidean_distances."""
    np.matmul(x, other.T, out=out)
    square = np.einsum("md,md->m", other, other)
    for first in range(0, len(x), _ROWS):
        block, rows = out[first : first + _ROWS], x[first : first + _ROWS]
        block *= -2
        block += np.einsum("nd,nd->n", rows, rows)[:, None]
        block += square
        np.maximum(block, 0, out=block)
    if other is x:
        np.fill_diagonal(out, 0)


def _most_votes(model: Any, kernel: FloatArray) -> IntArray:
    """(M,) numbers of the classes that a fitted SVC predicts, from the kernel (S, M) of its support
    vectors with M frames: the class with the most one-against-one votes, the first one if tied.
    """
    first = np.concatenate([[0], np.cumsum(model.n_support_)])
    own = [slice(low, high) for low, high in itertools.pairwise(first.tolist())]
    votes = np.zeros((len(own), kernel.shape[1]), np.int64)
    sign = -1 if len(own) == 2 else 1  # for two classes, scikit-learn flips the sign of both
    weights, constants = sign * model.dual_coef_, sign * model.intercept_
    for (i, j), constant in zip(itertools.combinations(range(len(own)), 2), constants, strict=True):
        # Row j - 1 holds the weights of class i against j, row i those of class j against i.
        value = weights[j - 1, own[i]] @ kernel[own[i]] + weights[i, own[j]] @ kernel[own[j]]
        wins = value + constant > 0
        votes[i] += wins
        votes[j] += ~wins
    return votes.argmax(axis=0)


def score_confusion(
    confusion: FloatArray | IntArray, score: Literal["accuracy", "weighted_f1"]
) -> FloatArray:
    """(...) scores of confusion (..., K, K), truth by row; NaN where it contains no frame.

    accuracy: share of correct frames. weighted_f1: F1 of each phase (0 where it is undefined),
    weighted by its share of the true frames, as scikit-learn's f1_score(average="weighted").
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, guessed = confusion.sum(axis=-1), confusion.sum(axis=-2)
    frames = true.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if score == "accuracy":
            return right.sum(axis=-1) / frames
        f1 = np.where(true + guessed > 0, 2 * right / (true + guessed), 0.0)
        return (f1 * true).sum(axis=-1) / frames
