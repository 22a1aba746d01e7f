"""Metrics of nearest frames: Kendall's tau as in TCC, LAV, CASA and LA2DS, and AP@K.

Tau: for every ordered pair of clips, every `stride`-th frame of A is matched with its nearest frame
of B (smallest squared Euclidean distance, the first one if equal). The value is tau-b of those
indices against time, averaged over the pairs. The other codebases silently drop undefined pairs;
here they are counted, since a constant embedding makes every pair undefined.

AP@K: among the K frames of other videos that are nearest to a query frame, the share that shows the
query's phase. The papers call this precision at K "average precision".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numba import njit

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.measure import (
    LEAST_PAIRED_CLIPS,
    Key,
    Measure,
    resampled_means,
    spread_over_clips,
    undefined,
    video_counts,
)
from la2ds_cli.evaluation.phase_labels import PhaseFrames
from la2ds_cli.evaluation.protocol import Protocol

_TIED = "undefined pairs, in which all frames of A have the same nearest frame of B"


def measure_tau(features: Sequence[FloatArray], stride: int, seed: int) -> Measure:
    """Compute Kendall's tau over all test clips; features (T, D) per clip."""
    by_pair = kendalls_tau(features, stride)
    defined = np.isfinite(by_pair)
    pairs = len(features) * (len(features) - 1)
    missing = pairs - int(defined.sum())
    resampled = resampled_means(by_pair, video_counts(len(features), seed))
    paired = int((defined | defined.T).any(axis=1).sum())
    resampled = spread_over_clips(resampled, paired, LEAST_PAIRED_CLIPS)
    facts = {"pairs": pairs, "nan": missing, "reason": _TIED if missing else None}
    value = float(by_pair[defined].mean()) if defined.any() else None
    return Measure(value, resampled, int(defined.any(axis=1).sum()), facts)


def kendalls_tau(features: Sequence[FloatArray], stride: int = 1) -> FloatArray:
    """Return (B, B) float64: tau-b of clip i against clip j, NaN if undefined and on the diagonal.

    Parameters
    ----------
    features: (T, D) of each clip, finite; T may differ.
    stride: use every `stride`-th frame of both clips.
    """
    clips = [np.asarray(clip, dtype=np.float64)[::stride] for clip in features]
    end = np.cumsum([0] + [len(clip) for clip in clips])
    rows_of = [slice(start, stop) for start, stop in pairwise(end)]
    search = FrameSearch(np.concatenate(clips))
    taus = np.empty((len(clips), len(clips)))
    for a, own in enumerate(rows_of):
        index = [np.empty(0, np.int64)] * len(clips)
        for rows, score in search.scores(own.start, own.stop):
            for b, among in enumerate(rows_of):
                nearest = search.nearest(rows, score, among, 1)[:, 0]
                index[b] = np.concatenate([index[b], nearest])
        taus[a] = [tau_against_order(nearest) for nearest in index]
    np.fill_diagonal(taus, np.nan)
    return taus


@njit(cache=True)
def tau_against_order(rank: np.ndarray) -> float:
    """Return Kendall's tau-b of rank (N,) int64 against 0..N-1; NaN for fewer than two values or if
    all are equal. The final expression is that of scipy.stats.kendalltau, term by term."""
    count = len(rank)
    excess, tied = 0, 0  # concordant pairs minus discordant ones; pairs of equal ranks
    for i in range(count):
        for j in range(i):
            excess += int(rank[i] > rank[j]) - int(rank[i] < rank[j])
            tied += int(rank[i] == rank[j])
    total = count * (count - 1) // 2
    if total == tied:
        return math.nan
    tau = excess / math.sqrt(total) / math.sqrt(total - tied)
    return float(min(1.0, max(-1.0, tau)))


# --- AP@K ---------------------------------------------------------------------------------------


def retrieval_keys(protocol: Protocol) -> list[Key]:
    """Return the key of each K; none in a protocol without retrieval."""
    return [("precision_at_k", str(k)) for k in protocol.neighbours]


def measure_retrieval(
    test: Sequence[PhaseFrames], protocol: Protocol, seed: int
) -> dict[Key, Measure]:
    """Compute AP@K for each K of the protocol; test clips are both queries and support."""
    keys = dict(zip(protocol.neighbours, retrieval_keys(protocol), strict=True))
    frames = np.array([len(label) for _, label in test])
    possible = [k for k in keys if k <= frames.sum() - frames.max()]
    too_few = {
        keys[k]: undefined(f"fewer than {k} labelled frames in the other test clips")
        for k in keys
        if k not in possible
    }
    if not possible:
        return too_few
    total = retrieve_frames(test, possible)
    once = np.ones((1, len(test)), np.int64)
    value = average_retrieval(total, frames, once, protocol.average)[0]
    counts = video_counts(len(test), seed)
    resampled = average_retrieval(total, frames, counts, protocol.average)
    facts = {"queries": int(frames.sum()), "reason": None}
    clips = int((frames > 0).sum())
    return {
        keys[k]: Measure(float(value[e]), resampled[:, e], clips, facts)
        for e, k in enumerate(possible)
    } | too_few


def retrieve_frames(clips: Sequence[PhaseFrames], neighbours: Sequence[int]) -> FloatArray:
    """Return (V, E) float64: the precision at each K, summed over the query frames of each video.

    Every frame of every clip is a query; the frames of all other clips are its support and must
    number at least the largest K. Distances are squared Euclidean; ties go by the order in `clips`.

    Parameters
    ----------
    neighbours: the E values of K.
    """
    end = np.cumsum([0, *(len(label) for _, label in clips)])
    label = np.concatenate([label for _, label in clips])
    search = FrameSearch(np.concatenate([np.asarray(value, np.float64) for value, _ in clips]))
    total = np.zeros((len(clips), len(neighbours)))
    for v in range(len(clips)):
        own = slice(end[v], end[v + 1])
        for rows, score in search.scores(own.start, own.stop):
            score[:, own] = np.inf
            neighbour = search.nearest(rows, score, slice(None), max(neighbours))
            hit = label[neighbour] == label[rows, None]
            total[v] += np.array([hit[:, :k].mean(axis=1).sum() for k in neighbours])
    return total


def average_retrieval(
    total: FloatArray, frames: IntArray, counts: IntArray, average: Literal["frames", "videos"]
) -> FloatArray:
    """Return (R, E) the average in each resample of videos, NaN where it contains no frame.

    Parameters
    ----------
    total: (V, E) from `retrieve_frames`.
    frames: (V,) the number of queries of each video.
    counts: (R, V) how often each video was drawn.
    average: `frames`, the mean over all query frames; or `videos`, the mean over videos of the mean
        over their frames, without videos that have no frame.
    """
    if average == "videos":
        total = total / np.maximum(frames, 1)[:, None]
        frames = np.minimum(frames, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts @ total) / (counts @ frames)[:, None]


# --- nearest frames -----------------------------------------------------------------------------


_BLOCK = 2**22  # float64 cells of the score matrix in memory at once (32 MB)
_EQUAL = 1e-12  # share of the largest squared norm below which distances differ by rounding alone


class FrameSearch:
    """Search frames (M, D) float64 by squared Euclidean distance.

    Candidates come from matrix products and are ordered by exact distances. Centring avoids
    cancellation for features far from the origin; distances do not change. `_slack` bounds the
    rounding error of scores, and of distances between equal features.
    """

    def __init__(self, frame: FloatArray) -> None:
        self.frame = frame
        self._centred = frame - frame.mean(axis=0)
        self._half_norm = 0.5 * (self._centred**2).sum(axis=1)
        width = frame.shape[1] + 4
        rounding = max(8 * np.finfo(np.float64).eps * width, _EQUAL)
        self._slack = rounding * float(self._half_norm.max())

    def scores(self, start: int, stop: int) -> Iterator[tuple[slice, FloatArray]]:
        """Yield blocks of the query rows start..stop (exclusive) with their scores against all
        frames: half the squared norm minus the product, which sorts as the distance does."""
        block = max(1, _BLOCK // len(self.frame))
        for first in range(start, stop, block):
            rows = slice(first, min(first + block, stop))
            yield rows, self._half_norm - self._centred[rows] @ self._centred.T

    def nearest(self, rows: slice, score: FloatArray, among: slice, count: int) -> IntArray:
        """Return (N, count) int64: the frames of `among` nearest to each query row, nearest first.

        Numbers count from the start of `among`. Frames with an infinite score are left out; at
        least `count` must remain.
        """
        near = np.ascontiguousarray(score[:, among])
        return _nearest(near, self.frame[rows], self.frame[among], count, self._slack)


@njit(cache=True)
def _nearest(
    score: np.ndarray, query: np.ndarray, frame: np.ndarray, count: int, slack: float
) -> np.ndarray:
    """Return the rows of `frame` (M, D) nearest to each row of `query` (N, D).

    score: (N, M). Candidates within `slack` are compared by squared distance, summed in order, so
    that equal frames tie exactly. Ties, and distances that differ by less than `slack`, go by row.
    """
    neighbour = np.empty((len(query), count), np.int64)
    best = np.empty(count)
    for i in range(len(query)):
        best[:] = np.inf
        for j in range(len(frame)):
            if score[i, j] < best[count - 1]:
                _insert(best, neighbour[i], score[i, j], j)
        limit = best[count - 1] + 2 * slack
        best[:] = np.inf
        for j in range(len(frame)):
            if score[i, j] <= limit:
                distance = 0.0
                for d in range(query.shape[1]):
                    distance += (query[i, d] - frame[j, d]) ** 2
                if distance < best[count - 1] - slack:
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
