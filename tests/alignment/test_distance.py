"""Distances against plain differences, with and without a large common mean."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import path as distances


def plain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    difference = a[:, None].astype(np.float64) - b[None].astype(np.float64)
    return np.sqrt((difference**2).sum(axis=-1))


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(40, 6)), random.normal(size=(33, 6))


def test_hand_case() -> None:
    a, b = np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 4.0]])
    np.testing.assert_allclose(distances.squared_distance(a, b), [[16.0], [25.0]])
    # A's frames lie 4 and 5 from B, B's frame lies 4 from A.
    assert distances.mean_nearest_squared(a, b) == pytest.approx(((16 + 25) / 2 + 16) / 2)


def test_large_common_mean_in_single_precision(pair) -> None:
    a, b = (pair[0] + 300).astype(np.float32), (pair[1] + 300).astype(np.float32)
    assert distances.squared_distance(a, b).dtype == np.float32
    np.testing.assert_allclose(distances.squared_distance(a, b), plain(a, b) ** 2, atol=1e-4)


def test_distances_of_pairs(pair) -> None:
    path = np.array([[0, 0], [3, 5], [39, 32]])
    expected = plain(*pair)[path[:, 0], path[:, 1]]
    np.testing.assert_allclose(distances.pair_distance(pair[0], pair[1], path), expected)
    mean = distances.mean_pair_squared(pair[0], pair[1], path)
    assert mean == pytest.approx((expected**2).mean())


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), "expected \\(N, D\\)"),
        (np.zeros((0, 2)), np.zeros((3, 2)), "at least one frame"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "finite"),
    ],
)
def test_refuses_unfit_features(a: np.ndarray, b: np.ndarray, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        distances.squared_distance(a, b)
