"""Phase progression: targets by hand, rules for missing phases, R squared."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from la2ds_cli.evaluation.phase_progression import (
    MissingPhase,
    MissingRule,
    phase_progression,
    progression_targets,
    r_squared,
)

WHOLE = np.array([0, 0, 1, 1, 2])


def test_targets_are_frames_to_the_end_of_each_phase_but_the_last() -> None:
    targets = progression_targets(WHOLE, 3, "exclude")
    np.testing.assert_allclose(targets[:, 0], [-0.2, 0.0, 0.2, 0.4, 0.6])
    np.testing.assert_allclose(targets[:, 1], [-0.6, -0.4, -0.2, 0.0, 0.2])
    assert targets.shape == (5, 2)


def test_the_last_of_several_times_counts_and_bare_frames_keep_their_place() -> None:
    targets = progression_targets(np.array([0, -1, 1, 0]), 2, "exclude")
    np.testing.assert_allclose(targets[:, 0], [-0.75, -0.5, -0.25, 0.0])


def test_casa_copies_the_boundary_before_or_takes_the_length() -> None:
    four = progression_targets(np.array([0, 0, 2, 3]), 4, "copy")
    np.testing.assert_allclose(four[:, 1], four[:, 0])
    np.testing.assert_allclose(four[:, 0], [-0.25, 0, 0.25, 0.5])
    last = progression_targets(np.array([0, 0, 2, 2]), 3, "copy")
    np.testing.assert_allclose(last[:, 1], [-1.0, -0.75, -0.5, -0.25])
    with pytest.raises(MissingPhase) as caught:
        progression_targets(np.array([1, 1, 2]), 3, "copy")
    assert caught.value.phase == 0


def test_ours_leaves_the_clip_out_of_that_boundary() -> None:
    targets = progression_targets(np.array([0, 0, 2, 2]), 3, "exclude")
    assert np.isnan(targets[:, 1]).all()
    assert np.isfinite(targets[:, 0]).all()


def clock(length: int) -> np.ndarray:
    return (np.arange(length) / length)[:, None]


def test_features_that_hold_the_target_score_one() -> None:
    labels = [np.repeat([0, 1], [n, 10 - n]) for n in (3, 5)]
    exact = [progression_targets(label, 2, "exclude") for label in labels]
    found = phase_progression(exact, labels, exact, labels, 2, "exclude")
    np.testing.assert_allclose(found.r2, [1.0])


def test_a_clock_against_a_boundary_that_moves_by_hand() -> None:
    """Fitted on a clip whose phase ends at frame 1 of 4, scored on one where it ends at 2: every
    prediction is 1/4 too high. Targets -0.5, -0.25, 0, 0.25 have a squared spread of 0.3125."""
    train, test = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    found = phase_progression([clock(4)], [train], [clock(4)], [test], 2, "exclude")
    np.testing.assert_allclose(found.r2, [1 - 4 * 0.0625 / 0.3125])
    np.testing.assert_allclose(found.sums[0, 0], [4, -0.5, 0.375, 0.25])


def test_equal_to_scikit_learn_on_all_frames_of_all_clips() -> None:
    rng = np.random.default_rng(0)
    labels = [np.sort(np.append(rng.integers(0, 3, 20), [0, 1, 2])) for _ in range(8)]
    features = [rng.normal(size=(23, 4)) + label[:, None] for label in labels]
    found = phase_progression(features[:5], labels[:5], features[5:], labels[5:], 3, "exclude")
    targets = [progression_targets(label, 3, "exclude") for label in labels]
    for e in range(2):
        fit = np.concatenate(targets[:5])[:, e]
        model = LinearRegression().fit(np.concatenate(features[:5]), fit)
        guess = model.predict(np.concatenate(features[5:]))
        assert found.r2[e] == pytest.approx(r2_score(np.concatenate(targets[5:])[:, e], guess))


def test_frames_without_a_phase_are_neither_fitted_nor_scored() -> None:
    train, test = np.array([0, 0, 1, 1, -1]), np.array([-1, 0, 0, 1, 1])
    wild = [np.append(clock(5)[:-1], 1e3)[:, None], np.append(-1e3, clock(5)[1:])[:, None]]
    found = phase_progression(wild[:1], [train], wild[1:], [test], 2, "exclude")
    assert found.sums[0, 0, 0] == 4
    assert found.sums[0, 0, 3] == pytest.approx(4 * 0.2**2)


@pytest.mark.parametrize(("rule", "clips"), [("exclude", [0, 2]), ("copy", [0, 0])])
def test_left_out_clips_are_counted(rule: MissingRule, clips: list[int]) -> None:
    full, partial = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 2, 2, 2])
    labels, features = [full, partial], [clock(6), clock(6)]
    found = phase_progression(features, labels, features, labels, 3, rule)
    np.testing.assert_array_equal(found.excluded, clips)


def test_a_phase_that_no_training_clip_has_cannot_be_fitted() -> None:
    label = np.array([0, 0, 2, 2])
    with pytest.raises(MissingPhase):
        phase_progression([clock(4)], [label], [clock(4)], [label], 3, "exclude")


def test_a_phase_that_no_test_clip_has_is_not_a_number() -> None:
    full, partial = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 2, 2, 2])
    found = phase_progression([clock(6)], [full], [clock(6)], [partial], 3, "exclude")
    np.testing.assert_array_equal(np.isnan(found.r2), [False, True])
    assert np.isnan(r_squared(np.array([3.0, 3.0, 3.0, 0.5])))  # three equal targets
