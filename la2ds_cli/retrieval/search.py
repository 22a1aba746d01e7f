"""Nearest frames under the limits of a retrieval: arrays in, rows out.

`search` applies the limits. A Finder returns the candidates, by exact search (`exact_finder`) or by
the lists of an inverted file (la2ds_cli.retrieval.ivf), as many as it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.types import FloatArray, IntArray

# (query (Q, D), own, count) -> rows (Q, C): the `count` frames nearest to each query, fewer only
# where there are no more; rows own[0]..own[1] (end exclusive) are never among them.
Finder = Callable[[FloatArray, tuple[int, int], int], IntArray]

_QUERIES = 512  # per product
_FRAMES = {"cpu": 1 << 13, "cuda": 1 << 18}  # per product: 16 MB and 0.5 GB of float32 distances
_BLOCK = 1 << 16  # rows whose exact distances are computed at once


@dataclass(frozen=True)
class Frames:
    """All frames that can be searched, concatenated clip by clip.

    value: (F, D) float32 features. time: (F,) seconds. start: (C + 1,) int64, the row at which
    each clip begins, and F.
    """

    value: FloatArray
    time: FloatArray
    start: IntArray

    def own(self, clip: int) -> tuple[int, int]:
        """First row of a clip, and the row after its last."""
        return int(self.start[clip]), int(self.start[clip + 1])

    def clip_of(self, row: IntArray) -> IntArray:
        """Clip numbers of rows."""
        return np.searchsorted(self.start, row, side="right") - 1


@dataclass(frozen=True)
class Limits:
    """Limits of a retrieval. k: frames per query. per_video: largest number of them from one clip.
    min_gap: seconds between two of one clip, None = by the clip's length (spread_gap)."""

    k: int
    per_video: int
    min_gap: float | None


LEAST_GAP, GAP_SHARE, MOST_GAP = 0.25, 0.1, 1.0


def spread_gap(seconds: FloatArray) -> FloatArray:
    """Seconds between two hits of a clip that lasts `seconds`: a tenth of it, so that slow motion
    and held poses do not fill the list with one moment, but LEAST_GAP to MOST_GAP."""
    return np.clip(GAP_SHARE * seconds, LEAST_GAP, MOST_GAP)


def search(
    frames: Frames, find: Finder, clip: int, rows: Sequence[int], limits: Limits
) -> list[tuple[IntArray, FloatArray]]:
    """The k nearest frames of all other clips, for each row of `clip` (counted from its first).

    Returns rows of `frames` and their distances, float64, nearest first. A frame is skipped if
    `per_video` frames of its clip are nearer, or one that is less than the gap of the clip away in
    time. A list is shorter than k only if no further frame fits: the number of candidates grows
    until then.
    """
    own = frames.own(clip)
    gap = _gaps(frames, limits)
    query = frames.value[own[0] + np.asarray(rows)]
    available = len(frames.value) - (own[1] - own[0])
    empty = np.zeros(0, np.int64), np.zeros(0)
    nearest: list[tuple[IntArray, FloatArray]] = [empty for _ in rows]
    pending = list(range(len(rows)))
    # Usually few frames are skipped; more candidates are taken only for queries with too many.
    wanted = min(8 * limits.k, available)
    while pending and wanted:
        short = []
        for number, row in zip(pending, find(query[pending], own, wanted), strict=True):
            distance, row = sorted_by_distance(query[number], frames.value, row)
            clips = frames.clip_of(row)
            allowed = apply_limits(clips, frames.time[row], limits, gap[clips])
            nearest[number] = row[allowed], distance[allowed]
            if len(allowed) < limits.k:
                short.append(number)
        if wanted == available:
            break
        pending, wanted = short, min(4 * wanted, available)
    return nearest


def _gaps(frames: Frames, limits: Limits) -> FloatArray:
    """(C,) seconds between two hits of each clip."""
    first, stop = frames.start[:-1], frames.start[1:]
    if limits.min_gap is not None:
        return np.full(len(first), limits.min_gap)
    lasts = np.maximum(stop - 1, first)  # a clip without frames has no hits
    inside = np.minimum([lasts, first], len(frames.time) - 1)
    return spread_gap(frames.time[inside[0]] - frames.time[inside[1]])


def apply_limits(clip: IntArray, time: FloatArray, limits: Limits, gap: FloatArray) -> IntArray:
    """The first k of candidates sorted by distance, without those that the limits forbid.

    clip, time: (C,) clip number and seconds of each candidate. gap: (C,) seconds to another of its
    clip at least. Returns their indices, ascending.
    """
    taken: dict[int, list[float]] = {}
    chosen = []
    candidates = zip(clip.tolist(), time.tolist(), gap.tolist(), strict=True)
    for n, (name, second, apart) in enumerate(candidates):
        before = taken.setdefault(name, [])
        # Half a microsecond: a gap of exactly so much counts as far enough, whatever its rounding.
        near = any(abs(second - other) < apart - 5e-7 for other in before)
        if len(before) < limits.per_video and not near:
            before.append(second)
            chosen.append(n)
            if len(chosen) == limits.k:
                break
    return np.array(chosen, dtype=np.int64)


def sorted_by_distance(
    query: FloatArray, value: FloatArray, row: IntArray
) -> tuple[FloatArray, IntArray]:
    """Euclidean distances (C,) float64 from query (D,) to rows (C,) of value, ascending, and the
    rows in that order; equals by row.

    From plain differences: the rounding of a product is as large as the distance of near frames.
    """
    blocks = [row[n : n + _BLOCK] for n in range(0, len(row), _BLOCK)]
    gaps = [np.linalg.norm(value[b].astype(np.float64) - query, axis=-1) for b in blocks]
    distance = np.concatenate([np.zeros(0), *gaps])
    order = np.lexsort((row, distance))
    return distance[order], row[order]


def exact_finder(value: FloatArray, device: DeviceName = "cpu") -> Finder:
    """A finder that compares a query with every row of value (F, D)."""

    def find(query: FloatArray, own: tuple[int, int], count: int) -> IntArray:
        # A large common mean would cancel in |a|^2 + |b|^2 - 2ab.
        mean = query.mean(axis=0, dtype=np.float64).astype(value.dtype)
        where = resolve_device(device).type
        parts = [query[n : n + _QUERIES] - mean for n in range(0, len(query), _QUERIES)]
        return np.concatenate([_nearest(where, q, value, mean, own, count) for q in parts])

    return find


def _nearest(
    where: str,
    query: FloatArray,
    value: FloatArray,
    mean: FloatArray,
    own: tuple[int, int],
    count: int,
) -> IntArray:
    """Rows (Q, C) of value - mean that are nearest to query (Q, D), which has the mean taken off.

    By matrix products and top-k of some frames at a time, so that no copy of all is made.
    """
    import torch

    count = min(count, len(value) - (own[1] - own[0]))
    centred = torch.from_numpy(np.ascontiguousarray(query)).to(where)
    least, rows = [], []
    for start in range(0, len(value), _FRAMES[where]):
        part = torch.from_numpy(value[start : start + _FRAMES[where]] - mean).to(where)
        # |query|^2 is the same for every frame and does not change the order.
        score = torch.addmm(part.square().sum(dim=1)[None], centred, part.T, alpha=-2)
        score[:, max(own[0] - start, 0) : max(own[1] - start, 0)] = torch.inf
        best = torch.topk(score, min(count, len(part)), dim=1, largest=False)
        least.append(best.values)
        rows.append(best.indices + start)
    of_all = torch.topk(torch.cat(least, dim=1), count, dim=1, largest=False).indices
    return torch.cat(rows, dim=1).gather(1, of_all).cpu().numpy()
