"""The edit list: following it leads to the moments of B that the alignment found."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.path import matched_time
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.views.sync.edit_list import COLUMNS, Segment, csv_text, edit_segments, fewest_knots
from tests.movement import sequence

NAN = np.nan


def clip(count: int, fps: float, start: float = 0.0) -> PoseSequence:
    pose = sequence(np.linspace(0, 1, count), fps=fps)
    return replace(pose, time=pose.time + start, frame=pose.frame + 7)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def followed(rows: list[dict[str, str]], time: FloatArray) -> FloatArray:
    """Seconds of B at seconds `time` of A by the list alone, as an editor plays it."""
    found = np.full(len(time), NAN)
    for row in rows:
        start, end = float(row["a_start"]), float(row["a_end"])
        inside = (time >= start - 1e-5) & (time < end - 1e-5)
        if row["b_start"]:
            speed = float(row["b_speed_percent"]) / 100
            found[inside] = float(row["b_start"]) + speed * (time[inside] - start)
    return found


def wandering(count: int, length: int, seed: int, holes: bool) -> FloatArray:
    rng = np.random.default_rng(seed)
    steps = rng.gamma(1.0, size=count)
    position = (length - 1) * np.cumsum(steps) / steps.sum()
    if holes:
        position[:5] = position[40:52] = position[-3:] = NAN
        position[20:22] = position[23:25] = NAN  # one frame alone between two gaps
    return position


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_following_the_list_gives_the_matched_times_to_half_a_frame_of_b(seed: int, holes: bool):
    a, b = clip(150, 30000 / 1001, start=1.5), clip(211, 50)
    position = wandering(150, 211, seed, holes)
    segments = edit_segments(a, b, position)
    rows = rows_of(csv_text(segments, a, b, (1, 1)))
    wanted = matched_time(position, b.time)
    got = followed(rows, a.time)
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    # Seconds are rounded to the microsecond, percents to 1e-4.
    assert np.nanmax(np.abs(got - wanted)) <= 0.5 / b.fps + 1e-5
    assert len(segments) < 0.75 * 150


def test_the_list_covers_a_without_gaps_and_b_between_its_holes():
    a, b = clip(150, 30), clip(211, 50)
    segments = edit_segments(a, b, wandering(150, 211, 0, holes=True))
    assert segments[0].a_start == a.time[0]
    assert segments[-1].a_end == pytest.approx(a.time[-1] + 1 / 30)
    for first, second in itertools.pairwise(segments):
        assert first.a_end == second.a_start
        assert first.last_a + 1 == second.first_a
        if not np.isnan([first.b_end, second.b_start]).any():
            assert first.b_end == second.b_start
    assert all(
        s.b_start <= s.b_end <= b.time[-1] + 1 / 50 + 1e-9 for s in segments if s.first_b >= 0
    )


def test_constant_speed_is_one_segment():
    a, b = clip(41, 20), clip(111, 25)
    (only,) = edit_segments(a, b, np.linspace(0, 50, 41))  # 2 s of A, 2 s of B
    assert only.speed == pytest.approx(100)
    (only,) = edit_segments(a, b, np.linspace(0, 100, 41))
    assert only.speed == pytest.approx(200)
    row = rows_of(csv_text([only], a, b, (1, 1)))[0]
    assert list(row) == list(COLUMNS)
    assert row["b_speed_percent"] == "200.0000"
    frames = [row[f"{side}_{end}_frame"] for side in "ab" for end in ("first", "last")]
    assert frames == ["7", "47", "7", "107"]


def test_a_change_of_speed_is_a_cut_and_a_held_frame_has_speed_0():
    a, b = clip(61, 20), clip(101, 20)
    position = np.interp(np.arange(61), [0, 20, 40, 60], [0, 40, 40, 60])
    speeds = [segment.speed for segment in edit_segments(a, b, position, tolerance=1e-6)]
    assert speeds == pytest.approx([200, 0, 100], abs=1e-6)


def test_a_part_without_counterpart_has_empty_cells():
    a, b = clip(30, 20), clip(30, 20)
    position = np.arange(30.0)
    position[10:20] = NAN
    first, gap, last = rows_of(csv_text(edit_segments(a, b, position), a, b, (1, 1)))
    assert [gap[name] for name in COLUMNS if name.startswith("b_")] == [""] * 5
    assert (float(gap["a_start"]), float(gap["a_end"])) == (0.5, 1.0)
    assert (float(first["b_end"]), float(last["b_start"])) == (0.5, 1.0)


def test_one_frame_alone_is_played_for_its_length():
    a, b = clip(5, 20), clip(9, 20)
    position = np.array([NAN, NAN, 3.0, NAN, NAN])
    _, alone, _ = edit_segments(a, b, position)
    assert (alone.a_start, alone.a_end) == pytest.approx((0.1, 0.15))
    assert (alone.b_start, alone.b_end) == pytest.approx((0.15, 0.2))


def test_a_slow_motion_film_is_cut_in_seconds_of_the_film():
    a, b = clip(41, 20), clip(41, 160)
    rows = rows_of(csv_text(edit_segments(a, b, np.arange(41.0)), a, b, (1, 8)))
    assert len(rows) == 1
    assert float(rows[0]["a_end"]) == pytest.approx(41 / 20)
    assert float(rows[0]["b_end"]) == pytest.approx(41 / 20)
    assert rows[0]["b_speed_percent"] == "100.0000"


def test_time_that_runs_backwards_is_refused():
    a, b = clip(5, 20), clip(9, 20)
    with pytest.raises(ValueError, match="backwards"):
        edit_segments(a, b, np.array([0.0, 3, 2, 4, 5]))
    with pytest.raises(ValueError, match="backwards"):
        edit_segments(a, b, np.array([0.0, 3, NAN, 2, 5]))


def test_rounding_is_not_backwards():
    a, b = clip(5, 20), clip(9, 20)
    segments = edit_segments(a, b, np.array([0.0, 1, 2, 2 - 1e-12, 3]), tolerance=0)
    assert all(segment.speed >= 0 for segment in segments)


@pytest.mark.parametrize("seed", range(8))
def test_no_shorter_list_exists(seed: int):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.uniform(0.5, 1.5, 11))
    y = np.cumsum(rng.exponential(1.0, 11))
    knots = fewest_knots(x, y, 0.6)
    assert _fits(x, y, knots, 0.6)
    inner = range(1, 10)
    for count in range(len(knots) - 2):
        for chosen in itertools.combinations(inner, count):
            assert not _fits(x, y, np.array([0, *chosen, 10]), 0.6)


def _fits(x: FloatArray, y: FloatArray, knots: np.ndarray, tolerance: float) -> bool:
    return bool(np.abs(np.interp(x, x[knots], y[knots]) - y).max() <= tolerance)


def test_a_long_straight_line_is_one_chord():
    x = np.arange(1000.0)
    assert fewest_knots(x, 0.3 * x, 0.01).tolist() == [0, 999]


def test_speed_is_seconds_of_b_in_percent_of_those_of_a():
    assert Segment(1.0, 3.0, 5.0, 6.0, 0, 9, 0, 9).speed == 50
