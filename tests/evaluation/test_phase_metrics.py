"""Phase classification and progression on cases whose answer is known."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.svm import SVC

from la2ds_cli.evaluation import phase_metrics
from la2ds_cli.evaluation import phase_metrics as tested
from la2ds_cli.evaluation.phase_labels import Labels, PhaseFrames
from la2ds_cli.evaluation.protocol import LA2DS, Subset


def frames(values: list[float], labels: list[int]) -> PhaseFrames:
    return np.array(values)[:, None], np.array(labels)


def test_videos_are_the_first_of_the_file_or_seeded_samples() -> None:
    assert tested.choose_videos(25, Subset("", 0.1)) == [[0, 1]]
    assert tested.choose_videos(9, Subset("", 0.1)) == [[0]]
    draws = tested.choose_videos(20, Subset("", 0.5, draws=6, seed=3))
    assert len(draws) == 6
    assert all(len(set(draw)) == 10 and draw == sorted(draw) for draw in draws)
    assert len({tuple(draw) for draw in draws}) == 6
    assert draws[2] == tested.choose_videos(20, Subset("", 0.5, draws=1, seed=5))[0]
    # Nothing is random in all videos: one draw.
    assert tested.choose_videos(20, Subset("", 1.0, draws=6)) == [list(range(20))]


def test_confusion_counts_the_frames_of_each_test_video() -> None:
    train = [frames([0, 0.1, 1, 1.1], [0, 0, 1, 1])]
    test = [frames([0.05, 1.05, 0.0], [0, 1, 1]), frames([1.0], [1])]
    found = tested.classify_phases(train, test, 2, [[0]], "svm")
    np.testing.assert_array_equal(found, [[[[1, 0], [1, 1]], [[0, 0], [0, 1]]]])
    assert tested.accuracy(found.sum(axis=1))[0] == 0.75
    # A phase of no training video counts as wrong, and a draw of one phase predicts it.
    found = tested.classify_phases(
        [frames([0, 1], [0, 1])], [frames([0, 1, 5], [0, 1, 2])], 3, [[0]], "svm"
    )
    assert tested.accuracy(found[0, 0]) == pytest.approx(2 / 3)
    one = [frames([0, 1], [1, 1]), frames([0, 1], [0, 1])]
    found = tested.classify_phases(one, [frames([0, 9], [0, 1])], 2, [[0]], "logistic")
    np.testing.assert_array_equal(found[0, 0], [[0, 1], [0, 1]])


def test_svm_gamma_is_one_over_width_times_variance() -> None:
    """With gamma = 1 / D, the default before scikit-learn 0.22, the frame at 60 is told apart."""
    x = np.array([0.0, 1.0, 100.0, 101.0])[:, None]
    y = np.array([0, 0, 1, 1])
    # gamma * d^2 is about 1 between the groups, so the nearer group wins far from both.
    np.testing.assert_array_equal(
        tested.predict(x, y, np.array([[-60.0], [40.0], [60.0]]), "svm"), [0, 0, 1]
    )
    one: Any = 1.0  # the stubs of scikit-learn know its default alone
    old = SVC(gamma=one).fit(x, y).decision_function([[-60.0], [60.0]])
    assert old[0] == old[1]


def test_training_frames_that_are_all_alike_have_one_answer() -> None:
    x, y = np.ones((21, 3)), np.array([0] * 4 + [2] * 10 + [5] * 7)
    test = np.ones((4, 3)) * np.arange(4)[:, None]
    expected = SVC(C=1.0, gamma="scale").fit(x, y).predict(test)
    np.testing.assert_array_equal(tested.predict(x, y, test, "svm"), expected)


@pytest.mark.parametrize("phases", [2, 3])
def test_the_kernel_from_products_predicts_as_scikit_learns(phases: int, monkeypatch) -> None:
    """Held whole, in blocks of test frames, and not held where it would be large."""
    rng = np.random.default_rng(phases)
    x, y = rng.normal(size=(90, 7)), rng.integers(0, phases, 90)
    test = rng.normal(size=(400, 7)) * 1.5
    expected = SVC(C=1.0, gamma="scale").fit(x, y).predict(test)
    assert len(np.unique(expected)) == phases
    for block, most in ((2**24, 8192), (90 * 64, 8192), (1, 8192), (2**24, 89)):
        monkeypatch.setattr(phase_metrics, "_BLOCK", block)
        monkeypatch.setattr(phase_metrics, "KERNEL_FRAMES", most)
        np.testing.assert_array_equal(tested.predict(x, y, test, "svm"), expected)


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
    assert (tested.predict(x, y, test, "logistic") == expected).mean() > 0.999


def test_accuracy_of_a_hand_computed_table() -> None:
    # 6 frames of phase 0: 4 right; 2 of phase 1: 1 right; 2 of phase 2: none right.
    assert tested.accuracy(np.array([[4, 2, 0], [1, 1, 0], [2, 0, 0]])) == pytest.approx(0.5)
    assert np.isnan(tested.accuracy(np.zeros((2, 2))))


# --- progression --------------------------------------------------------------------------------

WHOLE, PARTIAL = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 2, 2, 2])


@pytest.mark.parametrize(
    ("label", "phases", "rule", "boundary", "targets"),
    [
        # Frames to the end of each phase but the last.
        ([0, 0, 1, 1, 2], 3, "exclude", 0, [-0.2, 0.0, 0.2, 0.4, 0.6]),
        ([0, 0, 1, 1, 2], 3, "exclude", 1, [-0.6, -0.4, -0.2, 0.0, 0.2]),
        # The last of several times counts, and bare frames keep their place.
        ([0, -1, 1, 0], 2, "exclude", 0, [-0.75, -0.5, -0.25, 0.0]),
        # CASA copies the boundary before, or takes the length, and has no rule for the first one.
        ([0, 0, 2, 3], 4, "copy", 1, [-0.25, 0, 0.25, 0.5]),
        ([0, 0, 2, 2], 3, "copy", 1, [-1.0, -0.75, -0.5, -0.25]),
        ([1, 1, 2], 3, "copy", 0, [np.nan] * 3),
        # Ours leaves the clip out of that boundary.
        ([0, 0, 2, 2], 3, "exclude", 1, [np.nan] * 4),
        ([0, 0, 2, 2], 3, "exclude", 0, [-0.25, 0, 0.25, 0.5]),
    ],
)
def test_progress_counts_to_the_end_of_a_phase(
    label: list[int],
    phases: int,
    rule: Literal["copy", "exclude"],
    boundary: int,
    targets: list[float],
) -> None:
    found = tested.progression_targets(np.array(label), phases, rule)
    assert found.shape == (len(label), phases - 1)
    np.testing.assert_allclose(found[:, boundary], targets)


def clock(length: int) -> np.ndarray:
    return (np.arange(length) / length)[:, None]


def sums_of(
    train: list[np.ndarray], fitted: list[Any], test: list[np.ndarray], scored: list[Any]
) -> np.ndarray:
    sides = []
    for features, labels in ((train, fitted), (test, scored)):
        of = [np.array(label) for label in labels]
        phases = max(label.max() for label in map(np.array, fitted)) + 1
        sides.append(
            (features, of, [tested.progression_targets(one, phases, "exclude") for one in of])
        )
    return tested.progression_sums(*sides)


def test_a_clock_against_a_boundary_that_moves_by_hand() -> None:
    """Fitted on a clip whose phase ends at frame 1 of 4, scored on one where it ends at 2: every
    prediction is 1/4 too high. Targets -0.5, -0.25, 0, 0.25 have a squared spread of 0.3125."""
    sums = sums_of([clock(4)], [[0, 0, 1, 1]], [clock(4)], [[0, 0, 0, 1]])
    np.testing.assert_allclose(sums[0, 0], [4, -0.5, 0.375, 0.25])
    np.testing.assert_allclose(tested.r_squared(sums[0]), [1 - 4 * 0.0625 / 0.3125])
    assert np.isnan(tested.r_squared(np.array([3.0, 3.0, 3.0, 0.5])))  # three equal targets


def test_progression_equals_scikit_learn_on_all_frames_of_all_clips() -> None:
    rng = np.random.default_rng(0)
    labels = [np.sort(np.append(rng.integers(0, 3, 20), [0, 1, 2])) for _ in range(8)]
    features = [rng.normal(size=(23, 4)) + label[:, None] for label in labels]
    found = tested.r_squared(
        sums_of(features[:5], labels[:5], features[5:], labels[5:]).sum(axis=0)
    )
    targets = [tested.progression_targets(label, 3, "exclude") for label in labels]
    for e in range(2):
        fit = np.concatenate(targets[:5])[:, e]
        model = LinearRegression().fit(np.concatenate(features[:5]), fit)
        guess = model.predict(np.concatenate(features[5:]))
        assert found[e] == pytest.approx(r2_score(np.concatenate(targets[5:])[:, e], guess))


def test_frames_without_a_phase_are_neither_fitted_nor_scored() -> None:
    wild = [np.append(clock(5)[:-1], 1e3)[:, None], np.append(-1e3, clock(5)[1:])[:, None]]
    sums = sums_of(wild[:1], [[0, 0, 1, 1, -1]], wild[1:], [[-1, 0, 0, 1, 1]])
    assert sums[0, 0, 0] == 4
    assert sums[0, 0, 3] == pytest.approx(4 * 0.2**2)


@pytest.mark.parametrize(
    ("train", "test", "reason"),
    [
        (WHOLE, PARTIAL, "no test clip has the phase 'b'"),
        (PARTIAL, WHOLE, "some clips have no phase 'b', for which this protocol has no rule"),
    ],
)
def test_a_phase_of_one_side_alone_leaves_no_figure(
    train: np.ndarray, test: np.ndarray, reason: str
) -> None:
    labels = Labels(("a", "b", "c"), [train], [test], [0])
    found = tested.measure_progression([clock(6)], [clock(6)], labels, LA2DS, 0)
    assert (found.value, found.facts["reason"]) == (None, reason)
