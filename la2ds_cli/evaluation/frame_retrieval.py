"""Fine-grained frame retrieval, AP@K: do the K frames of other videos that are nearest to a frame
show its phase?

What most released code calls average precision at K is the precision at K: the share of the K
frames with the phase of the query. `ranked` gives the true average precision: the mean of the
precision at each rank with a hit, 0 without a hit (AE2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.measure import Key, Measure, undefined, video_counts
from la2ds_cli.evaluation.phase_labels import LabelledFrames
from la2ds_cli.evaluation.protocol import Protocol

_BLOCK = 2**22  # float64 cells of the score matrix in memory at once (32 MB)


@dataclass(frozen=True)
class Retrieval:
    """total: (V, E) float64, sum over the query frames of each video for each K. frames: (V,)."""

    total: FloatArray
    frames: IntArray


def retrieve_frames(
    clips: Sequence[LabelledFrames], neighbours: Sequence[int], ranked: bool = False
) -> Retrieval | None:
    """Every frame of every clip is a query, and the frames of all other clips are the support.

    The distance is squared Euclidean; ties go by the order in `clips`. neighbours: the E values of
    K. Returns None if some clip's support has fewer frames than the largest K.
    """

    count = max(neighbours)
    end = np.cumsum([0, *(len(clip.label) for clip in clips)])
    if any(end[-1] - len(clip.label) < count for clip in clips):
        return None
    label = np.concatenate([clip.label for clip in clips])
    frame = np.concatenate([np.asarray(clip.feature, np.float64) for clip in clips])
    # Centring avoids cancellation for features far from the origin; distances do not change.
    centred = frame - frame.mean(axis=0)
    half_norm = 0.5 * (centred**2).sum(axis=1)
    slack = 8 * np.finfo(np.float64).eps * (frame.shape[1] + 4) * float(half_norm.max())
    block = max(1, _BLOCK // len(frame))
    total = np.zeros((len(clips), len(neighbours)))
    for v in range(len(clips)):
        for start in range(end[v], end[v + 1], block):
            rows = slice(start, min(start + block, end[v + 1]))
            score = half_norm - centred[rows] @ centred.T
            neighbour = nearest_frames(score, frame[rows], frame, end[v], end[v + 1], count, slack)
            hit = label[neighbour] == label[rows, None]
            total[v] += np.array([_precision(hit[:, :k], ranked).sum() for k in neighbours])
    return Retrieval(total, np.diff(end))


def _precision(hit: np.ndarray, ranked: bool) -> FloatArray:
    """(N,) precision, or average precision, of hit (N, K) bool in order of rank."""
    if not ranked:
        return hit.mean(axis=1)
    at_rank = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    return (at_rank * hit).sum(axis=1) / np.maximum(hit.sum(axis=1), 1)


def average_retrieval(
    retrieval: Retrieval, counts: IntArray, average: Literal["frames", "videos"]
) -> FloatArray:
    """(R, E) the average in each resample of the query videos. counts: (R, V) times each video was
    drawn.

    `frames`: mean over all query frames. `videos`: mean over videos of the mean over their frames;
    a video without a frame is left out. NaN where a resample contains no frame.
    """
    total, frames = retrieval.total, retrieval.frames.astype(np.float64)
    if average == "videos":
        total = total / np.maximum(frames, 1)[:, None]
        frames = np.minimum(frames, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts @ total) / (counts @ frames)[:, None]


def retrieval_keys(protocol: Protocol) -> list[Key]:
    """The key of each K; none in a protocol without retrieval."""
    metric = "average_precision_at_k" if protocol.ranked else "precision_at_k"
    return [(metric, str(k)) for k in protocol.neighbours]


def measure_retrieval(
    test: Sequence[LabelledFrames], protocol: Protocol, seed: int
) -> dict[Key, Measure]:
    """AP@K of each K of the protocol, with the test clips as queries and as support."""
    step = protocol.retrieval_stride
    keys = dict(zip(protocol.neighbours, retrieval_keys(protocol), strict=True))
    clips = [LabelledFrames(clip.feature[::step], clip.label[::step]) for clip in test]
    frames = [len(clip.label) for clip in clips]
    possible = [k for k in keys if k <= sum(frames) - max(frames)]
    found = {
        keys[k]: undefined(f"fewer than {k} labelled frames in the other test clips")
        for k in keys
        if k not in possible
    }
    result = retrieve_frames(clips, possible, protocol.ranked) if possible else None
    if result is None:
        return found
    once = np.ones((1, len(clips)), np.int64)
    value = average_retrieval(result, once, protocol.average)[0]
    resampled = average_retrieval(result, video_counts(len(clips), seed), protocol.average)
    facts = {"queries": int(result.frames.sum()), "reason": None}
    clips_with = int((result.frames > 0).sum())
    return {
        keys[k]: Measure(float(value[e]), resampled[:, e], clips_with, facts)
        for e, k in enumerate(possible)
    } | found


@njit(cache=True)
def nearest_frames(
    score: np.ndarray,
    query: np.ndarray,
    frame: np.ndarray,
    first: int,
    stop: int,
    count: int,
    slack: float,
) -> np.ndarray:
    """(N, count) int64: rows of `frame` nearest to each row of `query`, nearest first.

    score: (N, M) half squared norm of frame's rows minus the product. query: (N, D), frame:
    (M, D) float64. Rows first..stop (stop exclusive) of `frame` are never chosen; at least
    `count` others must exist. slack: bound of the rounding error of `score`. Candidates within
    `slack` are compared by their squared distance, summed in order, so that equal frames tie
    exactly; ties go by row.
    """
    neighbour = np.empty((len(query), count), np.int64)
    best = np.empty(count)
    for i in range(len(query)):
        best[:] = np.inf
        for j in range(len(frame)):
            if (j < first or j >= stop) and score[i, j] < best[count - 1]:
                _insert(best, neighbour[i], score[i, j], j)
        limit = best[count - 1] + 2 * slack
        best[:] = np.inf
        for j in range(len(frame)):
            if (j < first or j >= stop) and score[i, j] <= limit:
                distance = 0.0
                for d in range(query.shape[1]):
                    distance += (query[i, d] - frame[j, d]) ** 2
                if distance < best[count - 1]:
                    _insert(best, neighbour[i], distance, j)
    return neighbour


@njit(cache=True)
def _insert(best: np.ndarray, row: np.ndarray, value: float, index: int) -> None:
    """Insert `value` into the ascending `best` after equal values, and `index` at the same place in
    `row`."""
    k = len(best) - 1
    while k > 0 and best[k - 1] > value:
        best[k] = best[k - 1]
        row[k] = row[k - 1]
        k -= 1
    best[k] = value
    row[k] = index
