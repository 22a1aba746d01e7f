"""Gaps: spans inside a clip that the other clip does not show, left out rather than forced onto a
frame.

DTW gives every frame between its ends a counterpart. If one clip holds something that the other
lacks (a second practice swing, a step to the side), that distorts the path, which often leaves out
the rest of the clip instead. The pair is therefore first aligned with spans that may stay without a
counterpart (path_with_gaps). Those that are long enough to be meaningful are removed, and what both
clips show is aligned as usual.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.distance import squared_distance
from la2ds_cli.alignment.sampling import thinned
from la2ds_cli.core.compiled import compiled, compiling_pays
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.features.tempo import DIFFERENT, LEAST_FRAMES

LEAST = (3.75, 18.0)
"""Cost of a frame of a gap, and of opening one, in median squared nearest-neighbour distances: some
frames must look clearly unlike. Chosen on rendered performers with and without foreign spans, such
that almost no pair of Penn Action clips has a gap."""
CLEAR = (4.0, 20.0)  # the same for frames that are nothing like the other clip
LEAST_UNIT = 0.03
"""Least unit of these costs, as a share of the variance of the features. In two films of one
performance, frames at rest are nearly equal, and by such a unit the fast frames, which lie between
those of the other film, would look unlike. In 480 pairs of golf swings, squats and ski jumps by
different people, the unit is 0.036 or above.
"""
SHORTEST = 0.5
"""Seconds. Of clips with one performance each, shorter gaps lose a quarter more of the events that
people set, and of foreign spans of rendered performers they find hardly more (docs/results)."""
MOVING = 0.5  # least spread of the frames of a gap, in the same unit
STILL = 0.5
"""Seconds of the other clip per second of a piece next to a gap; below this, the piece is left out,
too. A gap that takes at least so much time in the other clip is none (_facing_filled)."""

# Seconds that numpy takes: for a diagonal of the table, and for a cell.
_DIAGONAL, _CELL = 40e-6, 40e-9
_PAIR, _ONLY_A, _ONLY_B, _START = 0, 1, 2, 3
_BOTH, _A, _B = 0, 1, 2  # which clips advance into a pair


@dataclass(frozen=True)
class SharedRows:
    """Rows of A (n,) and of B (m,) that are to be aligned; of `length_a` and `length_b` frames."""

    a: IntArray
    b: IntArray
    length_a: int
    length_b: int

    @property
    def swapped(self) -> SharedRows:
        """Of B and of A."""
        return SharedRows(self.b, self.a, self.length_b, self.length_a)

    def common(self, other: SharedRows) -> SharedRows:
        """The rows that are in both, for the same clips; this one if none would be left."""
        a, b = np.intersect1d(self.a, other.a), np.intersect1d(self.b, other.b)
        return SharedRows(a, b, self.length_a, self.length_b) if len(a) and len(b) else self

    def path(self, path: IntArray) -> IntArray:
        """A path (P, 2) between the rows as a path between the clips."""
        return np.stack([self.a[path[:, 0]], self.b[path[:, 1]]], axis=1)

    def position(self, position: FloatArray) -> FloatArray:
        """Convert positions (n,) among the rows of B to (length_a,) positions in B, NaN for frames
        of A that are not among the rows. A position between the two sides of a gap moves to the
        nearer side, because nothing in A matches what was left out."""
        in_b = np.full(self.length_a, np.nan)
        known = ~np.isnan(position)
        row = position[known]
        low = np.clip(np.floor(row).astype(np.int64), 0, max(len(self.b) - 2, 0))
        high = np.minimum(low + 1, len(self.b) - 1)
        neighbours = self.b[high] - self.b[low] <= 1
        share = np.where(neighbours, row - low, np.round(row - low))
        in_b[self.a[known]] = (1 - share) * self.b[low] + share * self.b[high]
        return in_b


def all_rows(length_a: int, length_b: int) -> SharedRows:
    """No gaps."""
    return SharedRows(np.arange(length_a), np.arange(length_b), length_a, length_b)


def shared_rows(
    a: FloatArray,
    b: FloatArray,
    rates: tuple[float, float],
    price: tuple[float, float] = LEAST,
    most: tuple[int | None, int | None] = (None, None),
) -> SharedRows:
    """All rows of a (N, D) and b (M, D) except those in inner gaps of at least SHORTEST; all rows
    if a clip would have none left.

    Meant for features of the joints: distances of embeddings are so uneven that gaps appear where
    people merely differ. rates: frames per second of A and of B. price: LEAST or CLEAR. most: how
    many frames of each clip are considered (frames_of_like_tempo), None = all.
    """
    thin = [thinned(len(a), most[0]), thinned(len(b), most[1])]
    cost = squared_distance(a[thin[0]], b[thin[1]])
    # The median, since a long gap would raise the mean, and with it its own price.
    unit = float(np.median(cost.min(axis=1)) + np.median(cost.min(axis=0))) / 2
    # The lesser of both, since a foreign span spreads its own clip.
    unit = max(unit, LEAST_UNIT * min(_spread(a), _spread(b)))
    if unit == 0:  # no frame differs from another
        return all_rows(len(a), len(b))
    path = path_with_gaps(cost, price[0] * unit, price[1] * unit)
    path = _facing_filled(np.stack([thin[0][path[:, 0]], thin[1][path[:, 1]]], axis=1), rates)
    shared = [
        np.flatnonzero(
            ~_left_out(path[:, [side, 1 - side]], clip, unit, rates[side], rates[1 - side])
        )
        for side, clip in enumerate((a, b))
    ]
    if not len(shared[0]) or not len(shared[1]):  # two clips that have nothing in common
        return all_rows(len(a), len(b))
    return SharedRows(shared[0], shared[1], len(a), len(b))


def frames_of_like_tempo(
    lengths: tuple[int, int], rates: tuple[float, float], tempos: tuple[float, float]
) -> tuple[int, int]:
    """How many frames of A and of B to consider, so that both move about as far from one frame to
    the next; all frames if the clips differ by no more than DIFFERENT, or if one does not move.

    Slow motion has many frames for one frame at real speed, and most of them lie between two frames
    of the other clip: each is a little unlike, and together they look like a gap.
    """
    if min(tempos) <= 0:
        return lengths
    frames = [rate / tempo for rate, tempo in zip(rates, tempos, strict=True)]
    most = []
    for length, own, other in zip(lengths, frames, reversed(frames), strict=True):
        share = other / own if own > DIFFERENT * other else 1.0
        most.append(min(length, max(LEAST_FRAMES, round(share * length))))
    return most[0], most[1]


def _facing_filled(path: IntArray, rates: tuple[float, float]) -> IntArray:
    """The path (P, 2) with gaps of A that face a gap of B filled by a straight line, if the longer
    takes at most 1 / STILL times as long as the other.

    In such a place, both people do something for about as long, and it merely looks different, as a
    downswing does at 12 and at 30 frames per second: nothing is missing from either clip.
    """
    steps = np.diff(path, axis=0)
    seconds = steps / np.array(rates)
    facing = seconds.min(axis=1) >= STILL * seconds.max(axis=1)
    pieces = [path[:1]]
    for n in range(len(steps)):
        count = steps[n].max() if facing[n] and seconds[n].max() >= SHORTEST else 1
        share = np.arange(1, count + 1)[:, None] / count
        pieces.append(np.round(path[n] + share * steps[n]).astype(np.int64))
    return np.concatenate(pieces)


def _left_out(
    path: IntArray, clip: FloatArray, unit: float, rate: float, other_rate: float
) -> BoolArray:
    """(N,) bool: frames of a clip (N, D) that lie in its gaps.

    path: (P, 2), frames of the clip and of the other one; rate, other_rate: frames per second. A
    span in which nothing moves is not a gap, because people hold a pose in different ways. A piece
    between two gaps, or between a gap and an end, is left out too if it stands still in the other
    clip: it was matched with one moment only because nothing fitted better.
    """
    first = np.flatnonzero(np.diff(path[:, 0], prepend=-1) > 0)  # path row of each matched frame
    last = np.append(first[1:], len(path)) - 1
    met = path[first, 0]
    # Neighbours of a thinned clip lie some frames apart without a gap between them.
    usual = int(np.median(np.diff(met))) if len(met) > 1 else 1
    after = 1 + np.flatnonzero(np.diff(met) - usual >= max(SHORTEST * rate, 1))
    after = [n for n in after if _spread(clip[met[n - 1] + 1 : met[n]]) >= MOVING * unit]
    left_out = np.zeros(len(clip), bool)
    for n in after:
        left_out[met[n - 1] + 1 : met[n]] = True
    for n, stop in itertools.pairwise([0, *after, len(met)] if after else []):
        here = (met[stop - 1] - met[n] + usual) / rate
        there = (path[last[stop - 1], 1] - path[first[n], 1]) / other_rate
        if there < STILL * here:
            low = 0 if n == 0 else met[n]
            left_out[low : len(clip) if stop == len(met) else met[stop - 1] + 1] = True
    return left_out


def _spread(frames: FloatArray) -> float:
    """Mean squared distance of frames (n, D) from their mean."""
    return float(frames.var(axis=0).sum())


def path_with_gaps(cost: FloatArray, skip: float, opening: float) -> IntArray:
    """(P, 2) int64 monotone path of least summed cost (N, M) in which frames may be left out.

    Each cell (i, j) has three states, as in alignment with affine gaps (Gotoh 1982): the frames are
    a pair; frame i of A is left out after a pair with frame j; frame j of B is left out after a
    pair (or after frames of A left out) with frame i.

    Each frame left out costs `skip`, and each span of them inside the path costs `opening` on top;
    frames at the start of one clip and at the end of one clip cost no opening. With infinite
    `opening`, this is DTW with open ends.
    """
    cost = np.ascontiguousarray(cost, np.float64)
    if compiling_pays(_DIAGONAL * sum(cost.shape) + _CELL * cost.size):
        together: np.ndarray = np.empty((4, *cost.shape), np.uint8)
        i, j = _fill(cost, float(skip), float(opening), together)
        tables = list(together)
    else:
        (i, j), tables = _filled_by_diagonals(cost, float(skip), float(opening))
    return _walked_back(i, j, tables)


def _filled_by_diagonals(
    cost: FloatArray, skip: float, opening: float
) -> tuple[tuple[int, int], Sequence[np.ndarray]]:
    """`_fill` with numpy, and its tables: the cells of a diagonal do not depend on each other."""
    rows, columns = cost.shape
    count = rows + columns - 1
    # Cell (i, j) is [i + j + 2, i + 1] in each state's table of diagonals, which has a border.
    states = np.full((3, count + 2, rows + 1), math.inf)
    tables = [np.zeros((count, rows), np.uint8) for _ in range(4)]
    pair_from, pair_step, a_from, b_from = tables
    _by_cell(states[_PAIR, 2:, 1:], columns)[:] = cost
    for n in range(count):
        low, high = max(0, n - columns + 1), min(rows - 1, n) + 1
        here = slice(low, high)
        corner, above = states[:, n, here], states[:, n + 1, here]
        left = states[:, n + 1, low + 1 : high + 1]
        pair, only_a, only_b = states[:, n + 2, low + 1 : high + 1]
        best = np.full(high - low, math.inf)
        if low == 0:
            best[0] = skip * n
        if high == n + 1:
            best[-1] = skip * n
        state, step = pair_from[n, here], pair_step[n, here]
        state[:], step[:] = _START, _BOTH
        came = [(corner[s], s, _BOTH) for s in range(3)]
        for value, source, moved in (*came, (above[_PAIR], _PAIR, _A), (left[_PAIR], _PAIR, _B)):
            less = value < best
            state[less], step[less] = source, moved
            np.minimum(best, value, out=best)
        pair += best

        source = a_from[n, here]
        opened = above[_PAIR] + opening
        np.copyto(source, _ONLY_A)
        source[opened < above[_ONLY_A]] = _PAIR
        np.minimum(above[_ONLY_A], opened, out=only_a)
        only_a += skip

        source = b_from[n, here]
        np.copyto(source, _ONLY_B)
        np.copyto(only_b, left[_ONLY_B])
        for s in (_PAIR, _ONLY_A):
            opened = left[s] + opening
            source[opened < only_b] = s
            np.minimum(only_b, opened, out=only_b)
        only_b += skip
    ending = _by_cell(states[_PAIR, 2:, 1:], columns)
    last = np.full(cost.shape, math.inf)
    column, row = np.arange(columns), np.arange(rows)
    last[-1] = ending[-1] + skip * (columns - 1 - column)
    last[:, -1] = ending[:, -1] + skip * (rows - 1 - row)
    i, j = np.unravel_index(int(last.argmin()), cost.shape)
    return (int(i), int(j)), [_by_cell(table, columns) for table in tables]


def _by_cell(diagonals: np.ndarray, columns: int) -> np.ndarray:
    """A view (N, M) of a table of diagonals (N + M - 1, N), where cell (i, j) is [i + j, i]."""
    along, down = diagonals.strides
    shape = (diagonals.shape[1], columns)
    return np.lib.stride_tricks.as_strided(diagonals, shape, (along + down, along))


@compiled()
def _fill(cost, skip, opening, tables):
    """Fill the tables (4, N, M) uint8 of where each state's best path came from; returns the pair
    in which the best path ends."""
    pair_from, pair_step, a_from, b_from = tables[0], tables[1], tables[2], tables[3]
    rows, columns = cost.shape
    above = np.full((columns, 3), math.inf)
    best_end, end_i, end_j = math.inf, 0, 0
    for i in range(rows):
        corner = np.full(3, math.inf)  # the cell above and to the left
        left = np.full(3, math.inf)
        for j in range(columns):
            best = skip * (i + j) if i == 0 or j == 0 else math.inf
            state, step = _START, _BOTH
            for s in range(3):
                if corner[s] < best:
                    best, state, step = corner[s], s, _BOTH
            if above[j, _PAIR] < best:
                best, state, step = above[j, _PAIR], _PAIR, _A
            if left[_PAIR] < best:
                best, state, step = left[_PAIR], _PAIR, _B
            pair = best + cost[i, j]
            pair_from[i, j], pair_step[i, j] = state, step

            only_a, a_from[i, j] = above[j, _ONLY_A], _ONLY_A
            if above[j, _PAIR] + opening < only_a:
                only_a, a_from[i, j] = above[j, _PAIR] + opening, _PAIR
            only_b, b_from[i, j] = left[_ONLY_B], _ONLY_B
            for s in (_PAIR, _ONLY_A):
                if left[s] + opening < only_b:
                    only_b, b_from[i, j] = left[s] + opening, s

            corner[:] = above[j]
            left[_PAIR], left[_ONLY_A], left[_ONLY_B] = pair, only_a + skip, only_b + skip
            above[j] = left
            if i == rows - 1 or j == columns - 1:
                ending = pair + skip * (rows - 1 - i + columns - 1 - j)
                if ending < best_end:
                    best_end, end_i, end_j = ending, i, j
    return end_i, end_j


def _walked_back(i: int, j: int, tables: Sequence[np.ndarray]) -> IntArray:
    pair_from, pair_step, a_from, b_from = tables
    path, state = [], _PAIR
    while state != _START:
        if state == _PAIR:
            path.append((i, j))
            state, step = pair_from[i, j], pair_step[i, j]
            if step != _B:
                i -= 1
            if step != _A:
                j -= 1
        elif state == _ONLY_A:
            state = a_from[i, j]
            i -= 1
        else:
            state = b_from[i, j]
            j -= 1
    return np.array(path[::-1], np.int64)
