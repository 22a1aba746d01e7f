"""Nearest frames under the limits of a retrieval: arrays in, rows out.

`search` applies the limits. A Finder returns the requested number of candidates, by exact search
(`exact_finder`) or by the lists of an inverted file (la2ds_cli.retrieval.ivf).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.device import free_cores
from la2ds_cli.core.types import FloatArray, IntArray

# (query (Q, D), own, count) -> rows (Q, C): at least the `count` frames nearest to each query, or
# fewer if there are not so many, -1 = none. Rows own[0]..own[1] (end exclusive) are never among
# them.
Finder = Callable[[FloatArray, tuple[int, int], int], IntArray]

CANDIDATES = 8  # times k: number of frames that is first requested from a finder
_BLAS_FROM = 400  # queries times dimensions: see faiss_settings
_BLOCK = 1 << 11  # rows whose exact distances are computed at once
_KEPT = 1 << 30  # bytes of features that may stay in memory after a search
_FAR = 100  # ratio of the squared mean to the variance from which data are centred


@dataclass(frozen=True)
class Frames:
    """All frames that can be searched, clip by clip, in consecutive parts.

    value: (R, D) float32 features of each part. time: (R,) seconds of each part. start: (C + 1,)
    int64, the row at which each clip begins, then the number of all rows.
    """

    value: tuple[FloatArray, ...]
    time: tuple[FloatArray, ...]
    start: IntArray

    def __len__(self) -> int:
        return int(self.start[-1])

    @property
    def width(self) -> int:
        return self.value[0].shape[1]

    @cached_property
    def begin(self) -> IntArray:
        """(P + 1,) the row at which each part begins, then the number of all rows."""
        return np.cumsum([0, *map(len, self.value)])

    def release(self, part: int) -> None:
        """Free the memory of a part's features, which are read from a mapped file, if all features
        together exceed _KEPT."""
        if self._bytes > _KEPT:
            artifact.release(self.value[part])

    @cached_property
    def _bytes(self) -> int:
        return sum(value.nbytes for value in self.value)

    def own(self, clip: int) -> tuple[int, int]:
        """First row of a clip, and the row after its last."""
        return int(self.start[clip]), int(self.start[clip + 1])

    def clip_of(self, row: IntArray) -> IntArray:
        """Clip numbers of rows."""
        return np.searchsorted(self.start, row, side="right") - 1

    def values(self, row: IntArray) -> FloatArray:
        """(N, D) features of rows (N,)."""
        return self._of(self.value, row)

    def times(self, row: IntArray) -> FloatArray:
        """(N,) seconds of rows (N,)."""
        return self._of(self.time, row)

    def _of(self, parts: Sequence[FloatArray], row: IntArray) -> FloatArray:
        part = np.searchsorted(self.begin, row, side="right") - 1
        values = np.empty((len(row), *parts[0].shape[1:]), parts[0].dtype)
        for number in np.unique(part).tolist():
            here = part == number
            values[here] = parts[number][row[here] - self.begin[number]]
            self.release(number)
        return values

    @cached_property
    def far_centre(self) -> FloatArray | None:
        """(D,) mean, if it is so far from the origin that the matrix products of a search,
        |a|^2 + |b|^2 - 2ab, would suffer from cancellation; None otherwise."""
        some = self.values(np.linspace(0, len(self) - 1, min(len(self), 1000)).astype(np.int64))
        mean = some.mean(axis=0, dtype=np.float64)
        spread = np.square(some - mean).sum(axis=1).mean()
        return mean.astype(np.float32) if np.square(mean).sum() > _FAR * spread else None


@contextmanager
def faiss_settings() -> Iterator[Any]:
    """faiss with settings for few threads, which are restored afterwards.

    faiss 1.15 uses matrix products only from 128 000 queries times dimensions, tuned for many
    threads; with one or two threads they pay off from four queries. Threads that wait for busy
    cores cost more than they save.
    """
    import faiss

    threads, threshold = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(min(threads, free_cores()))
    faiss.cvar.distance_compute_blas_threshold = _BLAS_FROM
    try:
        yield faiss
    finally:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = threshold


@dataclass(frozen=True)
class Limits:
    """Limits of a retrieval. k: frames per query. per_video: most frames from one clip. min_gap:
    least seconds between two frames of a clip, None = by the clip's length (spread_gap)."""

    k: int
    per_video: int
    min_gap: float | None


LEAST_GAP, GAP_SHARE, MOST_GAP = 0.25, 0.1, 1.0
# Half a microsecond, so that a gap of exactly the limit counts as far enough despite rounding.
ROUNDING = 5e-7


def spread_gap(seconds: FloatArray) -> FloatArray:
    """Seconds between two hits of a clip that lasts `seconds`: a tenth of it, so that slow motion
    and held poses do not fill the list with one moment, clipped to LEAST_GAP and MOST_GAP."""
    return np.clip(GAP_SHARE * seconds, LEAST_GAP, MOST_GAP)


def search(
    frames: Frames, find: Finder, clip: int, rows: Sequence[int], limits: Limits
) -> list[tuple[IntArray, FloatArray]]:
    """The k nearest frames of all other clips, for each row of `clip` (counted from its first).

    Returns rows of `frames` and their distances, float64, nearest first. A frame is skipped if
    `per_video` frames of its clip are nearer, or if a nearer one is less than the clip's gap away
    in time. A list is shorter than k only if no further frame is allowed: the number of candidates
    grows until then.
    """
    own = frames.own(clip)
    query = frames.values(own[0] + np.asarray(rows))
    available = len(frames) - (own[1] - own[0])
    empty = np.zeros(0, np.int64), np.zeros(0)
    nearest: list[tuple[IntArray, FloatArray]] = [empty for _ in rows]
    pending = list(range(len(rows)))
    # Usually few frames are skipped; only queries with too many get more candidates.
    wanted = min(CANDIDATES * limits.k, available)
    while pending and wanted:
        asked = query[pending]
        distance, row = sorted_by_distance(asked, frames, find(asked, own, wanted))
        clips, times, gaps = _facts(frames, row, limits)
        short = []
        for place, number in enumerate(pending):
            some = slice(0, np.count_nonzero(row[place] >= 0))
            allowed = apply_limits(
                clips[place, some], times[place, some], gaps[place, some], limits
            )
            nearest[number] = row[place, allowed], distance[place, allowed]
            if len(allowed) < limits.k:
                short.append(number)
        if wanted == available:
            break
        pending, wanted = short, min(4 * wanted, available)
    return nearest


def _facts(
    frames: Frames, row: IntArray, limits: Limits
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Clip, seconds, and least seconds to another hit of the clip, for rows (Q, C); -1 = none."""
    flat = np.maximum(row.ravel(), 0)
    clip, time = frames.clip_of(flat), frames.times(flat)
    if limits.min_gap is not None:
        gap = np.full(len(flat), limits.min_gap)
    else:
        each, which = np.unique(clip, return_inverse=True)
        first, last = frames.start[each], frames.start[each + 1] - 1
        gap = spread_gap(frames.times(last) - frames.times(first))[which]
    return clip.reshape(row.shape), time.reshape(row.shape), gap.reshape(row.shape)


def apply_limits(clip: IntArray, time: FloatArray, gap: FloatArray, limits: Limits) -> IntArray:
    """The first k of candidates sorted by distance, without those that the limits forbid.

    clip, time: (C,) clip number and seconds of each candidate. gap: (C,) least seconds to another
    hit of its clip. Returns indices of candidates, ascending.
    """
    taken: dict[int, list[float]] = {}
    chosen = []
    candidates = zip(clip.tolist(), time.tolist(), gap.tolist(), strict=True)
    for n, (name, second, apart) in enumerate(candidates):
        before = taken.setdefault(name, [])
        near = any(abs(second - other) < apart - ROUNDING for other in before)
        if len(before) < limits.per_video and not near:
            before.append(second)
            chosen.append(n)
            if len(chosen) == limits.k:
                break
    return np.array(chosen, dtype=np.int64)


def sorted_by_distance(
    query: FloatArray, frames: Frames, row: IntArray
) -> tuple[FloatArray, IntArray]:
    """Euclidean distances (Q, C) float64 from query (Q, D) to rows (Q, C), ascending, and the rows
    in that order; ties by row. A row of -1 is none, at an infinite distance.

    Computed from plain differences: rounding in a matrix product would be as large as the distance
    between near frames.
    """
    row = np.sort(row, axis=1)
    flat, of = row.ravel(), np.repeat(np.arange(len(row)), row.shape[1])
    distance = np.empty(len(flat))
    for block in (slice(n, n + _BLOCK) for n in range(0, len(flat), _BLOCK)):
        gap = frames.values(np.maximum(flat[block], 0)) - query[of[block]].astype(np.float64)
        distance[block] = np.sqrt(np.einsum("nd,nd->n", gap, gap))
    distance[flat < 0] = np.inf
    distance = distance.reshape(row.shape)
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(distance, order, axis=1), np.take_along_axis(row, order, axis=1)


def nearest_of_these(frames: Frames, query: FloatArray, row: IntArray, count: int) -> IntArray:
    """The `count` rows (Q, C) of row (Q, R) that are nearest to query (Q, D), unsorted; -1 = none
    in both."""
    if row.shape[1] <= count:
        return row
    query, distance = np.ascontiguousarray(query), np.full(row.shape, np.inf, np.float32)
    parts = np.searchsorted(frames.begin, row, side="right") - 1
    with faiss_settings() as faiss:
        for part in np.unique(parts[row >= 0]).tolist():
            value, here = frames.value[part], np.empty_like(distance)
            place = np.where(parts == part, row - frames.begin[part], -1)
            pointers = (faiss.swig_ptr(array) for array in (here, query, value, place))
            faiss.fvec_L2sqr_by_idx(*pointers, frames.width, *row.shape)
            np.minimum(distance, here, out=distance)
            frames.release(part)
    best = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return np.take_along_axis(row, best, axis=1)


# --- exact search by the flat index of faiss, one part after another -----------------------------


def exact_finder(frames: Frames) -> Finder:
    """A finder that compares a query with every frame."""

    def find(query: FloatArray, own: tuple[int, int], count: int) -> IntArray:
        return nearest_of_all(frames, query, np.tile(own, (len(query), 1)), count)

    return find


def nearest_of_all(frames: Frames, query: FloatArray, own: IntArray, count: int) -> IntArray:
    """Rows (Q, C) of the frames that are nearest to query (Q, D), unsorted; -1 if there are no
    more. own: (Q, 2) range of rows to exclude for each query, end exclusive."""
    centre = frames.far_centre
    count = min(count, len(frames) - int((own[:, 1] - own[:, 0]).min(initial=len(frames))))
    distance = np.full((len(query), count), np.inf, np.float32)
    row = np.full((len(query), count), -1, np.int64)
    with faiss_settings() as faiss:
        for part, (begin, value) in enumerate(
            zip(frames.begin[:-1].tolist(), frames.value, strict=True)
        ):
            for who, first, piece in _pieces(own, begin, value):
                asked, piece = query[who], value[piece]
                if centre is not None:
                    asked, piece = asked - centre, piece - centre
                gap, near = faiss.knn(asked, piece, min(count, len(piece)))
                gap[near < 0] = np.inf
                near[near >= 0] += first
                gap, near = np.hstack([distance[who], gap]), np.hstack([row[who], near])
                best = np.argpartition(gap, count - 1, axis=1)[:, :count]
                distance[who] = np.take_along_axis(gap, best, axis=1)
                row[who] = np.take_along_axis(near, best, axis=1)
            frames.release(part)
    return row


def _pieces(own: IntArray, begin: int, value: FloatArray) -> Iterator[tuple[IntArray, int, slice]]:
    """Which queries are compared with which rows of a part (all, or those before and after the rows
    to exclude): numbers of queries, the first row, and the slice of the part."""
    end = begin + len(value)
    beside = (own[:, 1] <= begin) | (own[:, 0] >= end) | (own[:, 0] == own[:, 1])
    if beside.any():
        yield np.flatnonzero(beside), begin, slice(0, len(value))
    for low, high in np.unique(own[~beside], axis=0).tolist():
        who = np.flatnonzero((own == (low, high)).all(axis=1))
        for first, stop in ((begin, low), (high, end)):
            if first < stop:
                yield who, first, slice(first - begin, stop - begin)
