"""Time warping with gaps against all paths there are, and on costs made by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from la2ds_cli.alignment.gaps import path_with_gaps
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.methods.dtw import _unmatched_cost
from la2ds_cli.core.config_sections import AlignConfig


def price(path: list[tuple[int, int]], cost: np.ndarray, skip: float, opening: float) -> float:
    """What a list of pairs costs by the definition, infinite where it is no path."""
    rows, columns = cost.shape
    (i, j), (k, m) = path[0], path[-1]
    if (i and j) or (k < rows - 1 and m < columns - 1):
        return math.inf
    total = skip * (i + j + rows - 1 - k + columns - 1 - m) + sum(cost[pair] for pair in path)
    for (i, j), (k, m) in itertools.pairwise(path):
        down, across = k - i, m - j
        if (down, across) in ((1, 1), (1, 0), (0, 1)):
            continue
        if down < 1 or across < 1:  # a gap ends in a pair of frames that are both new
            return math.inf
        left_out = (down - 1, across - 1)
        total += skip * sum(left_out) + opening * sum(n > 0 for n in left_out)
    return float(total)


def cheapest(cost: np.ndarray, skip: float, opening: float) -> float:
    """Of all sets of pairs that are paths."""
    cells = list(np.ndindex(*cost.shape))
    return min(
        price(list(chosen), cost, skip, opening)
        for count in range(1, len(cells) + 1)
        for chosen in itertools.combinations(cells, count)
        if all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(chosen))
    )


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_cheapest_of_all_paths(seed: int) -> None:
    random = np.random.default_rng(seed)
    cost = random.exponential(1.0, [(3, 4), (4, 3), (4, 4)][seed % 3])
    skip, opening = random.uniform(0.05, 0.6), random.uniform(0, 0.6)
    found = [(int(i), int(j)) for i, j in path_with_gaps(cost, skip, opening)]
    assert price(found, cost, skip, opening) == pytest.approx(cheapest(cost, skip, opening))


def test_a_foreign_span_is_left_out_of_either_clip() -> None:
    a = np.repeat(np.arange(12.0), 1)
    with_span = np.concatenate([a[:6], [90.0] * 4, a[6:]])
    cost = (with_span[:, None] - a[None]) ** 2
    expected = [(i, i) for i in range(6)] + [(i + 4, i) for i in range(6, 12)]
    assert path_with_gaps(cost, 1.0, 2.0).tolist() == [list(pair) for pair in expected]
    assert path_with_gaps(cost.T, 1.0, 2.0)[:, ::-1].tolist() == [list(p) for p in expected]


def test_both_clips_may_leave_out_a_span_at_one_place() -> None:
    a = np.concatenate([np.arange(6.0), [50.0] * 3, np.arange(6.0, 12)])
    b = np.concatenate([np.arange(6.0), [-50.0] * 2, np.arange(6.0, 12)])
    path = path_with_gaps((a[:, None] - b[None]) ** 2, 1.0, 2.0)
    assert not np.isin(path[:, 0], [6, 7, 8]).any()
    assert not np.isin(path[:, 1], [6, 7]).any()
    assert len(path) == 12


def test_without_gaps_it_is_time_warping_with_open_ends() -> None:
    random = np.random.default_rng(3)
    walk = np.cumsum(random.normal(size=(60, 4)), axis=0)
    a, b = walk[8:] + 0.1 * random.normal(size=(52, 4)), walk[:48]
    config = AlignConfig(open_ends=True, skip_cost=1.5)
    cost = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    found = path_with_gaps(cost, 1.5 * _unmatched_cost(a, b), math.inf)
    np.testing.assert_array_equal(found, align_features("dtw", a, b, config))


def test_single_frames() -> None:
    assert path_with_gaps(np.ones((1, 1)), 1.0, 1.0).tolist() == [[0, 0]]
    assert path_with_gaps(np.array([[3.0], [1.0], [2.0]]), 0.5, 1.0).tolist() == [[1, 0]]
