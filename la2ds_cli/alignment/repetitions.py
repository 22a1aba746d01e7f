"""Where a clip repeats one movement: from the features of its frames to one span per repetition.

A repetition ends in the pose in which it began. So every stretch whose two ends look alike is tried
as a *pattern* (`recurrence.py`): DTW finds where it occurs again, at half to twice its tempo in
every part. The pattern that explains the largest share of the remaining movement is the repetition.
A pattern of twice that length explains less, since the pattern itself does not count. If all joints
together say little, arms or legs are used alone: how far they are extended looks alike from every
side. The rest of the clip may hold further sets of repetitions, filmed from another side or
performed in another way.

A cycle can be cut at any of its moments. With an example (a clip of one repetition), the cut is at
the moment that makes the repetitions most like it. Without one, it is at the pose in which arms and
legs are extended most, where people cut, and if that is not informative, at the pose in which the
clip spends most of its time. The span begins and ends in the middle of a short rest. Of a longer
pause, each side gets a margin, and the remainder belongs to neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.recurrence import (
    FEWEST_FRAMES,
    SHORTEST,
    VELOCITY,
    Candidate,
    Match,
    Pattern,
    Signal,
    candidates,
    matched,
)
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import BoolArray, FloatArray

EXTENDED, REST, EXAMPLE = "extended", "rest", "example"  # the pose at which a clip is cut
WHOLE = "whole"  # a clip that does not repeat itself

SURE = 0.5  # explained share that at least one other repetition must reach
COVERED = 0.45  # least share of the signal's movement in repetitions
COVERED_BY_MANY = 0.12  # the same if there are MANY repetitions, as alike as those of a set
MANY = 3
SMALL = 0.15  # least amplitude of the pattern, relative to the spread of the signal
SMALL_BUT_OFTEN = 8  # this many repetitions may be smaller if they cover enough
AS_GOOD = 0.85  # share of the best rank from which a pattern counts as equally good
ALIKE = 1.4  # factor within which patterns are equally long
AT_MOST_LOST = 0.7  # repetitions by which a cut at rest may find fewer than another cut

SET_SCORE = 0.7  # least explained share of the repetitions of a further set
SET_TEMPO = 1.7  # largest factor between the length of its repetitions and the first set's
SET_AMPLITUDE = 0.35  # least amplitude, relative to the first set's
SET_ROOM = 2.5  # free space that it needs, in repetitions
MOST_SETS = 6

LIMB_SCORE = 0.7  # least explained share of the repetitions of arms or legs alone,
LIMB_BETTER = 0.07  # and by how much it must exceed that of all joints,
LIMB_MORE = 4.0  # or how many times as much of the movement they must explain
LIMB_AMPLITUDE = 0.4  # least amplitude relative to the spread of the signal,
LIMB_LEAST = 0.07  # and in limb lengths, standard deviation of all limbs of a kind

AT_REST = 0.25  # distance from the pose of the ends, share of the farthest in the repetition
REST_WEIGHT = 0.3  # of the time spent at rest, relative to how far the limbs are extended
LEAST_EXTENSION = 0.08  # range of the extension within a repetition, share of a limb
AT_TOP = 0.75  # share of that range from which the ends count as extended already
NEARLY_EXTENDED = 0.35  # how far below the usual extension, share of that range
KEPT = 0.9  # share of the repetitions, minus one, that a cut at the extended pose must keep
PAUSED = 2.5  # a longer time between extended poses is a pause; in repetitions
CLEARLY = 0.8  # share of the present distance to an example below which another cut is used
EXAMPLE_AS_GOOD = 0.9  # least share of the present score for such a cut

LEAST_SECONDS = 0.45  # of a repetition; the fastest push-ups that people marked take 0.6 s
LEAST_SHARE = 0.5  # of a repetition, relative to the median, of two to the longer one

LEAST_KNEE = 0.15  # depth of the bend where a rest ends, share of the height
PAUSE = 0.4  # a rest longer than this share of a repetition is a pause


@dataclass(frozen=True)
class Repetition:
    """Rows start..stop of a clip, stop exclusive. score: share of its movement that the pattern
    explains, in (0, 1]; 1 for the pattern itself. cut_at: the pose in which it begins and ends,
    EXTENDED (arms and legs), REST (where the clip stays longest) or EXAMPLE; WHOLE for a clip that
    is one repetition."""

    start: int
    stop: int
    score: float
    cut_at: str = REST


def find_repetitions(
    value: FloatArray,
    time: FloatArray,
    example: tuple[FloatArray, FloatArray] | None = None,
    limbs: Sequence[FloatArray] = (),
) -> list[Repetition]:
    """The repetitions of a clip in order, never overlapping; none if it does not repeat itself.

    value: (T, D) features of its frames without velocity (`pose_features.movement_of`, an
    embedding); time: (T,) seconds. example: features and time of a clip of one repetition, in the
    same feature space. limbs: (T, n) how far each limb is extended, one array per kind of limb
    (`pose_features.limb_extension`). Raises ValueError for features that are not finite or do not
    fit together.
    """
    for features in (value, *limbs):
        _check(features, time)
    if len(value) < 2 * FEWEST_FRAMES or time[-1] - time[0] < 2 * SHORTEST:
        return []
    signal = Signal.of(value, time)
    parts = [Signal.of(limb, time) for limb in limbs]
    extension = np.concatenate([part.pose for part in parts], axis=1) if parts else None
    sets = _best_sets(signal, parts, extension)
    if sets is None:
        return []
    cut_at, matches = REST, sets.matches
    if extension is not None:
        cut_at, matches = _at_extended(matches, extension)
    if example is not None:
        _check(*example)
        like = _like(signal, sets, matches, Signal.of(*example))
        cut_at, matches = (EXAMPLE, like) if like is not None else (cut_at, matches)
    return _plausible(_spans(signal, matches, time, cut_at), time)


def _check(value: FloatArray, time: FloatArray) -> None:
    if value.ndim != 2 or len(value) != len(time) or not len(value):
        raise ValueError(f"repetitions: expected (T, D) and (T,), got {value.shape}, {time.shape}")
    if not np.isfinite(value).all():
        raise ValueError("repetitions: expected finite features, got NaN or infinity")


# --- which movement is repeated ------------------------------------------------------------------


@dataclass(frozen=True)
class _Sets:
    """The first pattern, all patterns that qualified, and all repetitions in order."""

    first: Pattern
    patterns: Sequence[Pattern]
    matches: tuple[Match, ...]


def _best_sets(
    signal: Signal, limbs: Sequence[Signal], extension: FloatArray | None
) -> _Sets | None:
    """The sets by all joints, or by the kind of limb that explains most if its repetitions are
    clearly more alike. Repetitions of a limb that are shorter than those of all joints are only
    parts of a movement: in a star jump the legs bend twice."""
    best = _sets(signal, extension, SMALL * signal.spread, fewest=2, often=SMALL_BUT_OFTEN)
    joints = best.first if best else None

    def clearly(limb: Pattern) -> bool:
        better = joints is None or (
            limb.length >= joints.length / ALIKE
            and limb.score >= joints.score
            and (
                limb.score >= joints.score + LIMB_BETTER
                or limb.explained >= LIMB_MORE * joints.explained
            )
        )
        return better and limb.score >= LIMB_SCORE

    rank = 0.0
    for limb in limbs:
        size = max(LIMB_AMPLITUDE * limb.spread, LIMB_LEAST)
        one = _sets(limb, extension, size, fewest=MANY)
        if one and one.first.rank > rank and clearly(one.first):
            best, rank = one, one.first.rank
    return best


def _sets(
    signal: Signal,
    extension: FloatArray | None,
    small: float,
    fewest: int,
    often: int | None = None,
) -> _Sets | None:
    """The first set of repetitions and those before or after it; None if nothing repeats.

    small: least amplitude; fewest: least number of repetitions; often: how many make up for a small
    amplitude.
    """
    tried = candidates(signal)
    free = np.ones(len(signal.time), bool)
    patterns = [matched(one, signal, free) for one in tried]

    def repeats(pattern: Pattern) -> bool:
        count = len(pattern.matches)
        covers = pattern.covered >= COVERED
        large = pattern.candidate.amplitude >= small
        alike = count >= MANY and pattern.score >= SET_SCORE
        enough = covers or (alike and pattern.covered >= COVERED_BY_MANY)
        large = large or (often is not None and count >= often and covers)
        return pattern.surest >= SURE and count >= fewest and enough and large

    patterns = [pattern for pattern in patterns if repeats(pattern)]
    if not patterns:
        return None
    first = _at_rest(signal, extension, patterns)
    matches = list(first.matches)
    for _ in range(MOST_SETS):
        _take(free, matches, SET_ROOM * first.length)
        further = [matched(one, signal, free) for one in _other(tried, first)]
        further = [one for one in further if _is_set(one, first)]
        if not further:
            break
        matches += _at_rest(signal, extension, further).matches
    return _Sets(first, patterns, tuple(sorted(matches, key=lambda match: match.first)))


def _take(free: BoolArray, matches: Sequence[Match], room: float) -> None:
    """Mark the rows of matches, and stretches of fewer than `room` rows between them, as taken."""
    for match in matches:
        free[match.first + 1 : match.last] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(int), [0]])))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < room:
            free[start:stop] = False


def _other(tried: Sequence[Candidate], first: Pattern) -> list[Candidate]:
    """The candidates whose tempo and amplitude allow another set."""
    return [
        one
        for one in tried
        if one.amplitude >= SET_AMPLITUDE * first.candidate.amplitude
        and 0.5 / SET_TEMPO <= (one.last - one.first) / first.length <= 2 * SET_TEMPO
    ]


def _is_set(one: Pattern, first: Pattern) -> bool:
    return (
        len(one.matches) >= MANY
        and one.score >= SET_SCORE
        and one.surest >= SURE
        and 1 / SET_TEMPO <= one.length / first.length <= SET_TEMPO
    )


def _at_rest(signal: Signal, extension: FloatArray | None, patterns: Sequence[Pattern]) -> Pattern:
    """Of the patterns that explain most, the shortest; and among those of about its length, the one
    whose ends are most at rest.

    What a pattern explains and how many repetitions it finds take priority: a cut at the turning
    point of a movement that begins and ends at rest would lose one repetition. The shortest is
    chosen because among many repetitions, two together explain nearly as much as one.
    """
    most = max(pattern.rank for pattern in patterns)
    as_good = [pattern for pattern in patterns if pattern.rank >= AS_GOOD * most]
    shortest = min(as_good, key=lambda one: one.candidate.last - one.candidate.first)
    as_long = [pattern for pattern in as_good if pattern.as_long_as(shortest, ALIKE)]
    fullest = max(as_long, key=lambda pattern: pattern.count)
    least = fullest.count - AT_MOST_LOST * fullest.score

    def rest(pattern: Pattern) -> float:
        share = REST_WEIGHT * np.mean([_stays(signal.value, each) for each in pattern.matches])
        if extension is not None:
            total = extension.sum(axis=1)
            share += np.mean([_rank_of_ends(total, each) for each in pattern.matches])
        return float(share)

    return max((pattern for pattern in as_long if pattern.count >= least), key=rest)


def _stays(pose: FloatArray, match: Match) -> float:
    """Share of a repetition spent near the pose of its ends."""
    part = pose[match.first : match.last + 1]
    far = np.linalg.norm(part - part[0], axis=1).max()
    near = np.linalg.norm(part - (part[0] + part[-1]) / 2, axis=1) < AT_REST * far
    return float(near.mean())


def _rank_of_ends(extension: FloatArray, match: Match) -> float:
    """Share of the rows of a repetition in which the limbs are less extended than at its ends."""
    part = extension[match.first : match.last + 1]
    return float((part < (part[0] + part[-1]) / 2).mean())


# --- the pose at which it is cut -----------------------------------------------------------------


def _at_extended(
    matches: tuple[Match, ...], extension: FloatArray
) -> tuple[str, tuple[Match, ...]]:
    """The pose at which the repetitions are cut, and the repetitions from one extended pose to the
    next.

    extension: (G, n) of all limbs; those that move most count most. The repetitions stay as they
    are if their ends are extended already, if no limb bends, or if too many would be lost.
    """
    inside = np.concatenate([extension[each.first : each.last + 1] for each in matches])
    weight = inside.var(axis=0)
    reach = extension @ (weight / max(float(weight.sum()), 1e-12))
    parts = [reach[each.first : each.last + 1] for each in matches]
    span = float(np.median([np.ptp(part) for part in parts]))
    if span < LEAST_EXTENSION:
        return REST, matches
    ends = [((part[0] + part[-1]) / 2 - part.min()) / max(np.ptp(part), 1e-9) for part in parts]
    if np.median(ends) >= AT_TOP:
        return EXTENDED, matches
    tops = [each.first + int(np.argmax(part)) for each, part in zip(matches, parts, strict=True)]
    usual = float(np.median([each.last - each.first for each in matches]))
    enough = float(np.median(reach[tops])) - NEARLY_EXTENDED * span
    cut: list[Match] = []
    for run in np.split(np.arange(len(tops)), np.flatnonzero(np.diff(tops) > PAUSED * usual) + 1):
        first, last = matches[run[0]], matches[run[-1]]
        rows = [tops[k] for k in run]
        before = np.arange(max(first.first - round(usual), 0), first.first + 1)
        after = np.arange(last.last, min(last.last + round(usual), len(reach) - 1) + 1)
        for edge, side in ((before, 0), (after, len(rows))):
            top = int(edge[np.argmax(reach[edge])])
            bent = reach[first.first if side == 0 else last.last]
            if reach[top] >= enough and reach[top] - bent > NEARLY_EXTENDED * span:
                rows.insert(side if side == 0 else len(rows), top)
        scores = [matches[k].score for k in run]
        middle = float(np.median(scores))
        cut += [Match(a, b, middle) for a, b in pairwise(rows) if b > a]
    if len(cut) < max(KEPT * len(matches) - 1, 2):
        return REST, matches
    return EXTENDED, tuple(cut)


def _like(
    signal: Signal, sets: _Sets, chosen: Sequence[Match], example: Signal
) -> tuple[Match, ...] | None:
    """The matches of the pattern most like the example, at most one fewer than those chosen; None
    if none is clearly more like it than the chosen ones are."""
    usual = float(np.median([each.last - each.first for each in chosen]))
    score = float(np.mean([each.score for each in chosen]))
    rivals = [
        pattern
        for pattern in sets.patterns
        if 1 / ALIKE <= pattern.length / usual <= ALIKE
        and len(pattern.matches) >= max(len(chosen) - 1, 1)
        and pattern.score >= EXAMPLE_AS_GOOD * score
    ]
    if not rivals:
        return None
    described, wanted = _with_velocity(signal.pose), _with_velocity(example.pose)

    def distance(first: int, last: int) -> float:
        """Mean distance of the pairs of a stretch and the example by DTW with closed ends."""
        stretch = np.ascontiguousarray(described[first : last + 1])
        path = align_features("dtw", wanted, stretch, AlignConfig(open_ends=False))
        return float(pair_distance(wanted, stretch, path).mean())

    def of(pattern: Pattern) -> float:
        return distance(pattern.candidate.first, pattern.candidate.last)

    best = min(rivals, key=of)
    typical = max(chosen, key=lambda each: each.score)
    if of(best) < CLEARLY * distance(typical.first, typical.last):
        return best.matches
    return None


def _with_velocity(pose: FloatArray) -> FloatArray:
    """(G, 2D) pose (G, D) and its velocity, scaled to VELOCITY times its root mean square."""
    velocity = np.gradient(pose, axis=0) if len(pose) > 1 else np.zeros_like(pose)
    size, speed = float((pose**2).sum()), float((velocity**2).sum())
    velocity *= VELOCITY * np.sqrt(size / speed) if speed > 0 else 0.0
    return np.concatenate([pose, velocity], axis=1)


def _spans(
    signal: Signal, matches: Sequence[Match], time: FloatArray, cut_at: str
) -> list[Repetition]:
    """Rows of the clip for matches on the grid, cut in the rest between two of them."""
    moving = np.array([_moving(signal.value, match) for match in matches])
    usual = float(np.median(moving[:, 1] - moving[:, 0]))
    margin = PAUSE / 2 * usual
    cuts = np.empty((len(matches), 2))
    for k, (begin, end) in enumerate(moving):
        before, after = 0.0, len(signal.time) - 1.0
        if k:
            before = (moving[k - 1, 1] + begin) / 2
        if k + 1 < len(matches):
            after = (end + moving[k + 1, 0]) / 2
        cuts[k] = max(begin - margin, before), min(end + margin, after)
    seconds = np.interp(cuts, np.arange(len(signal.time)), signal.time)
    rows = np.searchsorted(time, seconds - 1e-9)
    rows[:, 1] = np.where(cuts[:, 1] >= len(signal.time) - 1, len(time), rows[:, 1])
    return [
        Repetition(int(start), int(max(stop, start + 1)), match.score, cut_at)
        for (start, stop), match in zip(rows, matches, strict=True)
    ]


def _plausible(spans: Sequence[Repetition], time: FloatArray) -> list[Repetition]:
    """The repetitions without those that are too short to be one; none if only one is left."""
    seconds = np.array([time[each.stop - 1] - time[each.start] for each in spans])
    usual = float(np.percentile(seconds, 50, method="higher")) if len(seconds) else 0.0
    least = max(LEAST_SECONDS, LEAST_SHARE * usual)
    kept = [each for each, length in zip(spans, seconds, strict=True) if length >= least]
    return kept if len(kept) > 1 else []


def _moving(pose: FloatArray, match: Match) -> tuple[int, int]:
    """First and last row of a match between the rests at its ends."""
    part = pose[match.first : match.last + 1]
    return match.first + _onset(part), match.last - _onset(part[::-1])


def _onset(part: FloatArray) -> int:
    """Row at which the movement of part (n, D) leaves its initial rest: where the curve of the
    distance from the first pose lies deepest below the straight line to half its height (so a slow
    drift in the rest does no harm); 0 if the curve rises at once."""
    away = np.sqrt(((part - part[0]) ** 2).sum(axis=1))
    half = int(np.argmax(away >= away.max() / 2))
    below = np.linspace(0, away[half], half + 1) - away[: half + 1]
    return int(np.argmax(below)) if below.max() > LEAST_KNEE * away[half] else 0
