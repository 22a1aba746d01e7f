from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core.types import Alignment
from la2ds_cli.demo.truth import clock_error, frame_error, read_truth


def _alignment(path: list[tuple[int, int]], n: int, m: int) -> Alignment:
    return Alignment(
        path=np.array(path),
        position=smooth_match(np.array(path), n),
        cost=np.zeros(len(path)),
        confidence=np.ones(n),
        low=np.zeros(n),
        high=np.full(n, m - 1),
        time_a=np.arange(n) / 10,
        time_b=np.arange(m) / 10,
        frame_a=np.arange(n),
        frame_b=np.arange(m),
        features="pose",
        method="dtw",
    )


def test_the_true_path_has_no_error_and_a_shifted_one_is_off_by_its_shift():
    phase = np.linspace(0, 1, 11)
    true = _alignment([(t, t) for t in range(11)], 11, 11)
    assert frame_error(true, phase, phase) == pytest.approx(np.zeros(11))
    late = _alignment([(t, min(t + 2, 10)) for t in range(11)], 11, 11)
    error = frame_error(late, phase, phase)
    assert error[:6] == pytest.approx([2.0] * 6)
    assert error[-1] == 0
    assert 0.5 < error[-2] < 1  # the kink at the end of the path is smoothed


def test_b_at_double_speed_is_matched_half_way():
    a, b = np.linspace(0, 1, 11), np.linspace(0, 1, 6)
    path = [(t, round(t / 2)) for t in range(11)]
    error = frame_error(_alignment(path, 11, 6), a, b)
    assert error.max() < 0.2  # the steps of the path alone are off by 0.5
    assert clock_error(_alignment(path, 11, 6), a, b) == pytest.approx(np.zeros(11))


def test_frames_without_a_pair_or_a_counterpart_are_left_out():
    a, b = np.linspace(0, 1, 11), np.linspace(0.35, 1, 14)
    path = [(t, 2 * t - 7) for t in range(4, 10)]  # phase 0.4 is frame 1 of B, and so on
    error = frame_error(_alignment(path, 11, 14), a, b)
    assert len(error) == 6  # frames 0..3 have no counterpart, frame 10 is not matched
    assert error == pytest.approx(np.zeros(6))


def test_a_constant_speed_fails_where_the_speed_changes():
    a = np.linspace(0, 1, 11)
    b = a**2  # slow at first: phase 0.25 at frame 5
    error = clock_error(_alignment([(0, 0)], 11, 11), a, b)
    assert error[5] == pytest.approx(np.interp(0.5, b, np.arange(11)) - 5)
    assert error[5] > 2


def test_truth_is_read_by_file_name(tmp_path: Path):
    table = tmp_path / "truth.csv"
    table.write_text(
        "video,frame,time,phase_value\na.mp4,0,0.0,0.1\na.mp4,1,0.1,0.2\nb.mp4,0,0,1\n"
    )
    truth = read_truth(table)
    assert truth["a.mp4"].tolist() == [0.1, 0.2]
    assert truth["b.mp4"].tolist() == [1.0]
