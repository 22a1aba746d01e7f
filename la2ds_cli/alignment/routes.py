"""Two clips aligned by way of other clips: what many routes agree on is surer than one path.

A frame of A lies somewhere in clip C, and that moment of C lies somewhere in B. Every other clip of
the same movement so gives a second opinion on where the frame of A lies in B, with errors of its
own, and its opinions lie between frames. The direct path and the routes vote, and the middle half
of the votes is averaged, so that a clip of another movement or a path gone astray has no say.

No label enters, and nothing of the two clips themselves: the other clips are those that training
uses, or all of the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from la2ds_cli.alignment.distance import pair_distance, thinned
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import invert, smooth_match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray

FEWEST = 4  # other clips below which one that went astray would not be outvoted
T = TypeVar("T")
Kinds = tuple[FloatArray, ...]
"""Features (T, D) of one clip, of one kind or of several (embedding, movement), frame by frame."""


@dataclass(frozen=True)
class Leg:
    """One clip (N frames) against one other (M frames). there: (N,) where in the other clip each
    frame lies; back: (M,) where in the clip each frame of the other lies; in frames, NaN = no
    counterpart. cost: mean squared distance of the pairs."""

    there: FloatArray
    back: FloatArray
    cost: float


class Routes:
    """others: for each other clip its features, of the same kinds in the same order as those of
    the clips to align. config: of DTW."""

    def __init__(self, others: Sequence[Kinds], config: AlignConfig) -> None:
        self.others = others
        self.config = config

    def legs(self, clip: Kinds) -> list[list[Leg]]:
        """For each kind of feature the legs to all other clips."""
        return [
            [find_leg(feature, other[kind], self.config) for other in self.others]
            for kind, feature in enumerate(clip)
        ]

    def match(
        self, a: Kinds, legs_a: list[list[Leg]], b: Kinds, legs_b: list[list[Leg]]
    ) -> FloatArray:
        """(N,) where in B each frame of A lies, by all kinds of features together.

        NaN where the direct path of the first kind leaves a frame of A out.
        """
        votes = self.votes(a, legs_a, b, legs_b)
        return agree(votes[0], votes, len(b[0]))

    def votes(
        self, a: Kinds, legs_a: list[list[Leg]], b: Kinds, legs_b: list[list[Leg]]
    ) -> FloatArray:
        """(V, N) where in B each frame of A lies by each vote, NaN where it leaves one out. First
        the direct paths, one for each kind of feature; then the routes."""
        votes = [find_leg(x, y, self.config).there for x, y in zip(a, b, strict=True)]
        for kind_a, kind_b in zip(legs_a, legs_b, strict=True):
            votes += route_votes(kind_a, kind_b)
        return np.array(votes)


def choose_others(items: Sequence[T], config: AlignConfig) -> list[T]:
    """The clips that have a say: at most `routes` of those there are, none where there are few."""
    if not config.by_routes or len(items) < FEWEST:
        return []
    return spread_out(items, config.routes)


def spread_out(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spread over them, in their order."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[int(n)] for n in np.rint(chosen)]


def find_leg(a: FloatArray, b: FloatArray, config: AlignConfig) -> Leg:
    """The leg of a (N, D) to b (M, D) by DTW."""
    row, column = thinned(len(a)), thinned(len(b))
    path = align_features("dtw", a[row], b[column], config)
    cost = float(np.mean(pair_distance(a[row], b[column], path).astype(np.float64) ** 2))
    there = _at_all_frames(smooth_match(path, len(row)), row, column)
    back = _at_all_frames(smooth_match(invert(path), len(column)), column, row)
    return Leg(there, back, cost)


def route_votes(legs_a: Sequence[Leg], legs_b: Sequence[Leg]) -> list[FloatArray]:
    """For each of the nearer half of the other clips (N,) where in B each frame of A lies that way.

    NaN where a route leaves a frame out. Legs of A and B lead to the same clips in the same order.
    """
    cost = [leg_a.cost + leg_b.cost for leg_a, leg_b in zip(legs_a, legs_b, strict=True)]
    near = np.argsort(cost, kind="stable")[: (len(cost) + 1) // 2]
    return [_follow(legs_a[n].there, legs_b[n].back) for n in near]


def agree(direct: FloatArray, votes: FloatArray, length: int) -> FloatArray:
    """(N,) mean of the middle half of the votes (V, N) in [0, length - 1], never decreasing.

    NaN where `direct` (N,) is; NaN votes do not count.
    """
    ordered = np.sort(votes, axis=0)  # NaN last
    count = (~np.isnan(votes)).sum(axis=0)
    first, last = count // 4, count - count // 4
    total = np.vstack([np.zeros(len(direct)), np.nancumsum(ordered, axis=0)])
    frames = np.arange(len(direct))
    middle = (total[last, frames] - total[first, frames]) / np.maximum(last - first, 1)
    matched = ~np.isnan(direct)
    position = np.full(len(direct), np.nan)
    position[matched] = np.maximum.accumulate(np.clip(middle[matched], 0, length - 1))
    return position


def disagreement(votes: FloatArray) -> FloatArray:
    """(N,) half the range of the middle 90 % of the votes (V, N), in frames; NaN votes do not
    count, and 0 where there is none."""
    ordered = np.sort(votes, axis=0)  # NaN last
    last = np.maximum((~np.isnan(votes)).sum(axis=0) - 1, 0)
    frames = np.arange(votes.shape[1])

    def quantile(share: float) -> FloatArray:
        low = np.floor(share * last).astype(np.int64)
        high = np.minimum(low + 1, last)
        part = share * last - low
        return (1 - part) * ordered[low, frames] + part * ordered[high, frames]

    return np.nan_to_num((quantile(0.95) - quantile(0.05)) / 2)


def path_through(position: FloatArray) -> IntArray:
    """(P, 2) int64 path of whole frames nearest to `position` (N,), as DTW makes them: no step
    skips a frame of either clip between the first and the last matched one."""
    rows = np.flatnonzero(~np.isnan(position))
    columns = np.rint(position[rows]).astype(np.int64)
    pairs = [(rows[:1], columns[:1])]
    for n in range(1, len(rows)):
        skipped = np.arange(columns[n - 1] + 1, columns[n])
        early = len(skipped) // 2
        row = np.where(np.arange(len(skipped)) < early, rows[n - 1], rows[n])
        pairs += [(row, skipped), (rows[n : n + 1], columns[n : n + 1])]
    return np.stack([np.concatenate(side) for side in zip(*pairs, strict=True)], axis=1)


def _follow(there: FloatArray, back: FloatArray) -> FloatArray:
    """(N,) positions `there` in a clip taken on by `back` (M,), NaN outside what that matches."""
    known = np.flatnonzero(~np.isnan(back))
    inside = (there >= known[0]) & (there <= known[-1])  # False for NaN
    return np.where(inside, np.interp(there, known, back[known]), np.nan)


def _at_all_frames(position: FloatArray, row: IntArray, column: IntArray) -> FloatArray:
    """Positions (n,) among the thinned frames `column`, of the thinned frames `row`, as positions
    among all frames of every frame up to row[-1]. NaN between a matched and an unmatched one."""
    found = np.interp(position, np.arange(len(column)), column.astype(float))
    found[np.isnan(position)] = np.nan
    return np.interp(np.arange(row[-1] + 1), row, found)
