"""Labels per frame, and the order of phases."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.types import Phase
from la2ds_cli.evaluation.phase_labels import frame_phases, phase_names, phase_order


def test_the_end_is_exclusive_and_other_frames_have_none() -> None:
    phases = [Phase(2, 4, "down"), Phase(4, 6, "up"), Phase(7, 9, "rest")]
    label = frame_phases(np.arange(10), phases, {"down": 0, "up": 1})
    np.testing.assert_array_equal(label, [-1, -1, 0, 0, 1, 1, -1, -1, -1, -1])


def test_frames_are_source_frames_and_not_rows() -> None:
    label = frame_phases(np.array([10, 12, 14, 16]), [Phase(12, 15, "down")], {"down": 3})
    np.testing.assert_array_equal(label, [-1, 3, 3, -1])


def test_two_phases_of_one_frame_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'down' \(0 to 5\) and 'up' \(4 to 8\) overlap"):
        frame_phases(np.arange(9), [Phase(4, 8, "up"), Phase(0, 5, "down")], {"down": 0, "up": 1})


def test_order_is_that_of_the_movement_and_not_of_the_alphabet() -> None:
    whole = [Phase(0, 10, "stand"), Phase(10, 20, "down"), Phase(20, 40, "up")]
    assert phase_order([whole]) == ("stand", "down", "up")


def test_order_survives_clips_that_begin_late_or_miss_a_phase() -> None:
    # By mean place alone `up` (1, 0, 0, 0) would come before `down` (0).
    clips = [
        [Phase(0, 10, "down"), Phase(10, 20, "up"), Phase(20, 30, "end")],
        [Phase(0, 5, "up"), Phase(5, 9, "end")],
        [Phase(0, 5, "up"), Phase(5, 9, "end")],
        [Phase(3, 8, "end"), Phase(0, 3, "up")],
    ]
    assert phase_order(clips) == ("down", "up", "end")


def test_a_repeated_phase_counts_from_its_first_time() -> None:
    clip = [Phase(0, 5, "hands down"), Phase(5, 9, "up"), Phase(9, 20, "hands down")]
    assert phase_order([clip]) == ("hands down", "up")
    assert phase_order([]) == ()


def test_a_phase_covers_its_frames_of_the_source() -> None:
    frame = np.array([0, 2, 3, 4, 6, 8])
    names = phase_names(frame, [Phase(2, 4, "down"), Phase(3, 5, "turn"), Phase(6, 99, "up")])
    assert names == ["", "down", "down", "turn", "up", "up"]
