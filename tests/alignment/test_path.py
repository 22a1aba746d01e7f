"""Path arithmetic on paths whose answers are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import path as paths

HELD = np.array([[1, 0], [2, 1], [2, 2], [2, 3], [3, 3]])  # A's frame 0 and 4 have no pair


def test_the_match_is_the_mean_of_the_frames_and_nan_without_any() -> None:
    np.testing.assert_array_equal(paths.mean_match(HELD, 5), [np.nan, 0.0, 2.0, 3.0, np.nan])


def test_invert_swaps_and_sorts() -> None:
    crossing = np.array([[0, 5], [1, 2], [2, 2]])
    assert paths.invert(crossing).tolist() == [[2, 1], [2, 2], [5, 0]]
    assert paths.invert(paths.invert(HELD)).tolist() == HELD.tolist()


def test_matched_time_interpolates_between_frames() -> None:
    time_b = np.array([10.0, 10.5, 11.5, 12.0])
    matched = paths.matched_time(np.array([0, 1.5, 3, np.nan]), time_b)
    np.testing.assert_allclose(matched, [10.0, 11.0, 12.0, np.nan])


def stretched(frames_a: int, frames_b: int) -> np.ndarray:
    steps = max(frames_a, frames_b)
    return np.rint(np.linspace([0, 0], [frames_a - 1, frames_b - 1], steps)).astype(int)


@pytest.mark.parametrize(
    ("frames_b", "fps_b", "expected"),
    [
        (101, 30.0, 0.5),  # B played twice as fast
        (401, 30.0, 2.0),  # B played at half the speed
        (201, 30.0, 1.0),
        (401, 60.0, 1.0),  # the same movement filmed at twice the frame rate
    ],
)
def test_speed_ratio_of_a_constant_tempo(frames_b: int, fps_b: float, expected: float) -> None:
    time_a = 100.0 + np.arange(201) / 30.0
    time_b = np.arange(frames_b) / fps_b
    position = paths.smooth_match(stretched(201, frames_b), 201)
    ratio = paths.speed_ratio(position, time_a, time_b)
    np.testing.assert_allclose(ratio, expected, rtol=0.1)
    assert np.median(ratio) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("seconds", "window"), [(1, 0.4), (20, 0.4), (60, 1.2), (300, 6.0)])
def test_the_speed_is_that_of_a_fiftieth_of_the_clip_and_of_0_4_seconds_at_least(
    seconds: float, window: float
) -> None:
    assert paths.speed_window(7.0 + np.linspace(0, seconds, 31)) == pytest.approx(window)


def test_speed_ratio_is_fitted_to_two_frames_on_each_side_at_least() -> None:
    """B's time is the square of A's: a line through five squares about t rises by 2 t, one through
    the three at an end by the mean of their steps."""
    ratio = paths.speed_ratio(np.arange(6.0) ** 2, np.arange(6), np.arange(26))
    np.testing.assert_allclose(ratio, [2, 3, 4, 6, 7, 8])


def test_speed_ratio_of_a_pause_in_b() -> None:
    position = np.minimum(np.arange(101.0), 50)
    ratio = paths.speed_ratio(position, np.arange(101) / 25.0, np.arange(51) / 25.0)
    assert ratio[20] == pytest.approx(1.0)
    assert ratio[80] == pytest.approx(0.0, abs=1e-9)


def test_speed_ratio_is_nan_where_nothing_is_matched() -> None:
    position = np.full(20, np.nan)
    position[5:15] = np.arange(10)
    ratio = paths.speed_ratio(position, np.arange(20) / 10.0, np.arange(10) / 10.0)
    assert np.isnan(ratio[[0, 4, 15, 19]]).all()
    np.testing.assert_allclose(ratio[5:15], 1.0)
    position[6:] = np.nan
    assert np.isnan(paths.speed_ratio(position, np.arange(20) / 10.0, np.arange(10) / 10.0)).all()


def test_a_smooth_match_lies_between_frames() -> None:
    """Half speed: pairs in steps of whole frames, truth in steps of a half."""
    path = np.array([[i, i // 2] for i in range(40)])
    position = paths.smooth_match(path, 40)
    inner = slice(3, 37)
    np.testing.assert_allclose(position[inner], np.arange(40)[inner] / 2 - 0.25, atol=0.01)
    assert (np.diff(position) >= 0).all()


def test_rounding_makes_no_steps_back_while_b_rests() -> None:
    """Rests between two frames of B, where the least step back is one of a whole frame: B has half
    as many rows, and A waits at each of them in turn."""
    for rest in range(3, 12):
        columns = np.concatenate([np.arange(rest), np.full(25, rest), np.arange(rest, 30)])
        path = np.column_stack([np.arange(len(columns)), columns])
        position = paths.smooth_match(path, len(path))
        assert (np.diff(position) >= 0).all()
        assert (np.diff(np.rint(position / 2)) >= 0).all()
    path[:, 1] = columns[::-1]  # a path that runs back is not made to wait
    assert (np.diff(paths.smooth_match(path, len(path))) <= 1e-9).all()
    ordered = paths.never_backwards(np.array([np.nan, 1, 3, np.nan, 2, 4]))
    np.testing.assert_array_equal(ordered, [np.nan, 1, 3, np.nan, 3, 4])


@pytest.mark.parametrize("length", [2, 3, 4, 5, 9, 60])
def test_smoothing_is_a_gaussian_about_the_straight_line(length: int) -> None:
    """The deviations are reflected oddly at both ends, and some frames there are unmatched."""
    random = np.random.default_rng(length)
    columns = np.sort(random.integers(0, 2 * length, length))
    path = np.column_stack([np.arange(length) + 2, columns])
    steps = columns.astype(float)
    straight = np.linspace(steps[0], steps[-1], length)
    reach = min(3, length - 1)
    weight = np.exp(-0.5 * np.arange(-reach, reach + 1) ** 2.0)
    bent = np.pad(steps - straight, reach, mode="reflect", reflect_type="odd")
    smooth = straight + np.convolve(bent, weight / weight.sum(), mode="valid")
    expected = [np.nan] * 2 + np.clip(smooth, steps[0], steps[-1]).tolist() + [np.nan]
    np.testing.assert_allclose(paths.smooth_match(path, length + 3), expected, rtol=1e-12)


def test_smoothing_keeps_where_a_path_begins_and_ends() -> None:
    """B hurries at first and waits at the end: the frames beside the ends do not pull at them."""
    path = np.column_stack([np.arange(9), [0, 3, 6, 8, 10, 11, 12, 12, 12]])
    position = paths.smooth_match(path, 9)
    assert (position[0], position[8]) == (pytest.approx(0), pytest.approx(12))
    assert 0 < position[1] < position[2] < 8
