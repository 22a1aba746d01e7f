"""The lag of two recordings, on films whose clocks are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.offset.pair_offset import PairOffset, pair_offset
from tests.movement import without
from tests.offset.recordings import film, performed, short_pair
from tests.told import refused


def found(a: PoseSequence, b: PoseSequence, drift: bool | None = None) -> PairOffset:
    return pair_offset((a, b), (0, 1), ("a", "b"), drift)


def without_an_arm(pose: PoseSequence) -> PoseSequence:
    """As penn13, with one arm never seen and a joint lost in a third of the frames."""
    pose = body_joints(pose)
    return without(without(pose, joints=[4, 6]), slice(None, None, 3), 9)


@pytest.mark.parametrize(
    ("angle", "rates", "overlap"),
    [
        (0, (30, 30), 1.0),
        (45, (25, 59.94), 1.0),
        (90, (30, 120), 1.0),
        (180, (25, 30), 1.0),
        (150, (59.94, 30), 0.5),
        (0, (30, 25), 0.5),
    ],
)
def test_the_lag_is_right_to_a_fraction_of_a_frame(
    angle: float, rates: tuple[float, float], overlap: float
) -> None:
    points, share = performed(1, times=5), 1 / (2 - overlap)
    a = film(points, 20, rates[0], (0, share))
    b = film(points, 20 + angle, rates[1], (1 - share, 1), lag=-1.2345)
    pair = found(a, b)
    off = abs(pair.best.lag - -1.2345)
    assert off < 0.25 / min(rates)
    assert off <= 2 * pair.best.within
    assert pair.best.within < 1 / min(rates)
    assert pair.sure or angle > 90
    both = min(a.time[-1], b.time[-1] + 1.2345) - max(a.time[0], b.time[0] + 1.2345)
    assert pair.best.overlap == pytest.approx(both, abs=0.1)


def test_joints_that_one_recording_lacks_do_no_harm() -> None:
    points = performed(2)
    a, b = film(points, 0), film(points, 60, 50, lag=2.0)
    assert found(a, without_an_arm(b)).best.lag == pytest.approx(2.0, abs=0.01)


def test_a_clock_that_gains_is_measured_where_the_overlap_is_long() -> None:
    points = performed(4, times=14)
    a, b = film(points, 0), film(points, 50, 59.94, lag=1.0, drift=3e-4)
    best = found(a, b).best
    assert best.drift is not None
    assert best.drift == pytest.approx(3e-4, abs=1e-4)
    assert abs(best.drift - 3e-4) <= 2 * best.drift_within
    assert best.lag_at(0.0) == pytest.approx(1.0, abs=0.01)
    assert found(a, b, drift=False).best.drift is None
    assert found(a, film(points, 50, 59.94, (0, 0.3), lag=1.0)).best.drift is None


@pytest.mark.parametrize(("other", "take"), [(5, 1), (6, 0)])
def test_another_take_or_performer_is_not_one_performance(other: int, take: int) -> None:
    pair = found(film(performed(5), 0), film(performed(other, take), 30))
    assert not pair.sure
    assert pair.best.evidence < 1


SHORT = [(performer, angle) for performer in range(7) for angle in (60, 90)]


def test_short_recordings_of_one_performance_are_not_taken_for_two() -> None:
    """They prove little, but the lag that fits best is theirs, and its interval holds the truth."""
    pairs = [found(*short_pair(*case)) for case in SHORT]
    assert np.mean([pair.possible for pair in pairs]) > 0.7
    off = np.array([pair.best.lag - 0.7 for pair in pairs])
    assert np.abs(off).max() < 1 / 25
    assert np.mean(np.abs(off) <= [pair.best.within for pair in pairs]) > 0.85


def test_short_recordings_of_two_takes_are_refused_or_unsure() -> None:
    pairs = [found(*short_pair(*case, take=1)) for case in SHORT]
    assert not any(pair.sure for pair in pairs)
    assert np.mean([pair.possible for pair in pairs]) < 0.3


def test_a_short_overlap_of_long_recordings_proves_no_performance() -> None:
    fit = found(*short_pair(4, 60)).best
    assert PairOffset(0, 1, fit, shorter=1.7).possible
    assert not PairOffset(0, 1, fit, shorter=20.0).possible


def test_a_movement_that_repeats_fits_at_several_lags() -> None:
    once = performed(7, times=1)
    cycle = np.concatenate([once, once[-2:0:-1]])
    points = np.concatenate([cycle] * 6)
    pair = found(film(points, 0, span=(0, 0.7)), film(points, 40, span=(0.3, 1)))
    assert not pair.sure
    lags = np.array([pair.best.lag, *(one.lag for one in pair.rivals)])
    assert np.abs(lags).min() < 0.02
    assert len(lags) > 1
    cycles = (lags - lags[0]) * 30 / len(cycle)
    assert cycles == pytest.approx(np.round(cycles), abs=0.05)


def test_recordings_that_cannot_be_compared_are_refused() -> None:
    a = film(performed(1), 0)
    blind = a.xy.copy()
    blind[:, 3:] = np.nan
    for b, code in (
        (replace(a, xy=blind), ExitCode.MISMATCH),
        (film(performed(1), 0, span=(0, 0.05)), ExitCode.UNUSABLE),
    ):
        with refused(code):
            found(a, b)
