"""Exact nearest frames, and the rules on time and clips, on answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli import frame_search
from la2ds_cli.frame_search import nearest_rows, search, spread


def test_nearest_rows_equal_plain_sorting() -> None:
    random = np.random.default_rng(0)
    base, query = random.normal(size=(300, 12)), random.normal(size=(4, 12))
    plain = np.linalg.norm(base[None] - query[:, None], axis=-1)
    distance, row = nearest_rows(query, base, 9)
    np.testing.assert_array_equal(row, plain.argsort(axis=1)[:, :9])
    np.testing.assert_allclose(distance, np.sort(plain, axis=1)[:, :9])


def test_a_large_common_mean_does_no_harm() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=(300, 12)).astype(np.float32)
    query = base[:3] + np.float32(0.01)
    distance, row = nearest_rows(query + np.float32(1000), base + np.float32(1000), 2)
    assert row[:, 0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(distance[:, 0], 0.01 * np.sqrt(12), rtol=0.02)


def test_spread_keeps_distance_in_time_and_a_limit_per_clip() -> None:
    clip = np.array([0, 0, 1, 0, 0, 1, 2])
    time = np.array([1.0, 1.1, 1.1, 1.25, 9.0, 5.0, 0.0])
    assert spread(clip, time, 7, 7, 0.25).tolist() == [0, 2, 3, 4, 5, 6]
    assert spread(clip, time, 7, 2, 0.25).tolist() == [0, 2, 3, 5, 6]
    assert spread(clip, time, 7, 1, 0.25).tolist() == [0, 2, 6]
    assert spread(clip, time, 2, 7, 0.25).tolist() == [0, 2]
    assert spread(clip, time, 7, 7, 0.0).tolist() == [0, 1, 2, 3, 4, 5, 6]


def line(values: list[float]) -> np.ndarray:
    return np.array(values)[:, None]


VALUE = {"q": line([0.0, 10.0]), "x": line([3.0, 0.5, 9.0]), "y": line([1.0, 10.2])}
TIME = {name: np.arange(len(value), dtype=float) for name, value in VALUE.items()}


def test_known_neighbours() -> None:
    first, second = search(VALUE, TIME, "q", [0, 1], 2, 2, 0.25)
    assert [(n.video, n.index, n.distance) for n in first] == [("x", 1, 0.5), ("y", 0, 1.0)]
    assert [(n.video, n.index) for n in second] == [("y", 1), ("x", 2)]
    assert second[0].time == 1.0


def test_the_querys_own_clip_is_not_searched() -> None:
    found = search(VALUE, TIME, "q", [0], 10, 10, 0.0)[0]
    assert len(found) == 5
    assert {n.video for n in found} == {"x", "y"}


def test_one_per_clip() -> None:
    found = search(VALUE, TIME, "q", [0], 5, 1, 0.0)[0]
    assert [(n.video, n.index) for n in found] == [("x", 1), ("y", 0)]


def test_goes_on_searching_past_many_frames_of_one_moment() -> None:
    # 500 near frames of one moment stand before the frame that is looked for.
    value = {"q": line([0.0]), "still": line([0.001 * n for n in range(500)]), "far": line([9.0])}
    time = {"q": np.zeros(1), "still": 1 + 1e-4 * np.arange(500), "far": np.zeros(1)}
    found = search(value, time, "q", [0], 2, 2, 0.25)[0]
    assert [(n.video, n.index) for n in found] == [("still", 0), ("far", 0)]


def test_top_k_finds_the_same_frames_as_brute_force(monkeypatch) -> None:
    monkeypatch.setattr(frame_search, "_QUERIES", 4)
    random = np.random.default_rng(3)
    base = random.normal(size=(400, 6)).astype(np.float32)
    query = random.normal(size=(10, 6)).astype(np.float32)
    _, expected = frame_search.nearest_rows(query, base, 5)
    found = frame_search._nearest_on("cpu", query, base, 5)
    assert np.sort(found, axis=1).tolist() == np.sort(expected, axis=1).tolist()


@pytest.mark.gpu
def test_cuda_finds_the_same_frames() -> None:
    random = np.random.default_rng(2)
    base = random.normal(size=(5000, 32)).astype(np.float32)
    query = random.normal(size=(600, 32)).astype(np.float32)
    distance, row = nearest_rows(query, base, 7, "cuda")
    expected, _ = nearest_rows(query, base, 7, "cpu")
    np.testing.assert_allclose(distance, expected, rtol=1e-5)
    assert row.shape == (600, 7)
