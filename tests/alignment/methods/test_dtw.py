"""DTW against every possible path of small grids, against known cases and against a library."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from la2ds_cli.alignment.methods import dtw
from la2ds_cli.alignment.path import mean_nearest_squared, squared_distance
from la2ds_cli.core.config_sections import AlignConfig

Cells = list[tuple[int, int]]
CLOSED = AlignConfig()
OPEN = AlignConfig(open_ends=True, skip_cost=1.0)


@pytest.fixture(autouse=True, params=["by kernels", "together"])
def engine(request, monkeypatch) -> str:
    """Everything holds of both ways to fill the table."""
    monkeypatch.setattr(dtw, "compiling_pays", lambda seconds: request.param == "by kernels")
    return request.param


def random_pair(rows: int, columns: int, seed: int, width: int = 3) -> tuple:
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, width)), random.normal(size=(columns, width))


def every_path(start: tuple[int, int], end: tuple[int, int]) -> Iterator[Cells]:
    """All monotone paths from one cell to another, by plain enumeration."""
    if start == end:
        yield [end]
        return
    for step in ((1, 0), (0, 1), (1, 1)):
        following = (start[0] + step[0], start[1] + step[1])
        if following[0] <= end[0] and following[1] <= end[1]:
            for rest in every_path(following, end):
                yield [start, *rest]


def path_cost(cost: np.ndarray, path: np.ndarray | Cells) -> float:
    return float(sum(cost[i, j] for i, j in path))


def assert_valid(path: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> None:
    assert path.dtype == np.int64
    assert tuple(path[0]) == start
    assert tuple(path[-1]) == end
    steps = np.diff(path, axis=0)
    assert ((steps == 0) | (steps == 1)).all()
    assert (steps.sum(axis=1) > 0).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (4, 1), (3, 5), (5, 4), (5, 5)])
def test_no_other_path_costs_less(rows: int, columns: int, seed: int) -> None:
    a, b = random_pair(rows, columns, seed)
    cost = squared_distance(a, b)
    end = (rows - 1, columns - 1)
    best = min(path_cost(cost, path) for path in every_path((0, 0), end))
    path = dtw.align(a, b, CLOSED)
    assert_valid(path, (0, 0), end)
    assert path_cost(cost, path) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (3, 5), (5, 3)])
def test_open_ends_find_the_cheapest_of_all_starts_and_ends(
    rows: int, columns: int, seed: int
) -> None:
    a, b = random_pair(rows, columns, seed)
    cost = squared_distance(a, b)
    skip = mean_nearest_squared(a, b)
    starts = [(0, j) for j in range(columns)] + [(i, 0) for i in range(rows)]
    ends = [(rows - 1, j) for j in range(columns)] + [(i, columns - 1) for i in range(rows)]

    def total(path: Cells) -> float:
        left_out = sum(path[0]) + (rows - 1 - path[-1][0]) + (columns - 1 - path[-1][1])
        return path_cost(cost, path) + skip * left_out

    paths = [path for s in set(starts) for e in set(ends) for path in every_path(s, e)]
    best = min(map(total, paths))
    found = [(int(i), int(j)) for i, j in dtw.align(a, b, OPEN)]
    assert total(found) == pytest.approx(best, abs=1e-9)
    assert_valid(np.array(found), found[0], found[-1])
    assert found[0] in starts
    assert found[-1] in ends


@pytest.mark.parametrize(("rows", "columns"), [(40, 70), (600, 90)])
def test_an_unmatched_frame_costs_the_mean_squared_distance_of_nearest_frames(
    rows: int, columns: int
) -> None:
    """In one block of rows and in several; of copies a share of the variance, of held frames
    nothing may be left out."""
    a, b = smooth_walk(rows, seed=1), smooth_walk(columns, seed=2)

    def cost(a: np.ndarray, b: np.ndarray) -> float:
        pair = next(dtw._centred(a, [b]))
        squared = pair.cost()
        return pair.skip(squared.min(axis=1), squared.min(axis=0), OPEN)

    assert cost(a, b) == pytest.approx(mean_nearest_squared(a, b), rel=1e-9)
    spread = a.var(axis=0).sum()
    assert cost(a + 7, a + 7) == pytest.approx(dtw.LEAST_COST * spread, rel=1e-9)
    assert cost(np.ones((5, 3)), np.ones((9, 3))) == math.inf


def smooth_walk(length: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.cumsum(random.normal(size=(length, 8)), axis=0)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (12, 0), (0, 9), (12, 9)])
def test_open_ends_find_the_cut_of_a_trimmed_copy(before: int, after: int) -> None:
    a = smooth_walk(60)
    b = a[before : 60 - after]
    path = dtw.align(a, b, AlignConfig(open_ends=True, skip_cost=0.5))
    expected = np.column_stack([np.arange(before, 60 - after), np.arange(len(b))])
    assert path.tolist() == expected.tolist()


@pytest.mark.parametrize("skip_cost", [1.0, 0.0])
def test_open_ends_leave_nothing_out_where_nothing_moves(skip_cost: float) -> None:
    still = np.ones((5, 3))
    path = dtw.align(still, still[:4], AlignConfig(open_ends=True, skip_cost=skip_cost))
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [4, 3]


@pytest.mark.parametrize("config", [CLOSED, OPEN])
def test_blocks_equal_the_whole_matrix(config: AlignConfig, monkeypatch) -> None:
    a, b = smooth_walk(130, 4), smooth_walk(110, 5)
    whole = dtw.align(a, b, config)
    monkeypatch.setattr(dtw, "BLOCK_ROWS", 7)
    assert dtw.align(a, b, config).tolist() == whole.tolist()


@pytest.mark.parametrize("config", [CLOSED, OPEN])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clips_together_have_the_paths_of_each_alone(config, dtype, monkeypatch) -> None:
    a = smooth_walk(60, 1).astype(dtype)
    lengths = (1, 45, 60, 90, 7, 61)
    clips = [smooth_walk(length, 20 + length).astype(dtype) for length in lengths]
    clips += [a.copy(), np.repeat(a, 2, axis=0), np.ones((30, 8), dtype)]
    pairs = dtw._centred(a, clips)
    alone = [dtw._by_kernels(pair, config).tolist() for pair in pairs]
    assert [path.tolist() for path in dtw.align_each(a, clips, config)] == alone
    monkeypatch.setattr(dtw, "TABLE_CELLS", 4000)  # in several parts
    assert [path.tolist() for path in dtw.align_each(a, clips, config)] == alone
    assert [path.tolist() for path in dtw.align_each(a, clips[4:5], config)] == alone[4:5]
    assert dtw.align_each(a, [], config) == []


@pytest.mark.parametrize("config", [CLOSED, OPEN])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_ways_to_compute_a_path_agree_to_the_bit(config, dtype) -> None:
    """Frames repeat and costs tie, or nearly: only equal arithmetic gives equal paths. A third of
    the pairs needs several blocks of products."""
    random = np.random.default_rng(3)
    for n in range(60):
        rows, columns = random.integers(1, 60, size=2) if n % 3 else random.integers(250, 600, 2)
        values = random.integers(-2, 3, size=(24, 6)) / random.choice([1.0, 3.0, 7.0])
        values = values + random.choice([0.0, 1e-7]) * random.normal(size=values.shape)
        steps = (np.sort(random.integers(0, 24, size=size)) for size in (rows, columns))
        a, b = (values[step].astype(dtype) for step in steps)
        (pair,) = dtw._centred(a, [b])
        (together,) = dtw._Together(a, [b], config).paths()
        assert dtw._by_kernels(pair, config).tolist() == together.tolist(), n
