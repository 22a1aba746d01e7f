from __future__ import annotations

from la2ds_cli.video.reader import FrameClock


def ticks(stamps: list[float | None], fps: float = 10) -> list[float]:
    clock = FrameClock(fps)
    return [round(clock.tick(stamp), 6) for stamp in stamps]


def test_good_stamps_are_kept() -> None:
    assert ticks([0.0, 0.1, 0.35, 0.4]) == [0.0, 0.1, 0.35, 0.4]


def test_missing_stamps_are_one_frame_on() -> None:
    assert ticks([None, None, 0.2, None]) == [0.0, 0.1, 0.2, 0.3]


def test_repeated_stamps_are_half_a_frame_on() -> None:
    assert ticks([0.0, 0.0, 0.1, 0.1, 0.2]) == [0.0, 0.05, 0.1, 0.15, 0.2]


def test_one_stamp_for_all_is_a_frame_each() -> None:
    assert ticks([0.0] * 6) == [0.0, 0.05, 0.15, 0.25, 0.35, 0.45]


def test_a_clock_that_jumps_ahead_by_days_goes_on() -> None:
    assert ticks([5.0, 5.1, 3e5, 3e5 + 0.1]) == [5.0, 5.1, 5.2, 5.3]
    assert ticks([0.0, 9e4, 9e4 + 0.1]) == [0.0, 9e4, 9e4 + 0.1]  # a camera that sleeps for a day


def test_a_clock_that_starts_again_goes_on() -> None:
    assert ticks([5.0, 5.1, 0.0, 0.1]) == [5.0, 5.1, 5.2, 5.3]
