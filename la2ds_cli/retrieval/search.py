"""Exact search in memory, and the limits of a retrieval: arrays in, rows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.retrieval.clip_rows import ClipRows
from la2ds_cli.retrieval.query_views import QueryViews

CANDIDATES = 8  # times k: number of frames that are first compared exactly
_AT_ONCE = 1 << 22  # distances computed at once
_BLOCK = 1 << 11  # rows whose exact distances are computed at once


@dataclass(frozen=True)
class Frames:
    """All frames that can be searched, clip by clip.

    clips: ids.
    mean: (D,) float32 about which the features are.
    value: (R, D) float32 features.
    frame: (R,) int64, in the video.
    time: (R,) seconds.
    start: (C + 1,) int64, the row at which each clip begins, then the number of all rows.
    """

    clips: tuple[str, ...]
    mean: FloatArray
    value: FloatArray
    frame: IntArray
    time: FloatArray
    start: IntArray

    @classmethod
    def of(cls, rows: Mapping[str, ClipRows]) -> Frames:
        """The frames of these clips."""
        clips = rows.values()
        value = np.concatenate([clip.value for clip in clips], dtype=np.float32)
        # A mean far from the origin would cost |a|^2 + |b|^2 - 2ab its digits.
        mean = value[:: len(value) // 1000 + 1].mean(axis=0)
        value -= mean
        return cls(
            tuple(rows),
            mean,
            value,
            np.concatenate([clip.frame for clip in clips]),
            np.concatenate([clip.time for clip in clips]),
            np.cumsum([0, *(len(clip.value) for clip in clips)], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.value)

    def own(self, clip: int) -> tuple[int, int]:
        """First row of a clip, and the row after its last."""
        return int(self.start[clip]), int(self.start[clip + 1])

    def clip_of(self, row: IntArray) -> IntArray:
        """Clip numbers of rows."""
        return np.searchsorted(self.start, row, side="right") - 1

    @cached_property
    def duration(self) -> FloatArray:
        """(C,) seconds from the first to the last frame of each clip."""
        return self.time[self.start[1:] - 1] - self.time[self.start[:-1]]

    @cached_property
    def square(self) -> FloatArray:
        """(R,) squared lengths of the features."""
        return np.einsum("nd,nd->n", self.value, self.value)


@dataclass(frozen=True)
class Limits:
    """Limits of a retrieval.

    k: frames per query.
    per_video: most frames from one clip, None = k.
    min_gap: least seconds between two frames of a clip, None = by its length (`gaps`).
    """

    k: int = 7
    per_video: int | None = None
    min_gap: float | None = None

    def gaps(self, duration: FloatArray) -> FloatArray:
        """Least seconds between two hits of clips that last `duration` seconds: a tenth, so that
        slow motion and held poses do not fill the list with one moment, within bounds."""
        if self.min_gap is not None:
            return np.full(np.shape(duration), self.min_gap)
        return np.clip(GAP_SHARE * duration, LEAST_GAP, MOST_GAP)


LEAST_GAP, GAP_SHARE, MOST_GAP = 0.25, 0.1, 1.0
# Half a microsecond, so that a gap of exactly the limit counts as far enough despite rounding.
ROUNDING = 5e-7


def search(
    frames: Frames, clip: int, views: QueryViews[int], limits: Limits
) -> list[tuple[IntArray, FloatArray]]:
    """The k nearest frames of all other clips for each query frame of `clip`, each clip in its
    view.

    Returns rows of `frames` and their distances, float64, nearest first. A frame is skipped if
    `per_video` frames of its clip are nearer, or if a nearer one is less than the clip's gap away
    in time. A list is shorter than k only if no further frame is allowed: the number of candidates
    grows until then.
    """
    own = frames.own(clip)
    query = np.stack(list(views.value.values()))  # (V, Q, D)
    available = len(frames) - (own[1] - own[0])
    gaps = limits.gaps(frames.duration)
    nearest = [(np.zeros(0, np.int64), np.zeros(0)) for _ in query[0]]
    pending = list(range(len(nearest)))
    # Usually few frames are skipped; only queries with too many get more candidates.
    wanted = min(CANDIDATES * limits.k, available)
    while pending and wanted:
        asked = query[:, pending].reshape(-1, query.shape[2])
        distance, row = (
            found.reshape(len(query), len(pending), -1)
            for found in sorted_by_distance(asked, frames, nearest_rows(frames, asked, own, wanted))
        )
        short = []
        for place, number in enumerate(pending):
            far, near = distance[:, place], row[:, place]
            # Beyond the end of one view's list, frames of that view are missing.
            end = far[:, -1].min() if wanted < available else np.inf
            far, near = _in_its_view(far, near, frames, views)
            of = frames.clip_of(near)
            allowed = apply_limits(of, frames.time[near], gaps[of], limits)
            allowed = allowed[far[allowed] <= end]
            nearest[number] = near[allowed], far[allowed]
            if len(allowed) < limits.k:
                short.append(number)
        if wanted == available:
            break
        pending, wanted = short, min(4 * wanted, available)
    return nearest


def _in_its_view(
    distance: FloatArray, row: IntArray, frames: Frames, views: QueryViews[int]
) -> tuple[FloatArray, IntArray]:
    """Of the frames found in each view, (V, C), those whose clip is compared in that view, nearest
    first."""
    clips, of = np.unique(frames.clip_of(row), return_inverse=True)
    names = list(views.value)
    chosen = np.array([names.index(choice.view) for choice in views.choices(clips.tolist())])
    kept = chosen[of.reshape(row.shape)] == np.arange(len(names))[:, None]
    distance, row = distance[kept], row[kept]
    order = np.lexsort((row, distance))
    return distance[order], row[order]


def apply_limits(clip: IntArray, time: FloatArray, gap: FloatArray, limits: Limits) -> IntArray:
    """The first k of candidates sorted by distance, without those that the limits forbid.

    clip, time: (C,) clip number and seconds of each candidate. gap: (C,) least seconds to another
    hit of its clip. Returns indices of candidates, ascending.
    """
    most = limits.k if limits.per_video is None else limits.per_video
    taken: dict[int, list[float]] = {}
    chosen = []
    candidates = zip(clip.tolist(), time.tolist(), gap.tolist(), strict=True)
    for n, (name, second, apart) in enumerate(candidates):
        before = taken.setdefault(name, [])
        near = any(abs(second - other) < apart - ROUNDING for other in before)
        if len(before) < most and not near:
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
        gap = frames.value[flat[block]] - query[of[block]].astype(np.float64)
        distance[block] = np.sqrt(np.einsum("nd,nd->n", gap, gap))
    distance[flat < 0] = np.inf
    distance = distance.reshape(row.shape)
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(distance, order, axis=1), np.take_along_axis(row, order, axis=1)


SAMPLE = 128  # frames of other clips whose nearest distances are measured
USUAL = 0.99  # share of them that must be nearer to another clip than a query that is like none
FEWEST_CLIPS = 3  # besides the query's; of fewer, little is known about what is usual


def usual_distance(frames: Frames, clip: int) -> float:
    """The distance to the nearest frame of another clip that USUAL of the frames do not exceed; NaN
    with fewer than FEWEST_CLIPS clips besides `clip`, whose frames do not count.

    A query whose nearest frame is farther away is like nothing in these clips. Of frames of Penn
    Action, 0 to 3 % were farther from 4 or 12 other clips of their action, and 42 to 58 % from as
    many clips of another one (eight actions, raw poses and base model).
    """
    first, stop = frames.own(clip)
    others = np.concatenate([np.arange(first), np.arange(stop, len(frames))])
    if len(frames.clips) - 1 < FEWEST_CLIPS:
        return float("nan")
    row = others[np.linspace(0, len(others) - 1, min(SAMPLE, len(others))).astype(np.int64)]
    own = np.array([frames.own(int(number)) for number in frames.clip_of(row)])
    value = frames.value[row]
    found = sorted_by_distance(value, frames, nearest_rows(frames, value, own, CANDIDATES))[0]
    return float(np.quantile(found[:, 0], USUAL))


def nearest_rows(
    frames: Frames, query: FloatArray, own: tuple[int, int] | IntArray, count: int
) -> IntArray:
    """The frames that are nearest to each query, by comparison with every frame.

    query: (Q, D). own: the rows to exclude, end exclusive, (Q, 2) for each query or one for all.
    Returns rows (Q, C), unsorted, in which C is `count`, or the number of other frames if there are
    fewer; -1 = none, where other queries exclude fewer rows.
    """
    begin_own, end_own = np.broadcast_to(own, (len(query), 2)).T[:, :, None]
    count = min(count, len(frames) - int((end_own - begin_own).min()))
    distance = np.full((len(query), count), np.inf, np.float32)
    row = np.full((len(query), count), -1, np.int64)
    step = max(1, _AT_ONCE // len(query))
    for first in range(0, len(frames), step):
        piece = slice(first, first + step)
        # |a - b|^2 without |a|^2, which is the same for all frames of a query
        found = -2 * query @ frames.value[piece].T + frames.square[piece]
        place = np.arange(first, first + found.shape[1])
        found[(place >= begin_own) & (place < end_own)] = np.inf
        near = _smallest(found, count)
        distance = np.hstack([distance, np.take_along_axis(found, near, axis=1)])
        row = np.hstack([row, place[near]])
        best = _smallest(distance, count)
        distance, row = (np.take_along_axis(of, best, axis=1) for of in (distance, row))
    return np.where(np.isinf(distance), -1, row)


def _smallest(value: FloatArray, count: int) -> IntArray:
    """Columns (Q, count) of the smallest values of each row (Q, N), unsorted; all if N is less."""
    if count >= value.shape[1]:
        return np.broadcast_to(np.arange(value.shape[1]), value.shape)
    return np.argpartition(value, count - 1, axis=1)[:, :count]
