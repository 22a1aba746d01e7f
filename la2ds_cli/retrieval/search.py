"""Nearest frames under the rules of retrieval: arrays in, rows out.

`search` holds the rules; whatever finds the candidates, exactly (`exact`) or by lists
(la2ds_cli.retrieval.ivf), only has to return as many as it is asked for.
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
    """All frames that can be searched, clip after clip.

    value: (F, D) float32 features. time: (F,) seconds. start: (C + 1,) int64, the row at which
    each clip begins, and F.
    """

    value: FloatArray
    time: FloatArray
    start: IntArray

    def own(self, clip: int) -> tuple[int, int]:
        """First row of a clip, and the one after its last."""
        return int(self.start[clip]), int(self.start[clip + 1])

    def clip_of(self, row: IntArray) -> IntArray:
        """Clip numbers of rows."""
        return np.searchsorted(self.start, row, side="right") - 1


@dataclass(frozen=True)
class Limits:
    """k: frames per query. per_video: most of them from one clip. min_gap: seconds between two of
    one clip."""

    k: int
    per_video: int
    min_gap: float


def search(
    frames: Frames, find: Finder, clip: int, rows: Sequence[int], limits: Limits
) -> list[tuple[IntArray, FloatArray]]:
    """For each row of `clip` (counted from its first) the k nearest frames of all other clips.

    Rows of `frames` and their distances, float64, nearest first. A frame is passed over when its
    clip has given `per_video` frames already, or one less than `min_gap` seconds away. A list is
    shorter than k only when no further frame fits: more and more candidates are asked for.
    """
    own = frames.own(clip)
    query = frames.value[own[0] + np.asarray(rows)]
    available = len(frames.value) - (own[1] - own[0])
    nothing = np.zeros(0, np.int64), np.zeros(0)
    found: list[tuple[IntArray, FloatArray]] = [nothing for _ in rows]
    pending = list(range(len(rows)))
    # Few frames are passed over as a rule; only where too many are, more candidates are taken.
    wanted = min(8 * limits.k, available)
    while pending and wanted:
        short = []
        for number, row in zip(pending, find(query[pending], own, wanted), strict=True):
            distance, row = by_distance(query[number], frames.value, row)
            kept = spread(frames.clip_of(row), frames.time[row], limits)
            found[number] = row[kept], distance[kept]
            if len(kept) < limits.k:
                short.append(number)
        if wanted == available:
            break
        pending, wanted = short, min(4 * wanted, available)
    return found


def spread(clip: IntArray, time: FloatArray, limits: Limits) -> IntArray:
    """The first k of candidates that are sorted by distance, less those that the limits forbid.

    clip, time: (C,) clip number and seconds of each candidate. Returns their places in order.
    """
    taken: dict[int, list[float]] = {}
    kept = []
    for n, (name, second) in enumerate(zip(clip.tolist(), time.tolist(), strict=True)):
        before = taken.setdefault(name, [])
        # Half a microsecond: a gap of exactly min_gap counts as far enough, whatever its rounding.
        near = any(abs(second - other) < limits.min_gap - 5e-7 for other in before)
        if len(before) < limits.per_video and not near:
            before.append(second)
            kept.append(n)
            if len(kept) == limits.k:
                break
    return np.array(kept, dtype=np.int64)


def by_distance(query: FloatArray, value: FloatArray, row: IntArray) -> tuple[FloatArray, IntArray]:
    """Euclidean distances (C,) float64 from query (D,) to rows (C,) of value, ascending, and the
    rows in that order; equals by row.

    From plain differences: the rounding of a product is as large as the distance of near frames.
    """
    blocks = [row[n : n + _BLOCK] for n in range(0, len(row), _BLOCK)]
    gaps = [np.linalg.norm(value[b].astype(np.float64) - query, axis=-1) for b in blocks]
    distance = np.concatenate([np.zeros(0), *gaps])
    order = np.lexsort((row, distance))
    return distance[order], row[order]


def exact(value: FloatArray, device: DeviceName = "cpu") -> Finder:
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
    least, place = [], []
    for start in range(0, len(value), _FRAMES[where]):
        part = torch.from_numpy(value[start : start + _FRAMES[where]] - mean).to(where)
        # |query|^2 is the same for every frame and does not change the order.
        score = torch.addmm(part.square().sum(dim=1)[None], centred, part.T, alpha=-2)
        score[:, max(own[0] - start, 0) : max(own[1] - start, 0)] = torch.inf
        best = torch.topk(score, min(count, len(part)), dim=1, largest=False)
        least.append(best.values)
        place.append(best.indices + start)
    of_all = torch.topk(torch.cat(least, dim=1), count, dim=1, largest=False).indices
    return torch.cat(place, dim=1).gather(1, of_all).cpu().numpy()
