"""Phase classification on cases whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC

from la2ds_cli.evaluation import phase_classification
from la2ds_cli.evaluation.phase_classification import (
    accuracy,
    choose_videos,
    classify_phases,
    predict,
)
from la2ds_cli.evaluation.phase_labels import LabelledFrames
from la2ds_cli.evaluation.protocol import Subset


def frames(values: list[float], labels: list[int]) -> LabelledFrames:
    return LabelledFrames(np.array(values)[:, None], np.array(labels))


def test_first_videos_are_taken_in_file_order_and_at_least_one() -> None:
    assert choose_videos(25, Subset("", 0.1)) == [[0, 1]]
    assert choose_videos(9, Subset("", 0.1)) == [[0]]
    assert choose_videos(3, Subset("", 1.0)) == [[0, 1, 2]]


def test_draws_are_seeded_samples_of_videos_without_replacement() -> None:
    draws = choose_videos(20, Subset("", 0.5, draws=6, seed=3))
    assert len(draws) == 6
    assert all(len(set(draw)) == 10 and draw == sorted(draw) for draw in draws)
    assert len({tuple(draw) for draw in draws}) == 6
    assert draws[2] == choose_videos(20, Subset("", 0.5, draws=1, seed=5))[0]
    # Nothing is random in all videos: one draw.
    assert choose_videos(20, Subset("", 1.0, draws=6)) == [list(range(20))]


def test_confusion_counts_the_frames_of_each_test_video() -> None:
    train = [frames([0, 0.1, 1, 1.1], [0, 0, 1, 1])]
    test = [frames([0.05, 1.05, 0.0], [0, 1, 1]), frames([1.0], [1])]
    found = classify_phases(train, test, 2, Subset("", 1.0), "svm")
    np.testing.assert_array_equal(found.confusion, [[[[1, 0], [1, 1]], [[0, 0], [0, 1]]]])
    assert (found.videos, found.one_phase) == (1, 0)
    assert accuracy(found.confusion.sum(axis=1))[0] == 0.75


def test_a_phase_of_no_training_video_is_counted_as_wrong() -> None:
    train = [frames([0, 1], [0, 1])]
    found = classify_phases(train, [frames([0, 1, 5], [0, 1, 2])], 3, Subset("", 1.0), "svm")
    assert accuracy(found.confusion[0, 0]) == pytest.approx(2 / 3)


def test_a_draw_of_one_phase_predicts_it_and_is_counted() -> None:
    train = [frames([0, 1], [1, 1]), frames([0, 1], [0, 1])]
    found = classify_phases(train, [frames([0, 9], [0, 1])], 2, Subset("", 0.5), "logistic")
    assert found.one_phase == 1
    np.testing.assert_array_equal(found.confusion[0, 0], [[0, 1], [0, 1]])


def test_svm_gamma_is_one_over_width_times_variance() -> None:
    """With gamma = 1 / D, the default before scikit-learn 0.22, the frame at 60 is told apart."""
    x = np.array([0.0, 1.0, 100.0, 101.0])[:, None]
    y = np.array([0, 0, 1, 1])
    # gamma * d^2 is about 1 between the groups, so the nearer group wins far from both.
    np.testing.assert_array_equal(
        predict(x, y, np.array([[-60.0], [40.0], [60.0]]), "svm"), [0, 0, 1]
    )
    one: Any = 1.0  # the stubs of scikit-learn know its default alone
    old = SVC(gamma=one).fit(x, y).decision_function([[-60.0], [60.0]])
    assert old[0] == old[1]


def test_training_frames_that_are_all_alike_have_one_answer() -> None:
    x, y = np.ones((21, 3)), np.array([0] * 4 + [2] * 10 + [5] * 7)
    test = np.ones((4, 3)) * np.arange(4)[:, None]
    expected = SVC(C=1.0, gamma="scale").fit(x, y).predict(test)
    np.testing.assert_array_equal(predict(x, y, test, "svm"), expected)


@pytest.mark.parametrize("phases", [2, 3])
def test_the_kernel_from_products_predicts_as_scikit_learns(phases: int, monkeypatch) -> None:
    """Held whole, in blocks of test frames, and not held where it would be large."""
    rng = np.random.default_rng(phases)
    x, y = rng.normal(size=(90, 7)), rng.integers(0, phases, 90)
    test = rng.normal(size=(400, 7)) * 1.5
    expected = SVC(C=1.0, gamma="scale").fit(x, y).predict(test)
    assert len(np.unique(expected)) == phases
    for block, most in ((2**24, 8192), (90 * 64, 8192), (1, 8192), (2**24, 89)):
        monkeypatch.setattr(phase_classification, "_BLOCK", block)
        monkeypatch.setattr(phase_classification, "KERNEL_FRAMES", most)
        np.testing.assert_array_equal(predict(x, y, test, "svm"), expected)


@pytest.mark.parametrize("phases", [2, 3])
def test_logistic_regression_is_the_penalised_softmax(phases: int) -> None:
    """Minimum of sum of cross entropies + |W|^2 / 2 over one weight vector for each phase."""
    rng = np.random.default_rng(phases)
    y = np.arange(60) % phases
    x = rng.normal(size=(60, 2)) * 0.7 + np.array([[1, 0], [0, 1], [-1, -1]])[y]
    test = rng.normal(size=(4000, 2)) * 1.5

    def scores(w: np.ndarray, at: np.ndarray) -> np.ndarray:
        return at @ w.reshape(3, phases)[:2] + w.reshape(3, phases)[2]

    def loss(w: np.ndarray) -> float:
        s = scores(w, x)
        entropy = np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y]
        return float(entropy.sum() + 0.5 * (w.reshape(3, phases)[:2] ** 2).sum())

    best = minimize(loss, np.zeros(3 * phases), method="BFGS", options={"gtol": 1e-6}).x
    expected = scores(best, test).argmax(axis=1)
    assert (predict(x, y, test, "logistic") == expected).mean() > 0.999


def test_accuracy_of_a_hand_computed_table() -> None:
    # 6 frames of phase 0: 4 right; 2 of phase 1: 1 right; 2 of phase 2: none right.
    assert accuracy(np.array([[4, 2, 0], [1, 1, 0], [2, 0, 0]])) == pytest.approx(0.5)
    assert np.isnan(accuracy(np.zeros((2, 2))))
