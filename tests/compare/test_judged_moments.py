"""Which moments can be judged, by hand: clips of unequal lengths and rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.compare.judged_moments import DOUBTS, find_doubts, loose_matches, slow_clip
from la2ds_cli.compare.viewpoint import ViewDifference
from tests.alignments import matched, timed

A, B = timed(np.arange(90) / 30), timed(np.arange(75) / 25)  # three seconds
UNSURE = DOUBTS.index("the alignment is not sure")
SAME = ViewDifference(90.0, 90.0, 0.0, side_known=True, by_frame=np.zeros(len(A)))


def aligned(apart: float, moves: float, wide: int = 4, confidence: float = 0.8) -> Alignment:
    """Features that differ by 1 at each match, but by `apart` in the middle second, where B moves
    to and fro by `moves` within an interval of `wide` frames to either side."""
    position = np.minimum(np.arange(len(A)) * 25 / 30, len(B) - 1)
    middle = (A.time >= 1) & (A.time < 2)
    b = np.zeros((len(B), 2))
    b[25:50, 0] = moves * (np.arange(25) // 2 % 2)
    a = b[np.rint(position).astype(int)] + np.where(middle, apart, 1.0)[:, None] * [0, 1]
    ends = np.where(middle, wide, 0)
    return matched(
        position,
        A,
        B,
        compared=(a, b),
        cost=np.ones(len(A)),
        confidence=np.full(len(A), confidence),
        low=position - ends,
        high=position + ends,
    )


@pytest.mark.parametrize(
    ("apart", "moves", "loose"),
    [(1.0, 1.0, False), (3.0, 0.0, False), (1.0, 2.0, False), (3.0, 2.0, True)],
)
def test_a_match_is_loose_where_b_is_unlike_a_and_moves_within_the_interval(
    apart: float, moves: float, loose: bool
) -> None:
    inner = (A.time > 1.2) & (A.time < 1.8)
    found = loose_matches(aligned(apart, moves))
    assert (found[inner] == loose).all()
    assert not found[(A.time < 0.8) | (A.time > 2.2)].any()


def test_it_does_not_matter_in_which_unit_features_are() -> None:
    plain = aligned(3.0, 2.0)
    a, b = plain.compared
    larger = replace(plain, compared=(70 * a, 70 * b), cost=70 * plain.cost)
    assert loose_matches(larger).tolist() == loose_matches(plain).tolist()


def test_loose_matches_and_those_within_a_quarter_of_a_second_are_not_judged() -> None:
    alignment = aligned(3.0, 2.0)
    time = A.time[loose_matches(alignment)]
    doubt = find_doubts(A, len(B), alignment, SAME)
    near = (A.time > time[0] - 0.25) & (A.time < time[-1] + 0.25)
    assert (doubt[near] == UNSURE).all()
    far = (A.time > 0.1) & (A.time < time[0] - 0.3)
    assert (doubt[far] == 0).all()


@pytest.mark.parametrize(
    ("ratio", "judged"), [(1.0, True), (2.9, True), (3.1, False), (0.3, False)]
)
def test_beside_slow_motion_only_sure_matches_are_judged(ratio: float, judged: int) -> None:
    for confidence in (0.8, 0.95):
        alignment = replace(aligned(1.0, 0.0, confidence=confidence), overall_ratio=ratio)
        doubt = find_doubts(A, len(B), alignment, SAME)[5:60]
        assert (doubt == (0 if judged or confidence > 0.9 else UNSURE)).all()
    assert bool(slow_clip(alignment)) != bool(judged)
