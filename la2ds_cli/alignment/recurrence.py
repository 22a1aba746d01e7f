"""Where stretches of a signal occur again: closed loops of every length, and their matches by DTW.

Each length has its own version of the signal. Changes that are slower than the length are removed,
so that another camera, another set or a step aside does no harm, and for long lengths the signal is
thinned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.distance import squared_distance
from la2ds_cli.core.compiled import compiled, compiling_pays
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.features.resample import interpolate, smoothed, time_grid

RATE = 15.0  # frames per second at which repetitions are searched for
MAX_FRAMES = 4000  # longer clips get a lower rate: the distance matrix grows with the square
SMOOTHING = 0.12  # seconds, standard deviation
MAIN_PARTS = 16  # most principal components; fewer if they explain VARIANCE of the signal
VARIANCE = 0.99
VELOCITY = 2.0  # root mean square of the velocity features, relative to that of the pose features
SHORTEST = 0.35  # seconds of a pattern
FEWEST_FRAMES = 5  # of a pattern, at RATE
LONGEST = 0.55  # of a pattern, share of the clip: two must fit, one of them faster
STEP = 1.5  # factor between lengths; a pattern may be longer or shorter by its square root
SLOWER = 0.5  # standard deviation of the moving mean that is subtracted, in lengths
ROWS = 40  # a longer length is thinned to this many rows, or up to twice as many
OPENNESS = 0.3  # of a pattern: squared distance of its ends, relative to twice its variance
MOVING = 0.06  # least variance within a pattern, share of that where the signal moves most
MOST_MOVING = 90  # percentile of the variance around a row
MEMBER = 0.3  # least explained share of each repetition
SHORT_ONES = 4  # patterns that start at one row, the shortest first
PATTERNS = 120  # of one length
# Seconds without compilation: for one stretch, one feature of a row, one numpy row, one numpy cell,
# and one row under a Gaussian.
LOOP, SUM, ROW, CELL, BLUR = 1.5e-6, 4e-7, 2e-5, 2e-8, 1e-5
OVERLAP = 0.15  # largest share of a match that may be taken already


@dataclass(frozen=True)
class Signal:
    """A clip on a regular grid of times (G,). pose (G, D): smoothed, minus its mean; value (G, P):
    its principal components; travelled (G,): length of its path up to each row, as a share of the
    whole."""

    time: FloatArray
    pose: FloatArray
    value: FloatArray
    travelled: FloatArray

    @staticmethod
    def of(value: FloatArray, time: FloatArray) -> Signal:
        """The signal of features (T, D) at `time` (T,) seconds; T >= 2."""
        seconds = max(float(time[-1] - time[0]), 1e-9)
        rate = min(RATE, MAX_FRAMES / seconds)
        # Smooth at twice the rate, then keep every second frame, to avoid aliasing.
        fine = time_grid(time, 2 * rate)
        smooth = _blurred(
            interpolate(np.asarray(value, np.float64), time, fine),
            SMOOTHING * (len(fine) - 1) / seconds,
        )
        step = max(round((len(fine) - 1) / seconds / rate), 1)
        pose = smooth[::step] - smooth[::step].mean(axis=0)
        left, size, _ = np.linalg.svd(pose, full_matrices=False)
        share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-300)
        parts = min(int((share < VARIANCE).sum()) + 1, MAIN_PARTS)
        main = (left * size)[:, :parts]
        path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(main, axis=0), axis=1))])
        return Signal(fine[::step], pose, main, path / max(float(path[-1]), 1e-300))

    @property
    def spread(self) -> float:
        """Standard deviation of all components together."""
        return float(np.sqrt(self.value.var(axis=0).sum()))


@dataclass(frozen=True)
class Match:
    """Rows first..last of a signal that a pattern explains, and the share of its movement."""

    first: int
    last: int
    score: float


@dataclass(frozen=True)
class Candidate:
    """A stretch of the signal that may be a repetition, and for some rows, how well it explains the
    best match that ends there. amplitude: standard deviation of the movement within the stretch.
    end, begin (g,): last and first row of each match, sorted by end; begin is -1 if there is none.
    score (g,): explained share."""

    first: int
    last: int
    amplitude: float
    end: IntArray
    begin: IntArray
    score: FloatArray


@dataclass(frozen=True)
class Pattern:
    """A candidate with the best set of its matches. explained: share of the signal's path that it
    explains outside itself; covered: share of the path that its matches cover; surest: highest
    explained share of a match elsewhere."""

    candidate: Candidate
    matches: tuple[Match, ...]
    explained: float
    covered: float
    surest: float

    @property
    def score(self) -> float:
        """Mean score of the matches."""
        return self.count / max(len(self.matches), 1)

    @property
    def count(self) -> float:
        """Number of repetitions, each weighted by its explained share."""
        return sum(match.score for match in self.matches)

    @property
    def rank(self) -> float:
        """How much it explains, times how well: the value by which patterns are compared."""
        return self.explained * self.score

    @property
    def length(self) -> float:
        """Median length of the matches in rows."""
        return float(np.median([match.last - match.first for match in self.matches] or [0]))

    def as_long_as(self, other: Pattern, factor: float) -> bool:
        """Whether both stretches are equally long, to within a factor."""
        mine, others = (each.candidate.last - each.candidate.first for each in (self, other))
        return 1 / factor <= mine / others <= factor


def candidates(signal: Signal) -> list[Candidate]:
    """Closed loops of every length, with the places where they occur again."""
    return [
        one
        for length in _lengths(signal)
        for one in _of_length(signal, length, max(int(length / ROWS), 1))
    ]


def _lengths(signal: Signal) -> Iterator[float]:
    """Pattern lengths in rows, each STEP times the previous one."""
    step = float(signal.time[1] - signal.time[0])
    length = max(SHORTEST / step, FEWEST_FRAMES - 1) * math.sqrt(STEP)
    while length < LONGEST * len(signal.time) * math.sqrt(STEP):
        yield length
        length *= STEP


def _of_length(signal: Signal, length: float, thin: int) -> list[Candidate]:
    """The candidates of `length` rows, to within a factor of the square root of STEP, on every
    `thin`-th row."""
    feature = _described(signal.value, length, thin)
    squared = squared_distance(feature, feature)
    length /= thin
    around = _blurred((feature**2).sum(axis=1), length / 2)
    least = MOVING * float(np.percentile(around, MOST_MOVING))
    longest = min(length * math.sqrt(STEP), LONGEST * len(feature))
    shortest = max(round(length / math.sqrt(STEP)), FEWEST_FRAMES - 1)
    if least <= 1e-9 or longest < shortest:
        return []
    loops = closed_loops(
        squared, feature, shortest, int(longest), OPENNESS, least, SHORT_ONES, PATTERNS
    )
    pose = feature[:, : feature.shape[1] // 2]
    row = np.arange(len(feature))
    found = []
    for s, e in loops:
        energy = float(feature[s : e + 1].var(axis=0).sum()) * (e + 1 - s)
        total, begin = subsequence(np.ascontiguousarray(squared[s : e + 1]))
        # A much smaller movement would have a small difference by itself, so the difference is
        # taken relative to the smaller of the two movements.
        own = _variance(feature, begin, row) * (e + 1 - s)
        score = np.where(begin >= 0, 1 - total / np.clip(own, 1e-9, energy), 0.0)
        amplitude = float(np.sqrt(pose[s : e + 1].var(axis=0).sum()))
        began = np.where(begin >= 0, begin * thin, -1)
        found.append(Candidate(s * thin, e * thin, amplitude, row * thin, began, score))
    return found


def _described(value: FloatArray, length: float, thin: int) -> FloatArray:
    """(g, 2P) every `thin`-th row of the signal, high-pass filtered at `length` rows, and its
    velocity."""
    pose = value - _blurred(value, SLOWER * length)
    pose = (_blurred(pose, thin / 2) if thin > 1 else pose)[::thin]
    velocity = np.gradient(pose, axis=0)
    size, speed = float((pose**2).sum()), float((velocity**2).sum())
    velocity *= VELOCITY * math.sqrt(size / speed) if speed > 0 else 0.0
    return np.concatenate([pose, velocity], axis=1)


def _blurred(value: FloatArray, deviation: float) -> FloatArray:
    """The rows smoothed by a Gaussian of `deviation` rows."""
    if not compiling_pays(4 * deviation * (BLUR + CELL * value.size)):
        return smoothed(value, deviation)
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(value, deviation, axis=0, mode="nearest")


def _variance(feature: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    """(g,) variance of the rows begin..end of feature (g, D), 0 where begin is -1."""
    total = np.concatenate([np.zeros((1, feature.shape[1])), np.cumsum(feature, axis=0)])
    square = np.concatenate([[0.0], np.cumsum((feature**2).sum(axis=1))])
    first, stop = np.maximum(begin, 0), end + 1
    count = stop - first
    mean = (total[stop] - total[first]) / count[:, None]
    variance = (square[stop] - square[first]) / count - (mean**2).sum(axis=1)
    return np.where(begin >= 0, np.maximum(variance, 0), 0.0)


def matched(candidate: Candidate, signal: Signal, free: BoolArray) -> Pattern:
    """The best matches of a candidate within the rows that are free (G,)."""
    taken = np.concatenate([[0], np.cumsum(~free)])
    begin, end = np.maximum(candidate.begin, 0), candidate.end
    busy = (taken[end] - taken[np.minimum(begin + 1, end)]) > OVERLAP * (end - begin)
    gain = np.where((candidate.begin >= 0) & ~busy, candidate.score - MEMBER, -1.0)
    thin = int(end[1]) if len(end) > 1 else 1
    first = np.where(candidate.begin >= 0, candidate.begin // thin, -1)
    matches = tuple(
        Match(int(candidate.begin[k]), int(end[k]), min(float(candidate.score[k]), 1.0))
        for k in schedule(gain, first)
    )
    explained, covered, surest = 0.0, 0.0, 0.0
    for match in matches:
        common = min(match.last, candidate.last) - max(match.first, candidate.first)
        apart = 1 - max(common, 0) / (match.last - match.first)
        share = float(signal.travelled[match.last] - signal.travelled[match.first])
        covered += share
        explained += match.score * apart * share
        if apart > 0.5:
            surest = max(surest, match.score)
    return Pattern(candidate, matches, explained, covered, surest)


@compiled(
    lambda squared, feature, shortest, longest, *_: (
        len(squared) * (LOOP * (longest - shortest + 1) + SUM * feature.shape[1])
    )
)
def closed_loops(squared, feature, shortest, longest, openness, least, each, room):
    """Stretches that end in the pose in which they began: (n, 2) first and last row, n <= room.

    squared: (T, T) squared distances of the frames of `feature` (T, D). A stretch takes shortest
    to longest steps. The distance of its ends is lower than between their neighbours, and its
    square is below `openness` times twice the variance of the stretch, which is above `least`. Of
    the stretches that start at one row, the shortest `each` are taken (longer ones consist of
    several); if there are more than `room`, start rows are thinned evenly.
    """
    length, width = feature.shape
    total = np.zeros((length + 1, width))
    square = np.zeros(length + 1)
    for t in range(length):
        norm = 0.0
        for d in range(width):
            value = np.float64(feature[t, d])
            total[t + 1, d] = total[t, d] + value
            norm += value * value
        square[t + 1] = square[t] + norm
    stretches = []
    starts = 0
    for s in range(length):
        count_here = 0
        for e in range(s + shortest, min(s + longest + 1, length)):
            apart = squared[s, e]
            if apart > squared[s, e - 1] or (e + 1 < length and apart >= squared[s, e + 1]):
                continue
            if s > 0 and squared[s - 1, e] < apart:
                continue
            frames = e + 1 - s
            mean = 0.0
            for d in range(width):
                difference = total[e + 1, d] - total[s, d]
                mean += difference * difference
            variance = (square[e + 1] - square[s] - mean / frames) / frames
            if variance > least and apart < openness * 2 * variance:
                stretches.append((s, e, starts))
                count_here += 1
                if count_here == each:
                    break
        starts += count_here > 0
    step = max(1, math.ceil(len(stretches) / room))
    chosen = np.empty((len(stretches), 2), np.int64)
    count = 0
    for s, e, number in stretches:
        if number % step == 0 and count < room:
            chosen[count, 0], chosen[count, 1] = s, e
            count += 1
    return chosen[:count]


def subsequence(cost: FloatArray) -> tuple[FloatArray, IntArray]:
    """Where a pattern (N frames) lies in a clip (M frames): for each last frame (M,), the summed
    cost of the best match that ends there (infinite if there is none) and its first frame (-1 if
    there is none).

    cost: (N, M) squared distances. The steps are (1, 1), (1, 2) and (2, 1), so that no part of a
    match is more than twice as fast or as slow as the pattern. Each frame of the pattern adds one
    cost, or the mean of two if it matches two frames.
    """
    if compiling_pays(ROW * len(cost) + CELL * cost.size):
        return _subsequence(cost)
    return _subsequence_by_numpy(cost)


def _subsequence_by_numpy(cost: FloatArray) -> tuple[FloatArray, IntArray]:
    """`_subsequence` with numpy, row by row."""
    rows, columns = cost.shape
    before, begin_before = np.full(columns, math.inf), np.full(columns, -1)
    above, begin_above = cost[0].astype(np.float64), np.arange(columns)
    for i in range(1, rows):
        here = cost[i]
        best, first = above[:-1] + here[1:], begin_above[:-1].copy()
        slow = above[:-2] + (here[1:-1] + here[2:]) / 2
        less = slow < best[1:]
        best[1:][less], first[1:][less] = slow[less], begin_above[:-2][less]
        fast = before[:-1] + cost[i - 1, 1:] + here[1:]
        less = fast < best
        best[less], first[less] = fast[less], begin_before[:-1][less]
        before, begin_before = above, begin_above
        above = np.concatenate([[math.inf], best])
        begin_above = np.concatenate([[-1], np.where(best < math.inf, first, -1)])
    return above, begin_above


@compiled()
def _subsequence(cost):
    rows, columns = cost.shape
    before = np.full(columns, math.inf)  # row i - 2
    above = cost[0].astype(np.float64)  # row i - 1
    begin_before = np.full(columns, -1)
    begin_above = np.arange(columns)
    for i in range(1, rows):
        row = np.full(columns, math.inf)
        begin = np.full(columns, -1)
        for j in range(1, columns):
            here = cost[i, j]
            best, first = above[j - 1] + here, begin_above[j - 1]
            if j > 1:
                slow = above[j - 2] + (cost[i, j - 1] + here) / 2
                if slow < best:
                    best, first = slow, begin_above[j - 2]
            fast = before[j - 1] + cost[i - 1, j] + here
            if fast < best:
                best, first = fast, begin_before[j - 1]
            row[j] = best
            if best < math.inf:
                begin[j] = first
        before, above = above, row
        begin_before, begin_above = begin_above, begin
    return above, begin_above


@compiled(lambda gain, first: LOOP * len(gain))
def schedule(gain, first):
    """Rows (n,) at which the matches of the best set end, in order: the set without overlap that
    has the highest summed gain. gain: (M,) of the match that ends at each row, 0 or less = never
    taken; first: (M,) the row at which it begins. Two matches may share the row between them."""
    length = len(gain)
    best = np.zeros(length)
    taken = np.zeros(length, np.bool_)
    for e in range(length):
        best[e] = best[e - 1] if e else 0.0
        if gain[e] > 0 and 0 <= first[e] < e and best[first[e]] + gain[e] > best[e]:
            best[e] = best[first[e]] + gain[e]
            taken[e] = True
    ends = np.empty(length, np.int64)
    count = 0
    e = length - 1
    while e > 0:
        if taken[e]:
            ends[count] = e
            count += 1
            e = first[e]
        else:
            e -= 1
    return ends[:count][::-1].copy()
