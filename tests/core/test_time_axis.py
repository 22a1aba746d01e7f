"""Times of clips, on axes whose seconds are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.time_axis import TimeAxis
from tests.movement import PAUSED, SLOWER

STEPS = st.lists(st.floats(1e-3, 20.0), min_size=1, max_size=60)


def axis(*seconds: float, fps: float = 30.0) -> TimeAxis:
    return TimeAxis(np.array(seconds), fps)


def test_a_frame_lasts_until_the_next_and_the_last_as_long_as_the_shorter_step_before() -> None:
    uneven = axis(0.0, 0.1, 0.2, 0.6)
    np.testing.assert_allclose(uneven.bounds, [0, 0.1, 0.2, 0.6, 0.7])
    np.testing.assert_allclose(uneven.edges, [-0.05, 0.05, 0.15, 0.4, 0.65])
    np.testing.assert_allclose(uneven.steps, [0.1, 0.1, 0.25, 0.25])
    assert uneven.duration == pytest.approx(0.7)
    assert uneven.duration_of(1, 3) == pytest.approx(0.5)
    assert (uneven.usual_step, uneven.span) == (pytest.approx(0.1), 0.6)
    assert uneven.mean_step == pytest.approx(0.2)


def test_of_a_single_frame_only_the_rate_is_known() -> None:
    one = axis(7.0, fps=25.0)
    assert one.bounds.tolist() == [7.0, 7.04]
    np.testing.assert_allclose(one.edges, [6.98, 7.02])
    assert (one.usual_step, one.mean_step, one.span) == (0.04, 0.04, 0.0)
    assert float(one.seconds_at(1)) == pytest.approx(7.04)
    assert one.gradient(np.ones((1, 2))).tolist() == [[0.0, 0.0]]
    assert one.fine_grid().tolist() == one.grid(10).tolist() == [7.0]


def test_seconds_of_rows_between_and_behind_frames() -> None:
    even = TimeAxis.even(20, 20.0)
    assert float(even.seconds_at(8.4)) == pytest.approx(0.42)
    assert float(even.seconds_at(20)) == pytest.approx(1.0)
    assert float(even.cut(10, 11).seconds_at(1)) == pytest.approx(0.55)
    assert np.isnan(even.seconds_at(np.array([np.nan, 3.0]))).tolist() == [True, False]
    assert even.rows_at(np.array([-1.0, 0.42, 9.0])).tolist() == pytest.approx([0, 8.4, 19])


def test_the_row_of_a_moment() -> None:
    uneven = axis(0.0, 0.1, 0.2, 0.6)
    assert [uneven.row_of(at) for at in (-0.06, -0.04, 0.3, 0.5, 0.64, 0.66)] == [
        *(None, 0, 2, 3, 3, None)
    ]
    assert [uneven.reaches(at) for at in (-0.11, -0.09, 0.69, 0.71)] == [False, True, True, False]
    known = np.array([True, False, False, True])
    assert uneven.nearest_known(known).tolist() == [0, 0, 0, 3]


def test_runs_are_joined_over_a_pause_that_is_shorter_by_the_times_of_the_clip() -> None:
    uneven = axis(0.0, 0.1, 0.2, 0.3, 0.6, 0.7)  # a gap after the fourth frame
    mask = np.array([True, False, True, False, True, True])
    assert uneven.joined_runs(mask, 0.2) == [(0, 3), (4, 6)]
    assert uneven.lasting_runs(mask, 0.25) == [(0, 3)]
    assert uneven.duration_of(0, 3) == pytest.approx(0.3)
    assert uneven.duration_of(4, 6) == pytest.approx(0.2)


def test_ticks_are_the_rows_of_an_even_clip_and_proportional_to_time_in_any_other() -> None:
    rows = np.array([0.0, 1.5, 3.0, np.nan])
    np.testing.assert_array_equal(TimeAxis.even(4, 7.0).ticks_at(rows), rows)
    uneven = axis(0.0, 0.1, 0.2, 0.9)
    np.testing.assert_allclose(uneven.ticks_at(rows), [0, 0.5, 3, np.nan])
    assert uneven.rows_at_ends(0.2) == (2, 0)
    assert uneven.rows_at_ends(0.71) == (3, 1)
    assert TimeAxis.even(30, 10.0).rows_at_ends(0.7) == (7, 7)


def test_a_clip_is_even_if_its_times_are_rounded_and_not_if_its_rate_changes() -> None:
    assert TimeAxis(np.round(np.arange(100) / 240, 3), 240.0).is_even
    assert not TimeAxis(SLOWER, 60.0).is_even
    assert not TimeAxis(PAUSED, 30.0).is_even


def test_how_many_rows_lie_within_some_seconds() -> None:
    within = TimeAxis(SLOWER, 60.0).rows_within(0.2)
    assert (within[10], within[-10]) == (12, 2)
    assert set(TimeAxis.even(50, 30.0).rows_within(0.05).tolist()) == {2}


def test_the_gradient_is_per_second() -> None:
    uneven = TimeAxis(SLOWER, 60.0)
    np.testing.assert_allclose(uneven.gradient(3 * SLOWER[:, None] + 1), 3.0)


@given(STEPS)
def test_rows_seconds_and_ticks_are_inverse_to_each_other(steps: list[float]) -> None:
    time = np.cumsum([1.0, *steps])
    clip = TimeAxis(time, 30.0)
    rows = np.linspace(0, len(time) - 1, 37)
    np.testing.assert_allclose(clip.rows_at(clip.seconds_at(rows)), rows, atol=1e-6)
    np.testing.assert_allclose(clip.rows_at_ticks(clip.ticks_at(rows)), rows, atol=1e-6)
    assert clip.steps.sum() == pytest.approx(clip.edges[-1] - clip.edges[0])
    assert (np.diff(clip.edges) > 0).all()
    assert (np.diff(clip.bounds) > 0).all()
    assert clip.fine_grid()[[0, -1]] == pytest.approx(time[[0, -1]])


# --- grids ----------------------------------------------------------------------------------------


def test_a_grid_spans_the_clip() -> None:
    np.testing.assert_allclose(axis(1.0, 1.4, 2.0).grid(4), [1, 1.25, 1.5, 1.75, 2])
    assert axis(0.0, 0.01).grid(10).tolist() == [0, 0.01]  # at least both ends
    assert axis(3.0).grid(10).tolist() == [3]
    assert axis().grid(10).tolist() == []


def test_a_grid_keeps_the_times_of_a_clip_at_that_rate() -> None:
    jitter = np.arange(5) / 20 + np.array([0, 1e-4, -1e-4, 0, 1e-4])
    np.testing.assert_array_equal(TimeAxis(jitter, 20.0).grid(20), jitter)
    np.testing.assert_array_equal(TimeAxis.even(5, 19.9).grid(20), np.arange(5) / 19.9)
    assert len(TimeAxis.even(41, 40.0).grid(20)) == 21
    assert len(TimeAxis.even(41, 19.6).grid(20)) == 42  # 2 % slower: 40 steps last 2.04 s
    dropped = axis(0, 0.05, 0.15, 0.2)  # one frame is missing: not a regular clip
    np.testing.assert_allclose(dropped.grid(20), [0, 0.05, 0.1, 0.15, 0.2])


def test_a_fine_grid_is_as_fine_as_the_finest_part() -> None:
    grid = TimeAxis(SLOWER, 60.0).fine_grid()
    np.testing.assert_allclose(np.diff(grid), 1 / 60, rtol=0.02)
    assert len(TimeAxis(np.append(PAUSED, 1e5), 30.0).fine_grid()) <= 20 * len(PAUSED) + 21


def test_even_rows_are_even_in_time() -> None:
    uneven = TimeAxis(SLOWER, 60.0)
    rows = uneven.even_rows(20)
    middle = (np.arange(20) + 0.5) / 20 * (uneven.edges[-1] - uneven.edges[0]) + uneven.edges[0]
    assert (np.abs(uneven.seconds[rows] - middle) <= uneven.steps[rows] / 2 + 1e-9).all()
