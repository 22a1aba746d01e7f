"""What an uncertain moment takes from a difference: clips of unequal lengths and rates, one of
which is held or moves within the interval of the match."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.compare.differences import LIKELY, Differences, differences
from la2ds_cli.compare.findings import Finding, find_differences
from la2ds_cli.compare.viewpoint import view_difference
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from tests.alignments import matched
from tests.compare.performers import bump, performance, steady

RATES = [(30, 25), (25, 60), (60, 30)]


def measured(alignment: Alignment) -> tuple[Differences, list[Finding]]:
    a, b = alignment.pose_a, alignment.shown_b
    angles = differences(a, b, alignment, view_difference(a, b, alignment.position), ())
    return angles, find_differences(angles, alignment, [])


def filmed(rate: int, seconds: float, **how: Any) -> PoseSequence:
    return performance(steady(round(seconds * rate) + 1), fps=float(rate), **how)


@given(
    rates=st.sampled_from(RATES),
    seconds=st.sampled_from([(3.0, 3.0), (3.0, 4.2), (3.6, 2.8)]),
    seed=st.integers(0, 1000),
    degrees=st.sampled_from([-30.0, -26.0]),
)
def test_a_small_difference_that_lasts_is_found_under_noise_and_none_where_there_is_none(
    rates: tuple[int, int], seconds: tuple[float, float], seed: int, degrees: float
) -> None:
    reference = filmed(rates[0], seconds[0], noise=1.0, seed=seed)
    knee = {"change": "right_knee", "degrees": degrees, "middle": 0.36, "width": 0.3}
    for change, joints in (({}, set()), (knee, {"right_knee"})):
        other = filmed(rates[1], seconds[1], noise=1.0, seed=seed + 1, **change)
        found = align(reference, other, [], movement_features(), AlignConfig())
        assert {finding.joint for finding in measured(found)[1]} == joints


def standing(rate: int, seconds: float, middle: float, degrees: float = 40.0) -> PoseSequence:
    """Somebody who stands, seen from the side, and bends the left knee once, for 0.6 s on
    either side of `middle`."""
    time = np.arange(round(rate * seconds) + 1) / rate
    still = performance(0 * time, fps=float(rate), style=None, azimuth=-np.pi / 2, distance=30.0)
    knee, ankle = (get_skeleton("coco17").index(f"left_{part}") for part in ("knee", "ankle"))
    turn = np.exp(1j * np.radians(degrees) * bump(time, middle, 0.6))
    limb = (still.xy[:, ankle] - still.xy[:, knee]) @ [1, 1j] * turn
    still.xy[:, ankle] = still.xy[:, knee] + np.stack([limb.real, limb.imag], axis=1)
    return still


def doubted(a: PoseSequence, b: PoseSequence, seconds: float) -> Alignment:
    """B, which takes four seconds where A takes three, at matches that may be wrong by as much."""
    position = np.interp(a.time * 4 / 3, b.time, np.arange(len(b)))
    wide = seconds / LIKELY * b.fps
    return matched(position, a, b, low=position - wide, high=position + wide)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize(("doubt", "count"), [(0.0, 1), (0.1, 1), (0.6, 0)])
def test_a_moment_in_doubt_takes_away_what_the_difference_loses_within_it(
    rates: tuple[int, int], doubt: float, count: int
) -> None:
    """40 degrees at the match, less at moments nearby that are more alike, and none of them half a
    second away."""
    a, b = standing(rates[0], 3.0, 1.5, 0.0), standing(rates[1], 4.0, 2.0)
    angles, found = measured(doubted(a, b, doubt))
    assert [finding.joint for finding in found] == ["left_knee"] * count
    sure, _ = measured(doubted(a, b, 0.0))
    known = ~np.isnan(sure.floor)
    assert (angles.floor[known] >= sure.floor[known]).all()
    assert (np.abs(angles.beyond[known]) <= np.abs(sure.beyond[known])).all()


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize(("doubt", "stated"), [(0.0, True), (0.4, False)])
def test_the_same_movement_a_little_later_is_no_difference(
    rates: tuple[int, int], doubt: float, stated: bool
) -> None:
    """The other clip bends the knee 0.4 s later than the match says, which may be wrong."""
    a, b = standing(rates[0], 3.0, 1.5), standing(rates[1], 4.0, 2.4)
    assert bool(measured(doubted(a, b, doubt))[1]) == stated
