"""Distances between the frames of two sequences, from matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray

BLOCK_ROWS = 256  # rows per product: 256 x 1000 float32 costs stay in the second-level cache


def as_features(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sequences (N, D), (M, D) as contiguous arrays: float32 if both are, else float64.

    Raises ValueError for shapes that do not fit together and for empty sequences.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features: expected (N, D) and (M, D), got {a.shape} and {b.shape}")
    if not len(a) or not len(b):
        raise ValueError(f"features: expected at least one frame each, got {len(a)} and {len(b)}")
    both_single = a.dtype == np.float32 and b.dtype == np.float32
    dtype = np.float32 if both_single else np.float64
    return np.ascontiguousarray(a, dtype), np.ascontiguousarray(b, dtype)


def check_finite(square_a: FloatArray, square_b: FloatArray) -> None:
    """Raise ValueError if the squared norms of two sequences contain NaN or infinity."""
    if not (np.isfinite(square_a).all() and np.isfinite(square_b).all()):
        raise ValueError("features: expected finite values, got NaN or infinity")


def centred(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sequences (N, D) and (M, D) minus A's mean frame; dtype and errors of `as_features`.

    This does not change distances, but |a|^2 + |b|^2 - 2ab cancels in float32 if all frames share
    a large mean. Raises ValueError also for values that are not finite.
    """
    a, b = as_features(a, b)
    mean = a.mean(axis=0, dtype=np.float64).astype(a.dtype)
    a, b = a - mean, b - mean
    check_finite(square_norm(a), square_norm(b))
    return a, b


def square_norm(x: FloatArray) -> FloatArray:
    """(T,) squared Euclidean norm of every row of x (T, D)."""
    return np.einsum("td,td->t", x, x)


def squared_blocks(a: FloatArray, b: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """(first row, squared distances (R, M)), R <= BLOCK_ROWS: the matrix, one block at a time."""
    a, b = centred(a, b)
    square_b = square_norm(b)[None]
    for first in range(0, len(a), BLOCK_ROWS):
        rows = a[first : first + BLOCK_ROWS]
        squared = square_norm(rows)[:, None] + square_b - 2 * (rows @ b.T)
        yield first, np.maximum(squared, 0, out=squared)


def squared_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """(N, M) squared Euclidean distances of a (N, D) and b (M, D); dtype and errors of centred."""
    return np.concatenate([block for _, block in squared_blocks(a, b)])


def pair_distance(a: FloatArray, b: FloatArray, path: IntArray) -> FloatArray:
    """(P,) float64 Euclidean distance of every pair of path (P, 2), from plain differences."""
    difference = np.subtract(a[path[:, 0]], b[path[:, 1]], dtype=np.float64)
    return np.sqrt(square_norm(difference))


def mean_pair_squared(a: FloatArray, b: FloatArray, path: IntArray) -> float:
    """The mean squared Euclidean distance of the pairs of path (P, 2)."""
    return float(np.mean(pair_distance(a, b, path) ** 2))


def mean_nearest_squared(a: FloatArray, b: FloatArray) -> float:
    """Mean squared distance of a frame to the nearest frame of the other clip: the mean over A's
    frames and the mean over B's, averaged. The unit of skip costs and of soft-DTW's gamma."""
    row = np.full(len(a), np.inf)
    column = np.full(len(b), np.inf)
    for first, block in squared_blocks(a, b):
        row[first : first + len(block)] = block.min(axis=1)
        np.minimum(column, block.min(axis=0), out=column)
    return float((row.mean() + column.mean()) / 2)
