"""Find the repetitions of a movement in a clip, from its joints.

The movement is compared with itself. A stretch that ends in the pose in which it began is tried as
a pattern, at every length, and DTW finds where it occurs again, at half to twice its tempo in every
part. The pattern that explains most of the movement outside itself is the repetition. Of patterns
that explain about as much, a short one is chosen, since two repetitions together explain nearly as
much as one. The rest of the clip may hold further sets. If arms or legs alone repeat more clearly
than all joints together, because the camera moves or the film changes sides, they decide: the
extension of a limb looks alike from every side.

A joint that jumps, or changes sides with another, would outweigh the movement of all joints. Where
a joint that is usually trusted is doubtful, it counts as unseen there. Limbs are measured as they
are: a doubtful limb bridged by a straight line changes its extension.

A cycle can be cut anywhere. People cut where arms and legs are extended most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.path import squared_distance
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.pose_features import (
    both_movements,
    centre_and_scale,
    fill_gaps,
    limb_extension,
    raw_pose,
    value_range,
)
from la2ds_cli.features.resample import interpolate, smoothed
from la2ds_cli.poses.trust import trusted

SHORTEST = 0.45  # seconds of a repetition; the fastest push-ups that people marked take 0.6 s
CLOSED = 0.3  # largest squared distance of a pattern's ends, relative to twice its variance
EXPLAINED = 0.4  # least share of an occurrence's movement that the pattern explains
ALIKE = 0.7  # the same for the mean of three or more that cover little, for limbs and further sets
COVERED = 0.45  # least share of the movement in repetitions that are less alike
AS_GOOD = 0.85  # share of the most explained from which a shorter pattern is taken instead
CLEARER = 0.07  # by how much more limbs alone must explain than all joints
USUALLY = 0.75  # share of the clip in which a joint is trusted whose doubtful moments are left out
LEAST_REACH = 0.2  # torso or limb lengths; push-ups that people marked reach 0.25, a held pose 0.1


RATE = 15.0  # rows per second at which repetitions are searched for
MOST_ROWS = 4000  # a longer clip gets a lower rate: the distances grow with the square
PATTERN_ROWS = 24  # a longer pattern is thinned to this many rows, or up to twice as many
STEP = 1.5  # factor between the lengths that are tried
TRIED = 100  # patterns of one length
PARTS = 16  # principal components of the movement
VELOCITY = 2.0  # root mean square of the velocities, relative to that of the movement


@dataclass(frozen=True)
class Repetition:
    """Rows start..stop of a clip, stop exclusive.

    score: share of the movement there that the pattern explains, in (0, 1]; 1 = the pattern itself.
    """

    start: int
    stop: int
    score: float


class _Set(NamedTuple):
    """Repetitions on the grid of times.

    rows: (n, 2) first and last row, in order. score: (n,). explained: share of the path of all rows
    that the pattern explains outside itself, weighted by the scores. covered: share of that path
    within repetitions. length: rows of the pattern.
    """

    rows: IntArray
    score: FloatArray
    explained: float
    covered: float
    length: int

    @property
    def usual(self) -> float:
        """Median length of the repetitions in rows."""
        return float(np.median(np.diff(self.rows)))


def cut_clip(pose: PoseSequence) -> list[Repetition]:
    """Return the repetitions of a clip in order, without overlap.

    There are none if the clip does not repeat itself or if the person holds a pose, in which only
    sway and jitter repeat.
    """
    time = pose.time
    seconds = float(time[-1] - time[0])
    if seconds < 2 * SHORTEST:
        return []
    count = round(seconds * min(RATE, MOST_ROWS / seconds)) + 1
    limbs = [_on_grid(limb, time, count) for limb in limb_extension(pose)]
    moved = _main_parts(_on_grid(_movement(pose), time, count))
    repeated = _repeated(moved, seconds / count, 2)
    joints = float(repeated.score.mean()) if repeated else ALIKE - CLEARER
    for limb in limbs:
        alone = _repeated(limb - limb.mean(axis=0), seconds / count, 4)
        if alone is None or alone.score.mean() < joints + CLEARER:
            continue
        swing = np.median([np.ptp(limb[a : b + 1], axis=0).mean() for a, b in alone.rows])
        if swing < LEAST_REACH:
            continue
        # In a star jump the legs bend twice, so a shorter repetition is only part of the movement.
        if repeated is None or (
            alone.explained >= repeated.explained and STEP * alone.usual >= repeated.usual
        ):
            repeated = alone
    if repeated is None:
        return []
    rows = _at_extended(repeated, np.concatenate(limbs, axis=1)) if limbs else repeated.rows
    spans = _spans(rows, moved, time)
    posture = raw_pose(replace(pose, spatial=False))
    length = np.diff(rows)[:, 0]
    least = max(SHORTEST * count / seconds, np.percentile(length, 50, method="higher") / 2)
    kept = [
        Repetition(start, stop, float(repeated.score[k]))
        for k, (start, stop) in enumerate(spans.tolist())
        if length[k] >= least and _reach(posture[start:stop]) >= LEAST_REACH
    ]
    return kept if len(kept) > 1 else []


def _without_jumps(pose: PoseSequence) -> PoseSequence:
    """Return the sequence without the positions that are not trusted.

    A joint that is often doubtful stays as it is: it may be so in every repetition at the same
    moment, and a straight line across that would take the movement away.
    """
    kept = trusted(pose)
    kept |= kept.mean(axis=0) < USUALLY
    return replace(pose, xy=np.where(kept[..., None], pose.xy, np.nan))


def _movement(pose: PoseSequence) -> FloatArray:
    """Return the movement (T, 4K) of the joints, computed for each shot separately, so that a
    change of camera does not count as movement."""
    pose = _without_jumps(pose)
    shots = sorted({0, *(int(row) for row in pose.info.get("cut_rows") or ()), len(pose)})
    parts = []
    for start, stop in pairwise(row for row in shots if row <= len(pose)):
        joints = fill_gaps(pose.xy[start:stop], pose.time[start:stop])
        about_root, torso = centre_and_scale(joints, get_skeleton(pose.skeleton))
        parts.append(both_movements(joints, about_root, torso))
    return np.concatenate(parts)


def _on_grid(value: FloatArray, time: FloatArray, count: int) -> FloatArray:
    """Return value (T, D) at `count` even times, smoothed at twice that rate against aliasing."""
    fine = np.linspace(time[0], time[-1], 2 * count - 1)
    return smoothed(interpolate(np.asarray(value, np.float64), time, fine), 4)[::2]


def _main_parts(value: FloatArray) -> FloatArray:
    left, size, _ = np.linalg.svd(value - value.mean(axis=0), full_matrices=False)
    return (left * size)[:, :PARTS]


def _reach(posture: FloatArray) -> float:
    """Return how far the joints of posture (T, 2K) move, torso lengths (root mean square)."""
    return float(np.sqrt((value_range(posture) ** 2).sum() / (posture.shape[1] / 2)))


# --- what is repeated ------------------------------------------------------------------------


def _repeated(value: FloatArray, seconds: float, fewest: int) -> _Set | None:
    """Return the best set of repetitions of value (G, D), with those before, between and after
    them; None if there are fewer than `fewest`. seconds: of a row."""
    first = _best(value, seconds, fewest)
    if first is None:
        return None
    rows, score = [first.rows], [first.score]
    free = np.concatenate([[0], first.rows.ravel(), [len(value) - 1]]).reshape(-1, 2)
    for start, last in free.tolist():
        if last - start >= 2 * first.usual:
            more = _repeated(value[start : last + 1], seconds, 3)
            if more and more.score.mean() >= ALIKE and 0.5 <= more.usual / first.usual <= 2:
                rows.append(start + more.rows)
                score.append(more.score)
    every = np.concatenate(rows)
    order = np.argsort(every[:, 0])
    return first._replace(rows=every[order], score=np.concatenate(score)[order])


def _best(value: FloatArray, seconds: float, fewest: int) -> _Set | None:
    """Return the set whose pattern explains most, or a set with a shorter pattern that is
    AS_GOOD."""
    sets: list[_Set] = []
    length = SHORTEST / seconds * math.sqrt(STEP)
    while length < len(value) / 2 * math.sqrt(STEP):
        sets += _of_length(value, length)
        length *= STEP
    sets = [
        each
        for each in sets
        if len(each.rows) >= fewest
        and (each.covered >= COVERED or (len(each.rows) >= 3 and each.score.mean() >= ALIKE))
    ]
    most = max((each.explained for each in sets), default=0.0)
    good = [each for each in sets if each.explained >= AS_GOOD * most]
    shortest = min((each.length for each in good), default=0)
    short = [each for each in good if each.length <= STEP * shortest]
    return max(short, key=lambda each: each.explained, default=None)


def _of_length(value: FloatArray, length: float) -> list[_Set]:
    """Return the sets of patterns of `length` rows, to within a factor of the square root of STEP.

    Changes slower than a pattern are removed first, so that another camera, another set or a step
    aside does no harm.
    """
    thin = max(int(length / PATTERN_ROWS), 1)
    length /= thin
    pose = (smoothed(value, thin / 2) if thin > 1 else value)[::thin]
    pose = pose - smoothed(pose, length / 2)
    longest = int(min(length * math.sqrt(STEP), len(pose) / 2))
    shortest = max(round(length / math.sqrt(STEP)), 4)
    if longest < shortest:
        return []
    velocity = np.gradient(pose, axis=0)
    speed = float((velocity**2).sum())
    if speed < 1e-9:
        return []
    velocity *= VELOCITY * math.sqrt(float((pose**2).sum()) / speed)
    feature = np.concatenate([pose, velocity], axis=1)
    squared = squared_distance(feature, feature)
    first, last = _closed(feature, squared, shortest, longest)
    begin, total = _occurrences(squared, first, last - first)
    # A much smaller movement would have a small difference by itself, so the difference is taken
    # relative to the smaller of the two movements.
    end = np.broadcast_to(np.arange(len(pose)), begin.shape)
    own = np.maximum(_variance(feature, first, last)[:, None], 1e-12)
    other = np.clip(_variance(feature, np.maximum(begin, 0), end), 1e-12, own)
    score = 1 - total / (last - first + 1)[:, None] / other
    step = np.linalg.norm(np.diff(value, axis=0), axis=1)
    path = np.concatenate([[0.0], np.cumsum(step)])[::thin] / max(float(step.sum()), 1e-12)
    share = path[end] - path[begin]
    apart = (begin >= last[:, None]) | (end <= first[:, None])
    gain = np.where((begin >= 0) & apart & (score >= EXPLAINED), score * share, 0.0)
    sets = []
    for k, ends in enumerate(_schedule(gain, begin)):
        rows = np.array([[first[k], last[k]], *([begin[k, e], e] for e in ends)])
        order = np.argsort(rows[:, 0])
        sets.append(
            _Set(
                thin * rows[order],
                np.array([1.0, *(score[k, e] for e in ends)])[order],
                float(sum(gain[k, e] for e in ends)),
                float((path[rows[:, 1]] - path[rows[:, 0]]).sum()),
                int(thin * (last[k] - first[k])),
            )
        )
    return sets


def _closed(
    feature: FloatArray, squared: FloatArray, shortest: int, longest: int
) -> tuple[IntArray, IntArray]:
    """Return the first and last row (n,) of at most TRIED stretches of `shortest` to `longest`
    steps whose ends are nearer to each other than those of the neighbouring stretches."""
    count = len(feature)
    first = np.arange(count - shortest)
    last = first[:, None] + np.arange(shortest, longest + 1)
    apart = squared[first[:, None], np.minimum(last, count - 1)]
    apart[last >= count] = np.inf
    nearest = apart.argmin(axis=1)
    last, apart = first + shortest + nearest, apart[first, nearest]
    beside = np.pad(apart, 1, constant_values=np.inf)
    kept = (apart <= beside[:-2]) & (apart <= beside[2:])
    kept &= apart < CLOSED * 2 * _variance(feature, first, last)
    thinned = slice(None, None, max(1, math.ceil(kept.sum() / TRIED)))
    return first[kept][thinned], last[kept][thinned]


def _variance(feature: FloatArray, first: IntArray, last: IntArray) -> FloatArray:
    """Return the variance of the rows first..last (of equal shape) of feature (g, D)."""
    total = np.concatenate([np.zeros((1, feature.shape[1])), np.cumsum(feature, axis=0)])
    square = np.concatenate([[0.0], np.cumsum((feature**2).sum(axis=1))])
    count = last + 1 - first
    mean = (total[last + 1] - total[first]) / count[..., None]
    return np.maximum((square[last + 1] - square[first]) / count - (mean**2).sum(axis=-1), 0.0)


def _occurrences(
    squared: FloatArray, first: IntArray, steps: IntArray
) -> tuple[IntArray, FloatArray]:
    """Return where patterns (n,) of a clip occur in it: for each last row (n, g), the first row of
    the best match that ends there, -1 = none, and its summed squared distance.

    squared: (g, g). This is subsequence DTW with the steps (1, 1), (1, 2) and (2, 1), so no part of
    a match is more than twice as fast or as slow as the pattern. Each row of the pattern adds one
    distance, or the mean of two if it matches two rows.
    """
    shape = len(first), len(squared)
    begin, total = np.full(shape, -1), np.full(shape, np.inf)
    above, above_begin = squared[first], np.tile(np.arange(shape[1]), (shape[0], 1))
    before, before_begin = np.full(shape, np.inf), np.full(shape, -1)
    there = above
    for step in range(1, int(steps.max(initial=0)) + 1):
        here = squared[np.minimum(first + step, shape[1] - 1)]
        best, best_begin = np.full(shape, np.inf), np.full(shape, -1)
        best[:, 1:], best_begin[:, 1:] = above[:, :-1] + here[:, 1:], above_begin[:, :-1]
        slow = above[:, :-2] + (here[:, 1:-1] + here[:, 2:]) / 2
        less = slow < best[:, 2:]
        best[:, 2:][less], best_begin[:, 2:][less] = slow[less], above_begin[:, :-2][less]
        fast = before[:, :-1] + there[:, 1:] + here[:, 1:]
        less = fast < best[:, 1:]
        best[:, 1:][less], best_begin[:, 1:][less] = fast[less], before_begin[:, :-1][less]
        before, before_begin, above, above_begin, there = above, above_begin, best, best_begin, here
        whole = steps == step
        begin[whole], total[whole] = best_begin[whole], best[whole]
    begin[np.isinf(total)] = -1
    return begin, total


def _schedule(gain: FloatArray, begin: IntArray) -> list[list[int]]:
    """Return, for each pattern, the last rows of the matches without overlap that have the highest
    summed gain. gain, begin: (n, g) of the match that ends at each row."""
    pattern = np.arange(len(gain))
    best, taken = np.zeros(gain.shape), np.zeros(gain.shape, bool)
    for e in range(1, gain.shape[1]):
        summed = best[pattern, np.maximum(begin[:, e], 0)] + gain[:, e]
        taken[:, e] = (gain[:, e] > 0) & (summed > best[:, e - 1])
        best[:, e] = np.where(taken[:, e], summed, best[:, e - 1])
    chosen = []
    for k in pattern:
        ends, e = [], gain.shape[1] - 1
        while e > 0:
            if taken[k, e]:
                ends.append(e)
            e = int(begin[k, e]) if taken[k, e] else e - 1
        chosen.append(ends)
    return chosen


# --- where it is cut -------------------------------------------------------------------------


def _at_extended(repeated: _Set, extension: FloatArray) -> IntArray:
    """Return the repetitions' rows (n, 2), all shifted alike to where the limbs are extended most.

    extension: (G, m) of all limbs, weighted by how much they move. A row far outside the clip
    counts as bent three times as far, so that no repetition is lost unnecessarily.
    """
    weight = extension.var(axis=0)
    reach = extension @ (weight / max(float(weight.sum()), 1e-12))
    half, near = round(repeated.usual / 2), round(repeated.usual / 8)
    around = np.pad(reach, near, mode="edge")
    around = np.pad(around, half - near, constant_values=reach.max() - 3 * float(np.ptp(reach)))
    shifts = sorted(range(-half, half + 1), key=abs)  # the first among equals
    best = max(shifts, key=lambda by: float(around[half + repeated.rows + by].mean()))
    return np.clip(repeated.rows + best, 0, len(reach) - 1)


def _spans(rows: IntArray, value: FloatArray, time: FloatArray) -> IntArray:
    """Return the rows (n, 2) of the clip, stop exclusive, for rows of the grid with the movement
    `value` (G, P). A short rest between two repetitions is cut in its middle; of a longer pause,
    each gets a fifth of a repetition."""
    count = len(value)
    parts = [value[first : last + 1] for first, last in rows]
    moving = rows + np.array([(_onset(part), -_onset(part[::-1])) for part in parts])
    room = float(np.median(np.diff(moving))) / 5
    start = np.maximum(rows[:, 0], moving[:, 0] - room)
    stop = np.minimum(rows[:, 1], moving[:, 1] + room)
    brief = stop - start < SHORTEST * count / (time[-1] - time[0])
    start, stop = np.where(brief, rows.T, (start, stop))
    short = np.maximum(start[1:] - stop[:-1], 0.0) <= room
    middle = (start[1:] + stop[:-1]) / 2
    start[1:] = np.where(short, middle, start[1:])
    stop[:-1] = np.where(short, middle, stop[:-1])
    start[0] = 0 if start[0] <= room else start[0]
    stop[-1] = count - 1 if stop[-1] >= count - 1 - room else stop[-1]
    seconds = time[0] + np.stack([start, stop], axis=1) / (count - 1) * (time[-1] - time[0])
    spans = np.searchsorted(time, seconds - 1e-9)
    spans[stop >= count - 1, 1] = len(time)
    spans[:, 1] = np.maximum(spans[:, 1], spans[:, 0] + 1)
    return np.minimum(spans, len(time))


def _onset(part: FloatArray) -> int:
    """Return the row at which the movement of part (n, P) leaves its initial rest: where the curve
    of the distance from the first pose lies deepest below the straight line to half its height. A
    slow drift during the rest does no harm."""
    away = np.linalg.norm(part - part[0], axis=1)
    half = int(np.argmax(away >= away.max() / 2))
    return int(np.argmax(np.linspace(0, away[half], half + 1) - away[: half + 1]))
