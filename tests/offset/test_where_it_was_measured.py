"""Offsets hold where they are reported, wherever they were measured, and at uneven frame rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.types import PoseSequence
from la2ds_cli.offset.find_offsets import match_by_clock, solved
from la2ds_cli.offset.offset_result import Clock
from la2ds_cli.offset.pair_offset import CLOCKS, Fit, pair_offset
from tests.offset.recordings import film, performed

FILMS = 20


def clock_of(a: PoseSequence, b: PoseSequence, drift: bool | None = None) -> Clock:
    pair = pair_offset((a, b), (0, 1), ("a", "b"), drift)
    clock = solved((a, b), [pair], force=True)[1]
    assert clock is not None
    return clock


def rows_of(pose: PoseSequence, rows: np.ndarray) -> PoseSequence:
    arrays, _ = pose.to_arrays()
    return replace(pose, **{name: array[rows] for name, array in arrays.items()})


def slower(pose: PoseSequence, from_row: int) -> PoseSequence:
    """A film of 60 frames a second that has 10 from a row on."""
    return rows_of(pose, np.r_[0:from_row, from_row : len(pose) : 6])


@pytest.mark.parametrize("seconds", [40.0, 20.0])
def test_nine_of_ten_offsets_hold_where_they_are_reported(seconds: float) -> None:
    """A lasts about 100 s, and B shows the end of it; both clocks drift as cameras do. Of 40 s that
    both show, the drift is measured, of 20 s it is not."""
    held: dict[str, list[bool]] = {}
    for n in range(FILMS):
        rng = np.random.default_rng(n)
        points = performed(n % 5, times=30)
        ends = (len(points) - 1) / 30
        lag, drift = float(rng.uniform(-5, 5)), float(rng.normal(0, CLOCKS / 1.645))
        a = film(points, float(n))
        begin = 1 - seconds / ends
        b = film(points, float(30 + n), 25.0, (begin, 1.0), lag, drift)
        clock = clock_of(a, b)
        assert (clock.drift is None) == (seconds < 30)
        places = {"at": clock.at, "start": 0.0, "middle": ends / 2, "end": ends}
        for place, at in places.items():
            off = abs(clock.seconds(at) - (at * (1 + drift) + lag))
            held.setdefault(place, []).append(off <= clock.within_at(at))
        assert clock.within_at(clock.at) == clock.within
        assert (1 - 0.6 * seconds / ends) * ends < clock.at < (1 - 0.4 * seconds / ends) * ends
    assert min(sum(of) for of in held.values()) >= 0.85 * FILMS, {
        k: sum(v) for k, v in held.items()
    }


def test_the_interval_grows_with_the_distance_from_where_it_was_measured() -> None:
    """Of 10 s, an interval is 1.54 deviations: 1.54 ms there, and 1.54e-5 seconds per second."""
    there = Fit(1.0, 0.0, 50.0, 0.001, 1e-5, 10.0, 0.99, 0.001)
    assert there.within_at(50.0) == there.within == pytest.approx(1.54e-3)
    assert there.within_at(150.0) == pytest.approx(1.54e-3 * np.sqrt(2))
    unknown = replace(there, drift=None)
    assert unknown.within_at(60.0) == pytest.approx(np.hypot(1.54e-3, 1e-3))
    assert replace(unknown, no_drift=True).within_at(500.0) == there.within
    clock = Clock(1.0, 0.001, None, None, 50.0, True, CLOCKS)
    assert clock.within_at(60.0) == pytest.approx(np.hypot(1e-3, 1e-3))


def test_the_intervals_of_a_match_are_those_of_each_moment() -> None:
    a, b = film(performed(1), 0), film(performed(1), 30, 25.0, lag=1.0)
    pair = pair_offset((a, b), (0, 1), ("a", "b"))
    clock = Clock(1.0, 0.02, None, None, 0.0, True, 0.05)
    _, certainty = match_by_clock((a, b), clock, pair)
    width = (b.axis.seconds_at(certainty.high) - b.axis.seconds_at(certainty.low)) / 2
    row = len(a) // 2
    assert width[row] == pytest.approx(np.hypot(0.02, 0.05 * a.time[row]), abs=1e-6)


@pytest.mark.parametrize("side", ["a", "b", "both"])
def test_the_overlap_is_one_of_seconds_whatever_the_frame_rate(side: str) -> None:
    """Both films end in 2.6 s or more that both show, of which 10 frames a second were filmed."""
    points = performed(1, times=4)
    ends = (len(points) - 1) / 30
    a, b = film(points, 0, 60.0, (0, 0.65)), film(points, 40, 60.0, (0.35, 1), lag=1.5)
    films = {"a": a, "b": b}
    for name in films if side == "both" else side:
        films[name] = slower(films[name], len(films[name]) // 2)
    best = pair_offset((films["a"], films["b"]), (0, 1), ("a", "b")).best
    assert best.overlap == pytest.approx(0.3 * ends, abs=0.25)
    assert best.lag == pytest.approx(1.5, abs=0.03)


def test_a_pause_of_the_camera_is_no_overlap() -> None:
    points = performed(2, times=6)
    a, b = film(points, 0), film(points, 40, 25.0, lag=1.5)
    paused = rows_of(a, np.r_[0:90, len(a) - 90 : len(a)])
    best = pair_offset((paused, b), (0, 1), ("a", "b")).best
    assert best.overlap == pytest.approx(6.0, abs=0.4)
    assert best.lag == pytest.approx(1.5, abs=0.02)
