"""Soft-DTW where plain DTW is arbitrary, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment.methods import soft_dtw
from la2ds_cli.alignment.path import carry
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError


def test_runs_through_the_middle_of_what_cannot_be_told_apart() -> None:
    flat = np.zeros((21, 1))
    ramp = np.arange(1, 6, dtype=float)[:, None] * 5
    a = np.concatenate([ramp - 30, flat, ramp])
    b = np.concatenate([ramp - 30, flat[:11], ramp])
    path = soft_dtw.align(a, b, AlignConfig())
    # Every path through the flat part costs nothing; its middle is frame 15 of A, 10 of B.
    assert carry(path, np.array([15]))[0] == pytest.approx(10, abs=1)
    assert carry(path, np.array([2, 28])).tolist() == [2, 18]


def test_refuses_a_band() -> None:
    with pytest.raises(UserError, match="knows no band") as caught:
        soft_dtw.align(np.zeros((3, 1)), np.zeros((3, 1)), AlignConfig(band=0.1))
    assert caught.value.exit_code == ExitCode.USAGE


def test_refuses_matrices_that_do_not_fit(monkeypatch) -> None:
    monkeypatch.setattr(soft_dtw, "MAX_CELLS", 8)
    with pytest.raises(UserError, match="too many") as caught:
        soft_dtw.align(np.zeros((3, 1)), np.zeros((3, 1)), AlignConfig())
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_the_ends_are_closed_whatever_is_asked() -> None:
    a, b = np.arange(5.0)[:, None], np.arange(2.0, 9)[:, None]
    path = soft_dtw.align(a, b, AlignConfig(open_ends=True))
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [4, 6]
