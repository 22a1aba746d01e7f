"""Nothing is sure where one clip begins or ends otherwise than the other."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import different_ends as tested
from la2ds_cli.alignment.confidence import DOUBTFUL, compute_certainty
from la2ds_cli.core.arrays import FloatArray
from tests.movement import sequence

LENGTHS = 80, 140  # frames of A at 20 a second, of B at 50


def features(length: int, other_from: float | None = None, seed: int = 0) -> FloatArray:
    """(length, 6) a smooth movement in six directions, which goes the other way from a share on."""
    place, random = np.linspace(0, 1, length), np.random.default_rng(7)
    speed, shift = random.uniform(2, 7, 6), random.uniform(0, 6, 6)
    value = np.sin(place[:, None] * speed + shift)
    if other_from is not None:
        at = int(other_from * length)
        value[at:] = -2 * value[at:]
    return value + np.random.default_rng(seed).normal(0, 0.2, value.shape)


def position() -> FloatArray:
    return np.linspace(0, LENGTHS[1] - 1.0, LENGTHS[0])


@pytest.mark.parametrize("share", [0.5, 0.6, 0.7, 0.8])
@pytest.mark.parametrize("at_start", [False, True])
def test_an_end_that_only_one_clip_has_is_found(share: float, at_start: bool) -> None:
    a, b = features(LENGTHS[0]), features(LENGTHS[1], share, 1)
    if at_start:
        a, b = a[::-1], b[::-1]
    found = tested.probability_of_another_end(a, b, position())
    found = found[::-1] if at_start else found
    cut = int(share * LENGTHS[0])
    assert found[: cut - 10].max() < tested.ANOTHER_END < found[cut + 4 :].min()


def test_clips_that_end_alike_lose_nothing() -> None:
    for seed in range(20):
        a, b = features(LENGTHS[0], seed=seed), features(LENGTHS[1], seed=seed + 100)
        found = tested.probability_of_another_end(a, b, position())
        assert found.max() < tested.ANOTHER_END


def test_no_match_in_such_an_end_is_sure() -> None:
    poses = (
        sequence(np.linspace(0, 1, LENGTHS[0]), fps=20.0),
        sequence(np.linspace(0, 1, LENGTHS[1]), fps=50.0),
    )
    a, untouched = features(LENGTHS[0]), features(LENGTHS[1], seed=1)
    alike = compute_certainty(a, untouched, position(), poses).confidence
    other = compute_certainty(a, features(LENGTHS[1], 0.6, 1), position(), poses).confidence
    assert (alike[52:72] > DOUBTFUL).any()
    assert (other[52:] <= DOUBTFUL).all()


def test_frames_without_a_counterpart_and_clips_that_are_too_short() -> None:
    a, b = features(LENGTHS[0]), features(LENGTHS[1], 0.6, 1)
    place = position()
    place[70:] = np.nan
    found = tested.probability_of_another_end(a, b, place)
    assert (found[70:] == 0).all()
    assert (found[54:70] > tested.ANOTHER_END).all()
    short = tested.probability_of_another_end(a[:8], b[:9], np.arange(8.0))
    assert (short == 0).all()
    still = np.zeros((30, 4))
    assert (tested.probability_of_another_end(still, still[:20], np.linspace(0, 19, 30)) == 0).all()
