"""The frames nearest to those of a query, each clip in the view that is nearest to the query's clip
(features/viewpoint.py), under the limits of a retrieval: arrays in, rows out.

`Frames` are those of a project in memory, compared exactly; frame_table has those of a store. Views
are chosen as in an alignment (alignment/viewpoint.py), for clips among the nearest only: by the
movement of the joints, or in a store, which holds no joints, by its features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from la2ds_cli.alignment.confidence import NEAR, NEAR_SECONDS
from la2ds_cli.alignment.viewpoint import ViewChoice, choose_view
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.core.view import View
from la2ds_cli.retrieval.clip_rows import ClipRows

CANDIDATES = 8  # times k: number of frames that are first compared exactly
MOST = 200  # frames of a clip by which views are ranked
_AT_ONCE = 1 << 22  # distances computed at once
_BLOCK = 1 << 11  # rows whose exact distances are computed at once


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


class Found(NamedTuple):
    """Frames near a query, nearest first, (C,) each.

    distance: float64. clip: number of the clip. row: in its poses. time, lasts: seconds of the
    frame, and from the first to the last frame of its clip. phase: its label, None without one.
    """

    distance: FloatArray
    clip: IntArray
    row: IntArray
    time: FloatArray
    lasts: FloatArray
    phase: np.ndarray

    def only(self, which: np.ndarray) -> Found:
        """Those that an index or a mask names."""
        return Found(*(column[which] for column in self))


class Sample(NamedTuple):
    """At most MOST frames of a clip, evenly spaced.

    compared: (S, E) by which views are ranked.
    value: (S, D) features by which frames are searched.
    time: (S,) seconds.
    """

    compared: FloatArray
    value: FloatArray
    time: FloatArray

    @classmethod
    def of(cls, compared: FloatArray, value: FloatArray, time: FloatArray) -> Sample:
        """Of all rows of a clip."""
        return cls(_thinned(compared), _thinned(value), _thinned(time))


def _thinned(value: FloatArray) -> FloatArray:
    return value[:: -(-len(value) // MOST)]


class Searched(Protocol):
    """Clips in which a query is searched, by numbers. query: (Q, D) features of the query frames in
    each view."""

    query: Mapping[View, FloatArray]

    def nearest(self, view: View, query: int, count: int) -> Found:
        """The `count` frames nearest to a query frame in a view, fewer if there are no more."""
        ...

    def samples(self, clips: Sequence[int]) -> Iterable[tuple[int, Sample]]:
        """Samples of those clips that can be read."""
        ...


class Search:
    """A query searched in clips.

    compared: (T, E) of the query's clip in each view, as `Sample.compared`; not needed for one
    view.
    """

    def __init__(self, clips: Searched, compared: Mapping[View, FloatArray]) -> None:
        self._clips, self._value = clips, clips.query
        self._compared: dict[View, FloatArray] = {v: _thinned(of) for v, of in compared.items()}
        self._known: dict[int, tuple[Sample, ViewChoice]] = {}

    def nearest(self, query: int, limits: Limits) -> Found:
        """The k nearest frames of a query frame, each clip in its view.

        A frame is skipped if `per_video` frames of its clip are nearer, or if a nearer one is less
        than the clip's gap away in time. There are fewer than k only if no further frame is
        allowed: the number of candidates grows until then.
        """
        count = CANDIDATES * limits.k
        while True:
            lists: dict[View, Found] = {
                view: self._clips.nearest(view, query, count) for view in self._value
            }
            # Beyond the end of one view's list, frames of that view are missing.
            ends = [found.distance[-1] for found in lists.values() if len(found.distance) == count]
            end = min(ends, default=np.inf)
            found = self._in_its_view(lists)
            allowed = apply_limits(found, limits)
            allowed = allowed[found.distance[allowed] <= end]
            if end == np.inf or len(allowed) == limits.k:
                return found.only(allowed)
            count *= 4

    def _in_its_view(self, lists: Mapping[View, Found]) -> Found:
        """Of the frames found in each view, those whose clip is compared in that view, nearest
        first."""
        every = Found(*map(np.concatenate, zip(*lists.values(), strict=True)))
        new = set(every.clip.tolist()) - self._known.keys() if len(self._value) > 1 else ()
        for clip, sample in self._clips.samples(sorted(new)) if new else ():
            self._known[clip] = sample, choose_view(sample.compared, self._compared)
        views = [view for view, found in lists.items() for _ in found.distance]
        kept = np.array([self.choice(clip).view for clip in every.clip.tolist()]) == views
        order = np.lexsort((every.row, every.clip, every.distance))
        return every.only(order[kept[order]])

    def choice(self, clip: int) -> ViewChoice:
        """The view for a clip that was found, and its rivals; as filmed if it cannot be read."""
        if len(self._value) == 1:
            return ViewChoice(next(iter(self._value)))
        return self._known[clip][1] if clip in self._known else ViewChoice()

    def unsure(self, clip: int, query: int) -> bool:
        """Whether another view of a clip, about as near, finds another moment of a query frame."""
        choice = self.choice(clip)
        if not choice.rivals:
            return False
        sample = self._known[clip][0]
        first, *others = (
            sample.time[np.linalg.norm(sample.value - self._value[view][query], axis=1).argmin()]
            for view in (choice.view, *choice.rivals)
        )
        near = max(NEAR * (sample.time[-1] - sample.time[0]), NEAR_SECONDS)
        return any(abs(other - first) > near for other in others)


def apply_limits(found: Found, limits: Limits) -> IntArray:
    """The first k of frames sorted by distance, without those that the limits forbid; ascending
    indices."""
    most = limits.k if limits.per_video is None else limits.per_video
    taken: dict[int, list[float]] = {}
    chosen = []
    columns = found.clip, found.time, limits.gaps(found.lasts)
    for n, (clip, second, apart) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        before = taken.setdefault(clip, [])
        near = any(abs(second - other) < apart - ROUNDING for other in before)
        if len(before) < most and not near:
            before.append(second)
            chosen.append(n)
            if len(chosen) == limits.k:
                break
    return np.array(chosen, dtype=np.int64)


# --- in memory ----------------------------------------------------------------------------------

SAMPLE = 128  # frames of other clips whose nearest distances are measured
USUAL = 0.99  # share of them that must be nearer to another clip than a query that is like none
FEWEST_CLIPS = 3  # besides the query's; of fewer, little is known about what is usual


@dataclass(frozen=True)
class Frames:
    """All frames of a project that can be searched, clip by clip.

    clips: ids.
    mean: (D,) float32 about which the features are.
    value: (R, D) float32 features.
    start: (C + 1,) int64, the row at which each clip begins, then the number of all rows.
    time: (R,) seconds.
    phase: (R,) labels, None without one.
    """

    clips: tuple[str, ...]
    mean: FloatArray
    value: FloatArray
    start: IntArray
    time: FloatArray
    phase: np.ndarray

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
            np.cumsum([0, *(len(clip.value) for clip in clips)], dtype=np.int64),
            np.concatenate([clip.time for clip in clips]),
            np.concatenate([clip.phase for clip in clips]),
        )

    def __len__(self) -> int:
        return len(self.value)

    def own(self, clip: int) -> slice:
        """The rows of a clip."""
        return slice(*self.start[clip : clip + 2].tolist())

    def clip_of(self, row: IntArray) -> IntArray:
        """Clip numbers of rows."""
        return np.searchsorted(self.start, row, side="right") - 1

    @cached_property
    def _square(self) -> FloatArray:
        """(R,) squared lengths of the features."""
        return np.einsum("nd,nd->n", self.value, self.value)

    def about(self, query: FloatArray, rows: slice = slice(None)) -> FloatArray:
        """(Q, N) float32 squared distances of query (Q, D) from rows, up to rounding and without
        the squared length of the query, which is the same for all rows."""
        return self._square[rows] - 2 * query @ self.value[rows].T

    def found(self, query: FloatArray, row: IntArray) -> Found:
        """Rows (C,) at their Euclidean distances from query (D,), nearest first; ties by row.

        Computed from plain differences: rounding in a matrix product would be as large as the
        distance between near frames.
        """
        row = np.sort(row)
        distance = np.empty(len(row))
        for block in (slice(n, n + _BLOCK) for n in range(0, len(row), _BLOCK)):
            gap = self.value[row[block]] - query.astype(np.float64)
            distance[block] = np.sqrt(np.einsum("nd,nd->n", gap, gap))
        order = np.argsort(distance, kind="stable")
        row = row[order]
        clip = self.clip_of(row)
        first, last = self.start[clip], self.start[clip + 1] - 1
        lasts = self.time[last] - self.time[first]
        return Found(distance[order], clip, row - first, self.time[row], lasts, self.phase[row])

    def usual_distance(self, clip: int) -> float:
        """The distance to the nearest frame of another clip that USUAL of the frames do not exceed;
        NaN with fewer than FEWEST_CLIPS clips besides `clip`, whose frames do not count.

        A query whose nearest frame is farther away is like nothing in these clips. Of frames of
        Penn Action, 0 to 3 % were farther from 4 or 12 other clips of their action, and 42 to 58 %
        from as many clips of another one (eight actions, raw poses and base model).
        """
        if len(self.clips) - 1 < FEWEST_CLIPS:
            return float("nan")
        others = np.delete(np.arange(len(self)), self.own(clip))
        rows = others[np.linspace(0, len(others) - 1, min(SAMPLE, len(others))).astype(np.int64)]
        nearest, least = np.zeros(len(rows), np.int64), np.full(len(rows), np.inf)
        step = max(1, _AT_ONCE // len(rows))
        for first in range(0, len(self), step):
            about = self.about(self.value[rows], slice(first, first + step))
            for n, number in enumerate(self.clip_of(rows).tolist()):
                own = self.own(number)
                about[n, max(own.start - first, 0) : max(own.stop - first, 0)] = np.inf
            best = about.min(axis=1)
            nearest = np.where(best < least, first + about.argmin(axis=1), nearest)
            least = np.minimum(best, least)
        gap = self.value[nearest] - self.value[rows].astype(np.float64)
        return float(np.quantile(np.linalg.norm(gap, axis=1), USUAL))


class OtherClips:
    """The clips of a project but the query's, searched by comparison with every frame.

    query: (Q, D) in each view, about the mean of the frames. movement: (T, E) of a clip by its id,
    by which views are ranked.
    """

    def __init__(
        self,
        frames: Frames,
        clip: int,
        query: Mapping[View, FloatArray],
        movement: Callable[[str], FloatArray],
    ) -> None:
        self._frames, self.query, self._movement = frames, query, movement
        own = frames.own(clip)
        self._others = len(frames) - (own.stop - own.start)
        self._about = {view: frames.about(of) for view, of in query.items()}
        for about in self._about.values():
            about[:, own] = np.inf

    def nearest(self, view: View, query: int, count: int) -> Found:
        about = self._about[view][query]
        count = min(count, self._others)
        row = np.argpartition(about, count - 1)[:count]
        return self._frames.found(self.query[view][query], row)

    def samples(self, clips: Sequence[int]) -> Iterator[tuple[int, Sample]]:
        for clip in clips:
            own = self._frames.own(clip)
            moving = self._movement(self._frames.clips[clip])
            yield clip, Sample.of(moving, self._frames.value[own], self._frames.time[own])
