"""Nearest frames under the limits of a retrieval: arrays in, rows out.

`search` applies the limits to the candidates that `nearest_rows` finds among all frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.types import FloatArray, IntArray

CANDIDATES = 8  # times k: number of frames that are first compared exactly
_AT_ONCE = 1 << 22  # distances computed at once
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
    frames: Frames, clip: int, rows: Sequence[int], limits: Limits
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
        distance, row = sorted_by_distance(asked, frames, nearest_rows(frames, asked, own, wanted))
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
    if len(frames.start) - 2 < FEWEST_CLIPS or not len(others):
        return float("nan")
    row = others[np.linspace(0, len(others) - 1, min(SAMPLE, len(others))).astype(np.int64)]
    own = np.array([frames.own(int(number)) for number in frames.clip_of(row)])
    value = frames.values(row)
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
    count = min(count, len(frames) - int((end_own - begin_own).min(initial=len(frames))))
    distance = np.full((len(query), count), np.inf, np.float32)
    row = np.full((len(query), count), -1, np.int64)
    centre = 0 if frames.far_centre is None else frames.far_centre
    asked = -2 * (query - centre)
    step = max(1, _AT_ONCE // max(1, len(query)))
    for part, begin in enumerate(frames.begin[:-1].tolist()):
        value = frames.value[part]
        for first in range(0, len(value), step):
            piece = value[first : first + step] - centre
            # |a - b|^2 without |a|^2, which is the same for all frames of a query
            found = asked @ piece.T + np.einsum("nd,nd->n", piece, piece)
            place = np.arange(begin + first, begin + first + len(piece))
            found[(place >= begin_own) & (place < end_own)] = np.inf
            if count < len(piece):
                near = np.argpartition(found, count - 1, axis=1)[:, :count]
                found, place = np.take_along_axis(found, near, axis=1), place[near]
            else:
                place = np.broadcast_to(place, found.shape)
            distance, row = np.hstack([distance, found]), np.hstack([row, place])
            best = np.argpartition(distance, count - 1, axis=1)[:, :count]
            distance = np.take_along_axis(distance, best, axis=1)
            row = np.take_along_axis(row, best, axis=1)
        frames.release(part)
    return np.where(np.isinf(distance), -1, row)
