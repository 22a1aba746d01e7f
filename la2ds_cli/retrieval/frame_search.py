"""Find the frames nearest to those of a query, within the limits of a retrieval.

Each clip is compared in the view nearest to the query's clip (features/camera_views.py).
`OtherClips` are the clips of a project in memory, compared exactly; frame_table has those of a
store. Views are chosen as in an alignment (alignment/nearest_view.py), only for clips among the
nearest: by the movement of the joints or, in a store, which holds no joints, by its features.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from la2ds_cli.alignment.confidence import NEAR, NEAR_SECONDS
from la2ds_cli.alignment.nearest_view import ViewChoice, nearest_views
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.core.view import View
from la2ds_cli.retrieval.clip_rows import ClipRows

CANDIDATES = 8  # times k: number of frames that are first compared exactly
MOST = 200  # frames of a clip used to rank views


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

    def __post_init__(self) -> None:
        """Raise UserError (exit 2) for limits that no frame meets."""
        for name, value in (("k", self.k), ("per_video", self.per_video)):
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}; at least 1 frame can be found")
        if self.min_gap is not None and not self.min_gap >= 0:
            raise UserError(f"min_gap is {self.min_gap}; it takes seconds, 0 or more")

    def gaps(self, duration: FloatArray) -> FloatArray:
        """Return the least seconds between two hits in clips that last `duration` seconds.

        It is a tenth, within bounds, so that slow motion and held poses do not fill the list with
        one moment.
        """
        if self.min_gap is not None:
            return np.full(np.shape(duration), self.min_gap)
        return np.clip(GAP_SHARE * duration, LEAST_GAP, MOST_GAP)


LEAST_GAP, GAP_SHARE, MOST_GAP = 0.25, 0.1, 1.0
# Half a microsecond, so that a gap of exactly the limit counts as far enough despite rounding.
ROUNDING = 5e-7


class Found(NamedTuple):
    """Frames near a query, nearest first, (C,) each.

    distance: float64. clip: number of the clip. row: in its poses. time: seconds of the frame.
    lasts: seconds from the first to the last frame of its clip. phase: its label, None without one.
    """

    distance: FloatArray
    clip: IntArray
    row: IntArray
    time: FloatArray
    lasts: FloatArray
    phase: np.ndarray

    def only(self, which: np.ndarray) -> Found:
        """Return the frames that an index or a mask selects."""
        return Found(*(column[which] for column in self))


_ROWS, _SECONDS = np.zeros(0, np.int64), np.zeros(0)
_NOTHING = Found(_SECONDS, _ROWS, _ROWS, _SECONDS, _SECONDS, np.zeros(0, object))


class ClipSample(NamedTuple):
    """At most MOST frames of a clip, evenly spaced.

    compared: (S, E) features used to rank views.
    value: (S, D) features used to search frames.
    time: (S,) seconds.
    """

    compared: FloatArray
    value: FloatArray
    time: FloatArray

    @classmethod
    def of(cls, compared: FloatArray, value: FloatArray, time: FloatArray) -> ClipSample:
        """Return a sample of the rows of a clip."""
        return cls(_thinned(compared), _thinned(value), _thinned(time))


def _thinned(value: FloatArray) -> FloatArray:
    return value[:: -(-len(value) // MOST)]


class Searched(Protocol):
    """Numbered clips in which a query is searched.

    query: (Q, D) features of the query frames in each view.
    """

    query: Mapping[View, FloatArray]

    def named(self, clip: int) -> tuple[str | None, str]:
        """Return the project of a clip, None if only one is searched, and its id."""
        ...

    def nearest(self, view: View, query: int, count: int) -> Found:
        """Return the `count` frames nearest to a query frame in a view, or fewer."""
        ...

    def samples(self, clips: Sequence[int]) -> Iterable[tuple[int, ClipSample]]:
        """Yield a sample of each clip that can be read."""
        ...


class Search:
    """The search for a query in clips.

    compared: (T, E) of the query's clip in each view, as `ClipSample.compared`; not needed for a
    single view.
    """

    def __init__(self, clips: Searched, compared: Mapping[View, FloatArray]) -> None:
        self.clips, self._value = clips, clips.query
        self._compared: dict[View, FloatArray] = {v: _thinned(of) for v, of in compared.items()}
        self._known: dict[int, tuple[ClipSample, ViewChoice]] = {}

    def nearest(self, query: int, limits: Limits) -> Found:
        """Return the k frames nearest to a query frame, each clip in its view.

        A frame is skipped if `per_video` frames of its clip are nearer, or if a nearer one is less
        than the clip's gap away in time. There are fewer than k only if no further frame is
        allowed: the number of candidates grows until then.
        """
        count = CANDIDATES * limits.k
        while True:
            lists: dict[View, Found] = {
                view: self.clips.nearest(view, query, count) for view in self._value
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
        """Return the frames whose clip is compared in the view of their list, nearest first."""
        every = Found(*map(np.concatenate, zip(*lists.values(), strict=True)))
        new = set(every.clip.tolist()) - self._known.keys() if len(self._value) > 1 else ()
        for clip, sample in self.clips.samples(sorted(new)) if new else ():
            self._known[clip] = sample, nearest_views(sample.compared, [self._compared])[0]
        views = [view for view, found in lists.items() for _ in found.distance]
        kept = np.array([self.choice(clip).view for clip in every.clip.tolist()]) == views
        order = np.lexsort((every.row, every.clip, every.distance))
        return every.only(order[kept[order]])

    def choice(self, clip: int) -> ViewChoice:
        """Return the view for a clip and its rivals; as filmed if it cannot be read."""
        if len(self._value) == 1:
            return ViewChoice(next(iter(self._value)))
        return self._known[clip][1] if clip in self._known else ViewChoice()

    def unsure(self, clip: int, query: int) -> bool:
        """Return whether another view of a clip, about as near, gives another moment for a query
        frame."""
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
    """Return the ascending indices of the first k frames that the limits allow; `found` is sorted
    by distance."""
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
USUAL = 0.99  # share of them that are nearer to another clip than a query that is like none
FEWEST_CLIPS = 3  # besides the query's; with fewer, little is known about what is usual
_AT_ONCE = 8  # sampled frames compared with all frames in one product


class OtherClips:
    """All clips of a project except the query's and its copies, searched exactly.

    Parameters
    ----------
    rows: of all clips, by id.
    video: the clip of the query.
    movement: returns the movement (T, E) of a clip by its id, to rank views.
    copies: for a clip, ids of the clips that show the same person of the same film at the same time
        (`core.independence.same_footage`), which says nothing about what else is alike.
    """

    def __init__(
        self,
        rows: Mapping[str, ClipRows],
        video: str,
        movement: Callable[[str], FloatArray],
        copies: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        clips = rows.values()
        self.clips, self._movement = tuple(rows), movement
        self._value = np.concatenate([clip.value for clip in clips], dtype=np.float32)
        # A mean far from the origin would cost |a|^2 + |b|^2 - 2ab its digits.
        self._mean = self._value[:: len(self._value) // 1000 + 1].mean(axis=0)
        self._value -= self._mean
        self._square = np.einsum("nd,nd->n", self._value, self._value)
        self._time = np.concatenate([clip.time for clip in clips])
        self._phase = np.concatenate([clip.phase for clip in clips])
        # the first row of each clip, then the number of all rows
        self._start = np.cumsum([0, *(len(clip.value) for clip in clips)], dtype=np.int64)
        number = {clip: n for n, clip in enumerate(self.clips)}
        copied = copies or {}
        self._same = [
            np.array([n, *(number[c] for c in copied.get(clip, ()) if c in number and c != clip)])
            for n, clip in enumerate(self.clips)
        ]
        self._own = self._rows_of(self._same[number[video]])

    def asked(self, query: Mapping[View, FloatArray]) -> OtherClips:
        """Return these clips, searched with query frames (Q, D) in each view."""
        self.query: Mapping[View, FloatArray] = {v: of - self._mean for v, of in query.items()}
        self._about = {view: self._distances(of) for view, of in self.query.items()}
        for about in self._about.values():
            about[:, self._own] = np.inf
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of all frames and clips, including the query's."""
        return len(self._value), len(self.clips)

    def named(self, clip: int) -> tuple[None, str]:
        return None, self.clips[clip]

    def nearest(self, view: View, query: int, count: int) -> Found:
        """Return the nearest frames by Euclidean distance; equal distances are sorted by row."""
        about = self._about[view][query]
        count = min(count, len(self._value) - len(self._own))
        if not count:
            return _NOTHING
        row = np.sort(np.argpartition(about, count - 1)[:count])
        # Plain differences: the rounding of a matrix product would be as large as the distance of
        # near frames.
        gap = self._value[row] - self.query[view][query]
        distance = np.sqrt(np.einsum("nd,nd->n", gap, gap, dtype=np.float64))
        order = np.argsort(distance, kind="stable")
        row = row[order]
        clip = self._clip_of(row)
        first, last = self._start[clip], self._start[clip + 1] - 1
        lasts = self._time[last] - self._time[first]
        return Found(distance[order], clip, row - first, self._time[row], lasts, self._phase[row])

    def samples(self, clips: Sequence[int]) -> Iterator[tuple[int, ClipSample]]:
        for clip in clips:
            moving, own = self._movement(self.clips[clip]), self._rows_of([clip])
            yield clip, ClipSample.of(moving, self._value[own], self._time[own])

    def usual_distance(self) -> float:
        """Return the distance within which USUAL of the frames have a frame of another clip.

        A query whose nearest frame is farther away is like nothing in these clips. Like a query,
        these frames are searched in clips other than their own and its copies. The query's clip is
        left out as well, so that the distance does not depend on it. NaN with fewer than
        FEWEST_CLIPS clips besides the query's and its copies.
        """
        others = np.delete(np.arange(len(self._value)), self._own)
        if len(np.unique(self._clip_of(others))) < FEWEST_CLIPS:
            return float("nan")
        rows = others[np.linspace(0, len(others) - 1, min(SAMPLE, len(others))).astype(np.int64)]
        gaps: list[float] = []
        for part in np.split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
            about = self._distances(self._value[part])
            about[:, self._own] = np.inf
            for line, row in zip(about, part.tolist(), strict=True):
                line[self._rows_of(self._same[int(self._clip_of(np.array(row)))])] = np.inf
                nearest = int(line.argmin())
                if line[nearest] < np.inf:
                    gaps.append(float(np.linalg.norm(self._value[nearest] - self._value[row])))
        return float(np.quantile(gaps, USUAL)) if gaps else float("nan")

    def _rows_of(self, clips: Iterable[int]) -> IntArray:
        """Return the rows of clips, ascending."""
        ranges = [np.arange(*self._start[clip : clip + 2]) for clip in sorted(clips)]
        return np.concatenate(ranges)

    def _clip_of(self, row: IntArray) -> IntArray:
        return np.searchsorted(self._start, row, side="right") - 1

    def _distances(self, query: FloatArray) -> FloatArray:
        """Return (Q, R) float32 squared distances of query (Q, D) from all rows, up to rounding.

        The squared length of the query, which is the same for all rows, is left out.
        """
        return self._square - 2 * query.astype(np.float32) @ self._value.T
