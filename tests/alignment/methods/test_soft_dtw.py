"""Soft-DTW where plain DTW is arbitrary, its limits, and its distribution over paths against plain
enumeration of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment.methods import soft_dtw
from la2ds_cli.alignment.methods.soft_dtw import cheapest_path, posterior
from la2ds_cli.alignment.path import mean_match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError


def test_runs_through_the_middle_of_what_cannot_be_told_apart() -> None:
    flat = np.zeros((21, 1))
    ramp = np.arange(1, 6, dtype=float)[:, None] * 5
    a = np.concatenate([ramp - 30, flat, ramp])
    b = np.concatenate([ramp - 30, flat[:11], ramp])
    path = soft_dtw.align(a, b, AlignConfig())
    # Every path through the flat part costs nothing; its middle is frame 15 of A, 10 of B.
    match = mean_match(path, len(a))
    assert match[15] == pytest.approx(10, abs=1)
    assert match[[2, 28]].tolist() == [2, 18]


def test_refuses_a_band() -> None:
    with pytest.raises(UserError, match="does not support a band") as caught:
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


def every_path(i: int, j: int, rows: int, columns: int) -> list[list[tuple[int, int]]]:
    if (i, j) == (rows - 1, columns - 1):
        return [[(i, j)]]
    steps = [(i + 1, j), (i, j + 1), (i + 1, j + 1)]
    return [
        [(i, j), *rest]
        for p, q in steps
        if p < rows and q < columns
        for rest in every_path(p, q, rows, columns)
    ]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (4, 1), (3, 4), (4, 4)])
@pytest.mark.parametrize("gamma", [0.05, 0.5, 5.0])
def test_posterior_equals_the_sum_over_all_paths(rows: int, columns: int, gamma: float) -> None:
    cost = np.random.default_rng(rows * 10 + columns).uniform(size=(rows, columns))
    expected = np.zeros((rows, columns))
    total = 0.0
    for path in every_path(0, 0, rows, columns):
        cells = tuple(np.array(path).T)
        weight = np.exp(-cost[cells].sum() / gamma)
        expected[cells] += weight
        total += weight
    np.testing.assert_allclose(posterior(cost, gamma), expected / total, rtol=1e-9)


def test_small_gamma_leaves_the_cheapest_path() -> None:
    cost = np.random.default_rng(1).uniform(size=(30, 25))
    certain = posterior(cost, 1e-4)
    path = cheapest_path(cost)
    assert certain[tuple(path.T)].min() > 0.999
    assert certain.sum() == pytest.approx(len(path), abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_cheapest_path_costs_least(seed: int) -> None:
    cost = np.random.default_rng(seed).uniform(size=(5, 4))
    best = min(cost[tuple(np.array(p).T)].sum() for p in every_path(0, 0, 5, 4))
    path = cheapest_path(cost)
    assert cost[tuple(path.T)].sum() == pytest.approx(best)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [4, 3]
    assert (np.diff(path, axis=0).max(axis=1) == 1).all()
