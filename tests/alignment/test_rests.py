"""How long a movement takes without rests: what somebody stands before and after does not count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from la2ds_cli.alignment import align as heart
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import PoseSequence
from tests.alignments import matched, timed
from tests.movement import cycle, sequence


def performed(seconds: float, fps: float, before: float = 0.0, after: float = 0.0) -> PoseSequence:
    """One repetition of so many seconds, and the seconds that somebody stands around it."""
    moved = cycle(round(seconds * fps))
    stands = [np.zeros(round(each * fps)) for each in (before, after)]
    return sequence(np.concatenate([stands[0], moved, stands[1]]), fps=fps)


def align(a: PoseSequence, b: PoseSequence) -> Alignment:
    return heart.align(a, b, [], movement_features(), AlignConfig())


standing = st.sampled_from([0.0, 0.5, 2.0, 3.0])


@settings(max_examples=40)
@given(
    st.sampled_from([1.6, 2.0, 3.0]),
    st.sampled_from([1.2, 2.0, 2.8]),
    st.sampled_from([(25, 30), (30, 60), (50, 20)]),
    st.tuples(standing, standing),
    st.tuples(standing, standing),
)
def test_standing_before_and_after_does_not_change_the_tempo(
    seconds_a: float,
    seconds_b: float,
    rates: tuple[int, int],
    around_a: tuple[float, float],
    around_b: tuple[float, float],
) -> None:
    trimmed = align(performed(seconds_a, rates[0]), performed(seconds_b, rates[1]))
    found = align(
        performed(seconds_a, rates[0], *around_a), performed(seconds_b, rates[1], *around_b)
    )
    assert trimmed.overall_ratio == pytest.approx(seconds_b / seconds_a, rel=0.1)
    assert found.overall_ratio == pytest.approx(trimmed.overall_ratio, rel=0.12)


@pytest.mark.parametrize("around", [(2.0, 0.0), (2.0, 2.0), (0.0, 3.0)])
def test_a_part_lasts_as_long_in_motion_with_and_without_standing(
    around: tuple[float, float],
) -> None:
    a, b = performed(2.0, 25, *around), performed(3.0, 40)
    found = align(a, b)
    whole, plain = found.in_motion(0, len(a) - 1), align(performed(2.0, 25), b)
    assert whole.a < 2.3
    assert whole.ratio == pytest.approx(plain.in_motion(0, 49).ratio, rel=0.12)


def test_swapping_the_clips_inverts_the_tempo() -> None:
    a, b = performed(2.0, 25, 1.0, 0.0), performed(3.0, 40, 0.0, 2.0)
    assert align(a, b).overall_ratio * align(b, a).overall_ratio == pytest.approx(1, rel=0.02)


def test_clips_that_stand_still_have_no_tempo() -> None:
    a, b = timed(np.arange(20) / 20), timed(np.arange(30) / 25)
    found = matched(np.linspace(0, 29, 20), a, b)
    assert math.isnan(found.in_motion(0, 19).ratio)
    assert found.rests.all()
