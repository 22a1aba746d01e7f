"""Where a clip repeats one movement: from the features of its frames to one span per repetition.

A repetition ends in the pose in which it began. So every stretch of the clip whose two ends look
alike and that holds much of the clip's movement is tried as a *pattern* (`closed_loops`). Dynamic
time warping finds where the pattern comes again, at half to twice its tempo in every part, and the
places that explain most and do not overlap are taken. The pattern that explains most of the
movement of the others is the repetition; twice that long explains less, since the pattern itself
does not count.

Any moment of a cycle explains as much as any other. With an example (a clip of one repetition)
the moment is taken that makes the repetitions most like it; without one, the pose in which the clip
spends most of its time, which is the rest between repetitions. The span begins and ends in the
middle of a short rest; of a pause both sides get a margin, and the rest of it belongs to none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from la2ds_cli.alignment.distance import pair_distance, squared_distance
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.resample import interpolate, time_grid

RATE = 15.0  # frames per second at which repetitions are looked for
MAX_FRAMES = 4000  # longer clips are looked at more coarsely: the table grows with the square
SMOOTHING = 0.12  # seconds, standard deviation
VELOCITY = 2.0  # root mean square of the velocity's features, in those of the pose's
SHORTEST = 0.35  # seconds of a pattern
FEWEST_FRAMES = 5  # of a pattern, at RATE
LONGEST = 0.6  # of a pattern, share of the clip: two must fit, one of them faster
OPENNESS = 0.3  # of a pattern: squared distance of its ends, in twice its variance
MOVING = 0.3  # variance within a pattern, share of that of the clip
SURE = 0.5  # explained share that another repetition must reach for there to be any
MEMBER = 0.3  # explained share of each one
SHORT_ONES = 4  # patterns from one frame on, the shortest first
PATTERNS = 400
AS_GOOD = 0.9  # share of what another pattern explains that is as good
MOST_OF_ONE = 0.7  # of a repetition: what a cut at rest may find less than another cut
ALIKE = 1.4  # factor within which patterns are equally long
CLEARLY = 0.8  # distance to an example, share of that of the pattern at rest, to take another
COVERED = 0.45  # of the clip's movement that lies in repetitions
AT_REST = 0.15  # distance from the pose of the ends, share of the farthest in the repetition
LEAST_KNEE = 0.15  # depth of the bend where a rest ends, share of the height
PAUSE = 0.4  # a rest longer than this share of a repetition is a pause


@dataclass(frozen=True)
class Repetition:
    """Rows start..stop of a clip, stop exclusive. score: share of its movement that the pattern
    explains, in (0, 1]; 1 for the one that was the pattern."""

    start: int
    stop: int
    score: float


def find_repetitions(
    value: FloatArray,
    time: FloatArray,
    example: tuple[FloatArray, FloatArray] | None = None,
) -> list[Repetition]:
    """The repetitions of a clip in order, never overlapping; none where it does not repeat itself.

    value: (T, D) features of its frames without velocity (`pose_features.movement_of`, an
    embedding); time: (T,) seconds. example: the same of a clip of one repetition, in the same
    feature space. ValueError for features that are not finite or do not fit together.
    """
    _check(value, time)
    if len(value) < 2 * FEWEST_FRAMES:
        return []
    clip = _Clip.of(value, time)
    patterns = _patterns(clip)
    if not patterns:
        return []
    chosen = _at_rest(clip, patterns)
    if example is not None:
        _check(*example)
        chosen = _like(clip, patterns, chosen, _Clip.of(*example))
    return _spans(clip, chosen.matches, time)


@dataclass(frozen=True)
class _Clip:
    """A clip on an even grid of times (G,): pose (G, D) smoothed, feature (G, 2D) with velocity."""

    time: FloatArray
    pose: FloatArray
    feature: FloatArray

    @staticmethod
    def of(value: FloatArray, time: FloatArray) -> _Clip:
        from scipy.ndimage import gaussian_filter1d

        rate = min(RATE, MAX_FRAMES / max(float(time[-1] - time[0]), 1e-9))
        # Smoothing before thinning: twice the frames, of which every second stays.
        fine = time_grid(time, 2 * rate)
        smooth = gaussian_filter1d(
            interpolate(np.asarray(value, np.float64), time, fine),
            SMOOTHING * (len(fine) - 1) / max(float(time[-1] - time[0]), 1e-9),
            axis=0,
            mode="nearest",
        )
        step = max(round((len(fine) - 1) / max(float(time[-1] - time[0]), 1e-9) / rate), 1)
        pose = smooth[::step] - smooth[::step].mean(axis=0)
        velocity = np.gradient(pose, axis=0) if len(pose) > 1 else np.zeros_like(pose)
        size, speed = (float((x**2).sum()) for x in (pose, velocity))
        velocity *= VELOCITY * np.sqrt(size / speed) if speed > 0 else 0.0
        return _Clip(fine[::step], pose, np.concatenate([pose, velocity], axis=1))


@dataclass(frozen=True)
class _Match:
    first: int
    last: int
    score: float


@dataclass(frozen=True)
class _Pattern:
    first: int
    last: int
    explained: float
    matches: tuple[_Match, ...]

    @property
    def score(self) -> float:
        """Mean of the matches'."""
        return self.count / len(self.matches)

    @property
    def count(self) -> float:
        """How many repetitions it finds, one that it explains half counting half."""
        return sum(match.score for match in self.matches)

    def as_long_as(self, other: _Pattern) -> bool:
        """Within the factor ALIKE."""
        ratio = (self.last - self.first) / (other.last - other.first)
        return 1 / ALIKE <= ratio <= ALIKE


def _check(value: FloatArray, time: FloatArray) -> None:
    if value.ndim != 2 or len(value) != len(time) or not len(value):
        raise ValueError(f"repetitions: expected (T, D) and (T,), got {value.shape}, {time.shape}")
    if not np.isfinite(value).all():
        raise ValueError("repetitions: expected finite features, got NaN or infinity")


def _patterns(clip: _Clip) -> list[_Pattern]:
    """Every pattern that comes again and so explains something, in order of their beginning."""
    squared = squared_distance(clip.feature, clip.feature)
    variance = float(squared.mean()) / 2
    if not variance > 1e-9:
        return []
    length = len(clip.feature)
    step = float(clip.time[1] - clip.time[0])
    shortest = max(round(SHORTEST / step), FEWEST_FRAMES - 1)
    lengths = shortest, int(LONGEST * length)
    loops = closed_loops(
        squared, clip.feature, *lengths, OPENNESS, MOVING * variance, SHORT_ONES, PATTERNS
    )
    travelled = np.concatenate([[0.0], np.cumsum(np.sqrt(np.diagonal(squared, 1)))])
    patterns = [_pattern(clip.feature, squared, travelled, int(s), int(e)) for s, e in loops]
    return [pattern for pattern in patterns if pattern.explained > 0]


def _pattern(
    feature: FloatArray, squared: FloatArray, travelled: FloatArray, first: int, last: int
) -> _Pattern:
    """Where the stretch comes again, and what share of the clip's movement that explains.

    travelled: (G,) length of the path of the features up to each frame; what lies within the
    pattern itself explains nothing.
    """
    stretch = feature[first : last + 1]
    energy = float(((stretch - stretch.mean(axis=0)) ** 2).sum())
    total, begin = subsequence(np.ascontiguousarray(squared[first : last + 1]))
    score = np.where(begin >= 0, 1 - total / energy, 0.0)
    ends = schedule(score - MEMBER, begin)
    matches = tuple(_Match(int(begin[e]), int(e), min(float(score[e]), 1.0)) for e in ends)
    explained, covered, surest = 0.0, 0.0, 0.0
    for match in matches:
        common = max(min(match.last, last) - max(match.first, first), 0)
        apart = 1 - common / (match.last - match.first)
        share = float(travelled[match.last] - travelled[match.first]) / travelled[-1]
        covered += share
        explained += match.score * apart * share
        if apart > 0.5:
            surest = max(surest, match.score)
    sure = surest >= SURE and covered >= COVERED
    return _Pattern(first, last, explained if sure else 0.0, matches)


def _at_rest(clip: _Clip, patterns: Sequence[_Pattern]) -> _Pattern:
    """Of the patterns that explain most, the shortest, and of those as long as it the one whose
    ends are nearest to where the clip rests.

    What is explained and how many repetitions there are goes first: a cut at the turning point of a
    movement that begins and ends at rest would lose one repetition. The shortest, since among many
    repetitions two together explain nearly as much as one.
    """

    def rank(pattern: _Pattern) -> float:
        return pattern.explained * pattern.score

    most = max(rank(pattern) for pattern in patterns)
    as_good = [pattern for pattern in patterns if rank(pattern) >= AS_GOOD * most]
    shortest = min(as_good, key=lambda pattern: pattern.last - pattern.first)

    def share(pattern: _Pattern) -> float:
        stretch = clip.pose[pattern.first : pattern.last + 1]
        ends = (stretch[0] + stretch[-1]) / 2
        far = np.sqrt(((stretch - ends) ** 2).sum(axis=1).max())
        near = np.sqrt(((clip.pose - ends) ** 2).sum(axis=1)) < AT_REST * far
        return float(near.mean())

    as_long = [pattern for pattern in as_good if pattern.as_long_as(shortest)]
    fullest = max(as_long, key=lambda pattern: pattern.count)
    least = fullest.count - MOST_OF_ONE * fullest.score
    return max((pattern for pattern in as_long if pattern.count >= least), key=share)


def _like(clip: _Clip, patterns: Sequence[_Pattern], chosen: _Pattern, example: _Clip) -> _Pattern:
    """The pattern most like the example, at most one match less than `chosen`; `chosen` itself
    where none is clearly more like it."""
    rivals = [
        pattern
        for pattern in patterns
        if pattern.as_long_as(chosen)
        and len(pattern.matches) >= max(len(chosen.matches) - 1, 1)
        and pattern.score >= AS_GOOD * chosen.score
    ]
    best = min(rivals, key=lambda pattern: _distance_to(clip, pattern, example))
    limit = CLEARLY * _distance_to(clip, chosen, example)
    return best if _distance_to(clip, best, example) < limit else chosen


def _distance_to(clip: _Clip, pattern: _Pattern, example: _Clip) -> float:
    """Mean distance of the pairs of the pattern and the example by DTW with closed ends."""
    stretch = np.ascontiguousarray(clip.feature[pattern.first : pattern.last + 1])
    path = align_features("dtw", example.feature, stretch, AlignConfig(open_ends=False))
    return float(pair_distance(example.feature, stretch, path).mean())


def _spans(clip: _Clip, matches: Sequence[_Match], time: FloatArray) -> list[Repetition]:
    """Rows of the clip for matches on the grid, cut in the rest between two of them."""
    moving = np.array([_moving(clip.pose, match) for match in matches])
    usual = float(np.median(moving[:, 1] - moving[:, 0]))
    margin = PAUSE / 2 * usual
    cuts = np.empty((len(matches), 2))
    for k, (begin, end) in enumerate(moving):
        cuts[k] = begin - margin, end + margin
        before, after = 0.0, len(clip.time) - 1.0
        if k:
            before = (moving[k - 1, 1] + begin) / 2
        if k + 1 < len(matches):
            after = (end + moving[k + 1, 0]) / 2
        cuts[k] = max(cuts[k, 0], before), min(cuts[k, 1], after)
    seconds = np.interp(cuts, np.arange(len(clip.time)), clip.time)
    rows = np.searchsorted(time, seconds - 1e-9)
    rows[:, 1] = np.where(cuts[:, 1] >= len(clip.time) - 1, len(time), rows[:, 1])
    return [
        Repetition(int(start), int(max(stop, start + 1)), match.score)
        for (start, stop), match in zip(rows, matches, strict=True)
    ]


def _moving(pose: FloatArray, match: _Match) -> tuple[int, int]:
    """First and last row of a match between the rests at its ends."""
    part = pose[match.first : match.last + 1]
    return match.first + _onset(part), match.last - _onset(part[::-1])


def _onset(part: FloatArray) -> int:
    """Row at which the movement of (n, D) leaves the rest in which it begins: where the curve of
    the distance from the first pose lies deepest below the straight line to half its height (so a
    slow drift in the rest does no harm); 0 where it rises at once."""
    away = np.sqrt(((part - part[0]) ** 2).sum(axis=1))
    half = int(np.argmax(away >= away.max() / 2))
    below = np.linspace(0, away[half], half + 1) - away[: half + 1]
    return int(np.argmax(below)) if below.max() > LEAST_KNEE * away[half] else 0


@njit(cache=True)
def closed_loops(squared, feature, shortest, longest, openness, least, each, room):
    """Stretches that end in the pose in which they began: (n, 2) first and last row, n <= room.

    squared: (T, T) squared distances of the frames of `feature` (T, D). A stretch is as long as
    shortest..longest steps; the distance of its ends is lower than between their neighbours and,
    squared, below `openness` times twice its own variance; and that variance is above `least`.
    Of the stretches from one row on the shortest `each` are taken (longer ones are several of
    them); where there are more than `room`, rows are left out evenly.
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


@njit(cache=True)
def subsequence(cost):
    """Where a pattern (N frames) lies in a clip (M frames): for each last frame (M,) the summed
    cost of its best match, infinite where none ends, and the first frame of that, -1 for none.

    cost: (N, M) squared distances. Steps (1, 1), (1, 2) and (2, 1), so that no part of a match is
    more than twice as fast or as slow as the pattern; each frame of the pattern adds one cost, the
    mean of two frames where it takes two.
    """
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


@njit(cache=True)
def schedule(gain, first):
    """Rows (n,) at which the matches of the best set end, in order: the set without overlap whose
    summed gain is highest. gain: (M,), of the match that ends at each row, 0 or less = not to be
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
