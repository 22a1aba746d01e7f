"""Euclidean distances between the frames of two sequences, from matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from la2ds_cli.types import FloatArray

BLOCK_ROWS = 256  # rows per product: 256 x 1000 float32 costs stay in the second-level cache


def centred(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sequences (N, D) and (M, D) less A's mean frame; float32 stays, other types -> float64.

    Distances do not change, but |a|^2 + |b|^2 - 2ab cancels in float32 when all frames share a
    large mean. Raises ValueError for shapes that do not fit, empty sequences and values that are
    not finite.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features: expected (N, D) and (M, D), got {a.shape} and {b.shape}")
    if not len(a) or not len(b):
        raise ValueError(f"features: expected at least one frame each, got {len(a)} and {len(b)}")
    both_single = a.dtype == np.float32 and b.dtype == np.float32
    mean = a.mean(axis=0, dtype=np.float64)
    dtype = np.float32 if both_single else np.float64
    a, b = (np.ascontiguousarray(x - mean, dtype=dtype) for x in (a, b))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features: expected finite values, got NaN or infinity")
    return a, b


def _square(x: FloatArray) -> FloatArray:
    return np.einsum("td,td->t", x, x)


def squared_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """(N, M) squared Euclidean distances of a (N, D) and b (M, D); dtype and errors of centred."""
    a, b = centred(a, b)
    squared = _square(a)[:, None] + _square(b)[None] - 2 * (a @ b.T)
    return np.maximum(squared, 0, out=squared)


def distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """(N, M) Euclidean distances; dtype and errors of centred."""
    return np.sqrt(squared_distance(a, b))


def distance_blocks(a: FloatArray, b: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """(first row, Euclidean distances (R, M)) with R <= BLOCK_ROWS: the matrix, never whole."""
    a, b = centred(a, b)
    square_b = _square(b)[None]
    for first in range(0, len(a), BLOCK_ROWS):
        rows = a[first : first + BLOCK_ROWS]
        squared = _square(rows)[:, None] + square_b - 2 * (rows @ b.T)
        yield first, np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def pair_distance(a: FloatArray, b: FloatArray, path: np.ndarray) -> FloatArray:
    """(P,) float64 Euclidean distance of every pair of path (P, 2), from plain differences."""
    difference = np.asarray(a, np.float64)[path[:, 0]] - np.asarray(b, np.float64)[path[:, 1]]
    return np.sqrt((difference**2).sum(axis=1))


def nearest(a: FloatArray, b: FloatArray) -> tuple[np.ndarray, FloatArray]:
    """For each frame of A the index (N,) int64 of its nearest frame of B and the distance (N,)."""
    index, value = [], []
    for _, block in distance_blocks(a, b):
        closest = block.argmin(axis=1)
        index.append(closest)
        value.append(block[np.arange(len(block)), closest])
    return np.concatenate(index), np.concatenate(value).astype(np.float64)


def mean_nearest_distance(a: FloatArray, b: FloatArray) -> float:
    """Mean distance of a frame to the nearest frame of the other clip, over both clips' frames:
    the unit in which skip costs and temperatures are given."""
    row = np.full(len(a), np.inf)
    column = np.full(len(b), np.inf)
    for first, block in distance_blocks(a, b):
        row[first : first + len(block)] = block.min(axis=1)
        np.minimum(column, block.min(axis=0), out=column)
    return float((row.mean() + column.mean()) / 2)
