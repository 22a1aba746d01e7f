"""The trust in each joint at each moment: the probability that its position is right.

A joint is right if it is within WRONG torso lengths of its true position. Evidence against it is
measured only on the joints, each kind as a number that is 0 if there is none:

hidden: its score, or that of the next joint outwards, is low for this clip around this moment.
moves: it jumps or trembles as bodies do not, by second differences.
long: its limb is longer than this person's limbs are in this clip. Limbs that point at the camera
become shorter, but none becomes longer; a person who comes nearer grows in all limbs.
exchanged: left and right change places between two frames, and change back later.
copied: the limb lies on the other side's for a while, from the elbow or knee on, although shoulders
or hips are apart. In a true side view these lie on each other, too, and there is no evidence. If
one of the two scores clearly less, the evidence is only against that one.

A logistic regression combines them into one probability. Its weights were fitted to BlazePose's
joints of rendered performers behind obstacles and to errors put into hand-labelled joints, and
measured on other performers and views (docs/results/real-footage.md).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence

WRONG = 0.25  # torso lengths; a joint further from its true position is wrong
LEAST_TRUST = 2 / 3  # judgements use only joints that are twice as likely right as wrong
LASTING = 0.3  # seconds; shorter doubts are not reported, and shorter pauses do not divide one

# log odds that a joint is wrong = _USUAL + sum of weight * evidence
_USUAL = -5.2
_WEIGHT = {
    "hidden": 3.9,
    "hidden_outwards": 3.3,
    "leaps": 1.1,
    "trembles": 1.5,
    "long": 5.0,  # fitted 3, at which a limb of three times its length still passes
    "exchanged": 6.0,  # fitted 3.6, at which an exchanged limb at rest still passes
    "copied": 6.5,  # set by hand, since real clips of the training data have no copied limbs
}
EVIDENCE = tuple(_WEIGHT)
_LEAST_USUAL_SCORE = 0.5  # a clip whose joints score less is doubtful throughout
_AROUND, _TREMBLING = 0.15, 0.2  # seconds to each side
_TICK = 1 / 30  # seconds between the frames of a second difference, or one frame if that is longer
_FLAGS = (0.0, 0.5, 1.0)  # scores that stand for missing, hidden and visible labels
_STILL = 0.02  # torso lengths by which joints of good clips tremble
_MOST = 2.0  # torso lengths; larger leaps count as this large
_LONG = 0.25  # log of length over usual length that perspective and estimates may cause
# Torso lengths from the previous joint, of short-limbed and of long-limbed people. These bound the
# usual length of a clip, which is too short if a limb is foreshortened throughout, and too long if
# it is often wrong.
_LIMB = {"elbow": (0.5, 0.75), "wrist": (0.42, 0.65), "knee": (0.75, 1.0), "ankle": (0.7, 1.0)}
_LEG = 0.9  # of the torso; thighs and shins are shorter than that
_FIT, _APART = 0.5, 0.25  # of an exchange: share of the distance, and torso lengths between sides
_SWAP, _END = 2.0, 0.7  # seconds
# Torso lengths: two limbs in one place, of shoulders or hips that are apart. Legs of a side view
# come as near as 0.09 with hips 0.24 apart.
_ONE_PLACE, _ROOTS = 0.1, 0.3
_NEARER = 0.25  # of the distance of shoulders or hips; elbows of folded hands are further apart
_CLEARLY_LESS = 0.1  # difference in score that distinguishes the copy from the limb
_SLACK = 1e-9  # seconds
_OPEN = 0.8  # evidence at which right and wrong are about as likely


def trust_of(pose: PoseSequence) -> FloatArray:
    """Return the trust (T, K) float32 in [0, 1], as stored or else computed from the joints; 0 if a
    joint is not seen. A clip of 300 frames takes a few milliseconds."""
    if pose.trust is not None:
        return pose.trust
    against, skeleton = evidence(pose), get_skeleton(pose.skeleton)
    odds = _USUAL + sum(weight * against[name] for name, weight in _WEIGHT.items())
    trust = 1 / (1 + np.exp(odds))
    inner = set(_before(skeleton)) | {chain[0] for chain in skeleton.chains.values()}
    for a, b in skeleton.limbs:  # trust in a finger is at most that in the wrist
        if a in inner and b not in inner:
            trust[:, b] = np.minimum(trust[:, b], trust[:, a])
    return np.where(_finite(pose), trust, 0).astype(np.float32)


def with_trust(pose: PoseSequence) -> PoseSequence:
    """Return the sequence with its trust, as pose files hold it."""
    return pose if pose.trust is not None else replace(pose, trust=trust_of(pose))


def trusted(pose: PoseSequence) -> BoolArray:
    """Return (T, K) whether a joint can be used for judgements: seen, with LEAST_TRUST or more."""
    return np.asarray(_finite(pose) & (trust_of(pose) >= LEAST_TRUST))


# --- evidence against a joint ------------------------------------------------------------------


def evidence(pose: PoseSequence) -> dict[str, FloatArray]:
    """Return the evidence by name, (T, K) float64, 0 if there is none against the joint."""
    if not len(pose):
        return {name: np.zeros(pose.score.shape) for name in EVIDENCE}
    return _Clip(pose).evidence()


class _Clip:
    """The joints of a clip, and how doubtful their scores are.

    joints: (T, K, 2) in torso lengths, NaN = not seen, all NaN if no torso is ever seen. doubt: (T,
    K) in [0, 1], the share by which the score is below the usual score in the clip, since scores of
    different networks mean different things; 1 if a joint is interpolated or not seen. Halved if
    the scores are flags of labels, since people guess hidden joints well.
    """

    def __init__(self, pose: PoseSequence) -> None:
        self.skeleton = get_skeleton(pose.skeleton)
        self.time = pose.time
        self.first, self.last = shots(pose)
        torso = torso_length(pose)
        xy = pose.xy.astype(np.float64)
        self.joints = xy / torso if torso > 0 else np.full_like(xy, np.nan)
        score = np.where(_finite(pose), pose.score, 0).astype(np.float64)
        usual, flags = _usual_score(score, self.skeleton)
        doubt = np.clip(1 - score / max(usual, _LEAST_USUAL_SCORE), 0, 1)
        self.doubt = doubt / 2 if flags else doubt
        period = float(np.median(np.diff(pose.time))) if len(pose) > 1 else _TICK
        self.reach = max(1, round(_TICK / period))

    def evidence(self) -> dict[str, FloatArray]:
        joints, skeleton = self.joints, self.skeleton
        around = self._mean_around(self.doubt, _AROUND)
        leaps = self._leaps()
        exchanged = np.zeros(self.doubt.shape)
        for named, wrong in self._exchanged():
            exchanged[:, named] = wrong[:, None]
        lengths = {k: self._usual_limb(k) for k in _before(skeleton)}
        return {
            "hidden": around,
            "hidden_outwards": _of_next(around, skeleton),
            "leaps": leaps,
            "trembles": np.log1p(self._mean_around(leaps, _TREMBLING) / _STILL),
            "long": _of_limb(_too_long(joints, lengths, skeleton), skeleton),
            "exchanged": exchanged,
            "copied": self._mean_around(self._copied(), _AROUND),
        }

    def _copied(self) -> FloatArray:
        """Return (T, K) 1 where a limb is a copy of the other side's, moment by moment."""
        joints, doubt = self.joints, self.doubt
        copied = np.zeros(doubt.shape)
        for chain in self.skeleton.chains.values():
            own = list(chain[:3])
            other = [self.skeleton.flip[k] for k in own]
            apart = np.linalg.norm(joints[:, own] - joints[:, other], axis=-1)
            one_place = apart[:, 1:].max(axis=1) < np.minimum(_NEARER * apart[:, 0], _ONE_PLACE)
            is_copy = doubt[:, own[1:]].mean(axis=1) > (
                doubt[:, other[1:]].mean(axis=1) - _CLEARLY_LESS
            )
            copied[:, list(chain[1:])] = (one_place & (apart[:, 0] > _ROOTS) & is_copy)[:, None]
        return copied

    def _mean_around(self, value: FloatArray, seconds: float) -> FloatArray:
        """Return the mean of value (T, K) over `seconds` to each side within the shot."""
        time = self.time
        total = np.concatenate([np.zeros((1, value.shape[1])), np.cumsum(value, axis=0)])
        low = np.maximum(np.searchsorted(time, time - seconds - _SLACK), self.first)
        high = np.searchsorted(time, time + seconds + _SLACK, "right")
        high = np.minimum(high, self.last + 1)
        return (total[high] - total[low]) / (high - low)[:, None]

    def _leaps(self) -> FloatArray:
        """Return (T, K) the leaps in torso lengths; 0 at the ends of a shot and next to gaps.

        A leap is the distance of a joint from the middle between a moment before and after, after
        subtraction of the movement that most joints share, as when the camera shakes.
        """
        joints, row = self.joints, np.arange(len(self.joints))
        before = np.maximum(row - self.reach, self.first)
        after = np.minimum(row + self.reach, self.last)
        off = (joints[before] + joints[after]) / 2 - joints
        seen = np.isfinite(off).any(axis=(1, 2))
        shaken = np.zeros((len(joints), 1, 2))  # shared by all joints
        shaken[seen, 0] = np.nanmedian(off[seen], axis=1)
        return np.nan_to_num(np.minimum(np.linalg.norm(off - shaken, axis=-1), _MOST))

    def _usual_limb(self, k: int) -> float | None:
        """Return the usual distance from the previous joint to joint k on both sides, in torso
        lengths; None if they are never seen."""
        flip, ahead = self.skeleton.flip, _before(self.skeleton)[k]
        sides = [k, flip[k]]
        limb = self.joints[:, sides] - self.joints[:, [ahead, flip[ahead]]]
        length = np.linalg.norm(limb, axis=-1)
        seen = np.isfinite(length)
        sure = length[seen & (self.doubt[:, sides] < 0.3)]
        sample = sure if len(sure) > 5 else length[seen]
        if not len(sample):
            return None
        bounds = _LIMB.get(self.skeleton.joints[k].split("_")[-1], (0.0, np.inf))
        return float(np.clip(np.percentile(sample, 75), *bounds))

    def _exchanged(self) -> Iterator[tuple[list[int], FloatArray]]:
        """Yield the joints of a limb, the shoulders or the hips, and (T,) 1 where they have the
        other side's name, as far as this can be judged.

        The names change if left and right are well apart and the joints of a frame are nearer to
        the previous ones of the other side. Between two changes that undo each other within _SWAP
        seconds, the nearest first, the names are wrong. If a change is never undone, it is unknown
        which side of it is wrong: it counts for that moment, or up to the end of the shot if that
        is within _END seconds.
        """
        flip = self.skeleton.flip
        for chain in self.skeleton.chains.values():
            for own, named in (([chain[0]], [chain[0]]), (list(chain[1:3]), list(chain[1:]))):
                other = [flip[k] for k in own]
                if other > own and len(self.joints) > 1:
                    changes = self._name_changes(own, other)
                    wrong = _between_changes(changes, self.time, self.first, self.last)
                    yield [*named, *(flip[k] for k in named)], wrong

    def _name_changes(self, own: list[int], other: list[int]) -> IntArray:
        """Return the rows at which two sides have exchanged names since the previous row."""
        limb = np.stack([self.joints[:, own], self.joints[:, other]], axis=1)
        same = _mean_distance(limb[1:], limb[:-1])  # limb (n, side, joint, xy)
        crossed = _mean_distance(limb[1:, ::-1], limb[:-1])
        apart = np.linalg.norm(limb[:, 0] - limb[:, 1], axis=-1).max(axis=1) > _APART
        changes = (crossed < _FIT * same) & apart[1:] & apart[:-1]
        return np.flatnonzero(changes & (self.first[1:] == self.first[:-1])) + 1


def _finite(pose: PoseSequence) -> BoolArray:
    return np.asarray(np.isfinite(pose.xy).all(axis=-1))


def _before(skeleton: Skeleton) -> dict[int, int]:
    """Return, for each joint, the previous joint on its chain, nearer to the trunk."""
    pairs = (itertools.pairwise(chain) for chain in skeleton.chains.values())
    return {b: a for a, b in itertools.chain.from_iterable(pairs)}


def shots(pose: PoseSequence) -> tuple[IntArray, IntArray]:
    """Return (T,) first and last row of each row's shot."""
    length = len(pose)
    cuts = sorted({int(cut) for cut in pose.info.get("cut_rows") or [] if 0 < int(cut) < length})
    edges = np.array([0, *cuts, length])
    shot = np.searchsorted(edges, np.arange(length), "right") - 1
    return edges[shot], edges[shot + 1] - 1


def _usual_score(score: FloatArray, skeleton: Skeleton) -> tuple[float, bool]:
    """Return the median of the scores (T, K) of the seen limb joints, 1 if there are none; and
    whether all scores are flags of labels."""
    limbs = score[:, sorted({k for chain in skeleton.chains.values() for k in chain})]
    seen = limbs[limbs > 0]
    return float(np.median(seen)) if len(seen) else 1.0, bool(np.isin(score, _FLAGS).all())


def torso_length(pose: PoseSequence) -> float:
    """Return the true length of the torso in pixels, 0 if it is unknown.

    A torso looks shorter when it leans towards the camera; if it does so throughout, as on a bench,
    thighs and shins are used.
    """
    skeleton = get_skeleton(pose.skeleton)
    ends = [(skeleton.torso, 1.0)]
    for a, b in (("hip", "knee"), ("knee", "ankle")):
        names = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right")]
        if all(name in skeleton.joints for pair in names for name in pair):
            ends.append((tuple((skeleton.index(a), skeleton.index(b)) for a, b in names), _LEG))
    lengths = [_usual_length(pose.xy, np.array(pairs)) / share for pairs, share in ends]
    return max(lengths)


def _usual_length(xy: FloatArray, pairs: np.ndarray) -> float:
    ends = (xy[:, pairs[:, side]].astype(np.float64) for side in (0, 1))
    length = np.linalg.norm(np.subtract(*ends), axis=-1)
    finite = length[np.isfinite(length)]
    return float(np.percentile(finite, 80)) if len(finite) else 0.0


def _too_long(
    joints: FloatArray, usual: Mapping[int, float | None], skeleton: Skeleton
) -> FloatArray:
    """Return (n, K) how much too long limbs are, at least 0.

    This is the log of the length from the previous joint over the usual length of both sides, minus
    the amount by which all limbs are longer now, and minus _LONG.
    """
    excess = np.full(joints.shape[:2], np.nan)
    for k, before in _before(skeleton).items():
        if (expected := usual[k]) is not None:
            length = np.linalg.norm(joints[:, k] - joints[:, before], axis=-1)
            excess[:, k] = np.log(np.maximum(length, 1e-6) / max(expected, 1e-6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # frames without any limb
        grown = np.nan_to_num(np.nanmedian(excess, axis=1).clip(min=0))
    return np.nan_to_num((excess - grown[:, None] - _LONG).clip(0, 1.5))


def _between_changes(
    changes: IntArray, time: FloatArray, first: IntArray, last: IntArray
) -> FloatArray:
    """Return (T,) 1 between two changes that undo each other, and _OPEN around a change that is not
    undone and up to a near end of its shot. changes: rows at which the names change."""
    rows = np.zeros(len(time))
    left = changes
    while len(left) > 1:  # the nearest two changes of one shot undo each other
        gap = np.where(first[left[1:]] == first[left[:-1]], np.diff(time[left]), np.inf)
        at = int(gap.argmin())
        if gap[at] > _SWAP:
            break
        rows[left[at] : left[at + 1]] = 1.0
        left = np.delete(left, [at, at + 1])
    for row in left:
        low, high = time[row] - _AROUND, time[row] + _AROUND
        if time[row] - time[first[row]] <= _END:
            low = time[first[row]]
        if time[last[row]] - time[row] <= _END:
            high = time[last[row]]
        start = max(int(np.searchsorted(time, low)), int(first[row]))
        stop = min(int(np.searchsorted(time, high, "right")), int(last[row]) + 1)
        rows[start:stop] = np.maximum(rows[start:stop], _OPEN)
    return rows


def _mean_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the mean distance (T,) of limbs (T, side, joint, xy); NaN if a joint is not seen."""
    return np.linalg.norm(a - b, axis=-1).mean(axis=(1, 2))


def _of_limb(value: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Return value (T, K) with the largest value of each chain at all its joints but the first,
    which is on the trunk."""
    largest = np.array(value)
    for chain in skeleton.chains.values():
        joints = list(chain[1:])
        largest[:, joints] = value[:, joints].max(axis=1, keepdims=True)
    return largest


def _of_next(value: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Return the value (T, K) of the next joint outwards on the chain; for the last, its own."""
    after = {a: b for b, a in _before(skeleton).items()}
    return value[:, [after.get(k, k) for k in range(value.shape[1])]]


# --- doubts in words ---------------------------------------------------------------------------


def doubts(pose: PoseSequence) -> list[tuple[str, float, float]]:
    """Return (limb, start, end) of limbs that are unreliable for a time, seconds, in order of time.

    limb: a chain of the skeleton in words, such as `right arm`. One of the two joints after its
    first (for an arm, elbow or wrist) has a position but is not `trusted`, for `LASTING` seconds or
    longer. Missing joints are not doubts.
    """
    skeleton = get_skeleton(pose.skeleton)
    doubtful = _finite(pose) & (trust_of(pose) < LEAST_TRUST)
    spans = []
    for name, chain in sorted(skeleton.chains.items()):
        low = np.asarray(doubtful[:, list(chain[1:3])].any(axis=1))
        for start, stop in pose.axis.lasting_runs(low, LASTING):
            seconds = (round(float(pose.time[row]), 2) for row in (start, stop - 1))
            spans.append((name.replace("_", " "), *seconds))
    return sorted(spans, key=lambda doubt: (doubt[1], doubt[0]))
