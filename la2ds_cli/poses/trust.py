"""How far each joint can be trusted at each moment: the probability that it lies where it seems to.

A joint is right if it lies within WRONG torso lengths of where it is. What speaks against it is
measured on the joints alone, each as a number that is 0 where nothing does:

hidden: its score is low for this clip, or that of the next joint outwards, around this moment.
moves: it leaps or trembles, which bodies do not do, by second differences.
long: its limb is longer than this person's limbs are in this clip. Limbs that point at the camera
become shorter, but none becomes longer; a person who comes nearer grows in all limbs.
exchanged: left and right change places between two frames, and change back later.
crossed: elbows or knees lie nearer to the other side's shoulder or hip than to their own.

A logistic regression makes one probability of them. Its weights were fitted to BlazePose's joints
of rendered performers behind obstacles and to errors put into hand-labelled joints, and measured on
other performers and views (docs/results/real-footage.md).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence

WRONG = 0.25  # torso lengths; a joint further from where it is counts as wrong
LEAST_TRUST = 2 / 3  # nothing is judged by a joint that is less than twice as likely right as wrong
LASTING = 0.3  # seconds; shorter doubts are not told, and no pause shorter divides two

# log odds that a joint is wrong = _USUAL + sum of weight * evidence
_USUAL = -5.2
_WEIGHT = {
    "hidden": 3.9,
    "hidden_outwards": 3.3,
    "leaps": 1.1,
    "trembles": 1.5,
    "long": 5.0,  # fitted 3, at which a limb of three times its length still passes
    "exchanged": 6.0,  # fitted 3.6, at which a limb that rests meanwhile still passes
    "crossed": 3.0,
}
EVIDENCE = tuple(_WEIGHT)
_LEAST_USUAL_SCORE = 0.5  # a clip whose joints score less is doubtful throughout
_AROUND, _TREMBLING = 0.15, 0.2  # seconds to each side
_TICK = 1 / 30  # seconds between the frames of a second difference, or one frame if that is longer
_FLAGS = (0.0, 0.5, 1.0)  # scores that stand for missing, hidden and visible labels
_STILL = 0.02  # torso lengths; what joints of good clips tremble by
_MOST = 2.0  # torso lengths; larger leaps say no more
_LONG = 0.25  # log of the length over the usual one; what perspective and estimates make of it
# Torso lengths from the joint before it: of short-limbed and of long-limbed people. A clip that
# shows a limb foreshortened throughout says less, one in which it is often wrong says more.
_LIMB = {"elbow": (0.5, 0.75), "wrist": (0.42, 0.65), "knee": (0.75, 1.0), "ankle": (0.7, 1.0)}
_LEG = 0.9  # of the torso; thighs and shins are shorter than that
_FIT, _APART = 0.5, 0.25  # of an exchange: share of the distance, and torso lengths between sides
_SWAP, _END = 2.0, 0.7  # seconds
_OPEN = 0.8  # evidence at which right and wrong are about as likely


def trust_of(pose: PoseSequence) -> FloatArray:
    """(T, K) float32 in [0, 1]: the trust that the sequence carries, or else computed from its
    joints; 0 where a joint is not seen. A clip of 300 frames takes a few milliseconds."""
    if pose.trust is not None:
        return pose.trust
    against = evidence(pose)
    odds = _USUAL + sum(weight * against[name] for name, weight in _WEIGHT.items())
    trust = 1 / (1 + np.exp(odds))
    skeleton = get_skeleton(pose.skeleton)
    inner = set(_before(skeleton)) | {chain[0] for chain in skeleton.chains.values()}
    for a, b in skeleton.limbs:  # a finger is no better known than the wrist
        if a in inner and b not in inner:
            trust[:, b] = np.minimum(trust[:, b], trust[:, a])
    return np.where(_finite(pose), trust, 0).astype(np.float32)


def with_trust(pose: PoseSequence) -> PoseSequence:
    """The sequence with its trust, as pose files hold it."""
    return pose if pose.trust is not None else replace(pose, trust=trust_of(pose))


def trusted(pose: PoseSequence) -> BoolArray:
    """(T, K) whether a joint can be judged by: seen, with a trust of at least LEAST_TRUST."""
    return np.asarray(_finite(pose) & (trust_of(pose) >= LEAST_TRUST))


# --- what speaks against a joint ---------------------------------------------------------------


def evidence(pose: PoseSequence) -> dict[str, FloatArray]:
    """Name of the evidence -> (T, K) float64, 0 where it does not speak against the joint."""
    skeleton = get_skeleton(pose.skeleton)
    doubt = _doubt(pose, skeleton)
    around = _mean_around(doubt, pose, _AROUND)
    joints = _in_torsos(pose)
    leaps = _leaps(joints, pose)
    trembling = _mean_around(leaps, pose, _TREMBLING)
    return {
        "hidden": around,
        "hidden_outwards": _of_next(around, skeleton),
        "leaps": leaps,
        "trembles": np.log1p(trembling / _STILL),
        "long": _of_limb(_too_long(joints, doubt, skeleton), skeleton),
        "exchanged": _exchanged(joints, pose, skeleton),
        "crossed": _crossed(joints, skeleton),
    }


def _finite(pose: PoseSequence) -> BoolArray:
    return np.asarray(np.isfinite(pose.xy).all(axis=-1))


def _before(skeleton: Skeleton) -> dict[int, int]:
    """Joint -> the joint before it on its chain, nearer to the trunk."""
    pairs = (itertools.pairwise(chain) for chain in skeleton.chains.values())
    return {b: a for a, b in itertools.chain.from_iterable(pairs)}


def _chain_joints(skeleton: Skeleton) -> list[int]:
    return sorted({k for chain in skeleton.chains.values() for k in chain})


def _shots(pose: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """(T,) first and last row of the shot that a row belongs to."""
    length = len(pose)
    cuts = sorted({int(cut) for cut in pose.info.get("cut_rows") or [] if 0 < int(cut) < length})
    edges = np.array([0, *cuts, length])
    shot = np.searchsorted(edges, np.arange(length), "right") - 1
    return edges[shot], edges[shot + 1] - 1


def _mean_around(value: FloatArray, pose: PoseSequence, seconds: float) -> FloatArray:
    """Mean of value (T, K) over `seconds` to each side within the shot."""
    first, last = _shots(pose)
    total = np.concatenate([np.zeros((1, value.shape[1])), np.cumsum(value, axis=0)])
    slack = 1e-9
    low = np.maximum(np.searchsorted(pose.time, pose.time - seconds - slack), first)
    high = np.minimum(np.searchsorted(pose.time, pose.time + seconds + slack, "right"), last + 1)
    return (total[high] - total[low]) / (high - low)[:, None]


def _doubt(pose: PoseSequence, skeleton: Skeleton) -> FloatArray:
    """(T, K) in [0, 1]: by what share the score falls short of what is usual in the clip, since
    scores of two networks mean different things; 1 where a joint is interpolated or not seen.
    Half of it where the scores are flags of labels: people guess hidden joints well."""
    score = np.where(_finite(pose), pose.score, 0).astype(np.float64)
    limbs = score[:, _chain_joints(skeleton)]
    usual = float(np.median(limbs[limbs > 0])) if (limbs > 0).any() else 1.0
    doubt = np.clip(1 - score / max(usual, _LEAST_USUAL_SCORE), 0, 1)
    return doubt / 2 if np.isin(score, _FLAGS).all() else doubt


def torso_length(pose: PoseSequence) -> float:
    """Pixels of the torso as long as it is: it looks shorter wherever it leans towards the camera,
    and where it does so throughout, as on a bench, thighs and shins tell; 0 = not known."""
    skeleton = get_skeleton(pose.skeleton)
    ends = [(skeleton.torso, 1.0)]
    for a, b in (("hip", "knee"), ("knee", "ankle")):
        names = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right")]
        if all(name in skeleton.joints for pair in names for name in pair):
            ends.append((tuple((skeleton.index(a), skeleton.index(b)) for a, b in names), _LEG))
    lengths = [_usual_length(pose.xy, np.array(pairs)) / share for pairs, share in ends]
    return max(lengths)


def _usual_length(xy: FloatArray, pairs: np.ndarray) -> float:
    joints = np.asarray(xy, np.float64)
    length = np.linalg.norm(joints[:, pairs[:, 0]] - joints[:, pairs[:, 1]], axis=-1)
    known = length[np.isfinite(length)]
    return float(np.percentile(known, 80)) if len(known) else 0.0


def _in_torsos(pose: PoseSequence) -> FloatArray:
    """(T, K, 2) joints in torso lengths, NaN = not seen; all NaN where no torso is ever seen."""
    xy = np.asarray(pose.xy, np.float64)
    torso = torso_length(pose)
    return xy / torso if torso > 0 else np.full_like(xy, np.nan)


def _leaps(joints: FloatArray, pose: PoseSequence) -> FloatArray:
    """(T, K) torso lengths by which a joint lies off the middle between a moment before and after,
    less what most joints do, as when the camera shakes; 0 at the ends of a shot and beside gaps."""
    if len(pose) < 2:
        return np.zeros(joints.shape[:2])
    reach = max(1, round(_TICK / float(np.median(np.diff(pose.time)))))
    first, last = _shots(pose)
    row = np.arange(len(pose))
    before = joints[np.maximum(row - reach, first)]
    after = joints[np.minimum(row + reach, last)]
    off = (before + after) / 2 - joints
    seen = np.isfinite(off).any(axis=(1, 2))
    shaken = np.zeros((len(pose), 1, 2))  # with all joints: by the camera
    shaken[seen, 0] = np.nanmedian(off[seen], axis=1)
    return np.nan_to_num(np.minimum(np.linalg.norm(off - shaken, axis=-1), _MOST))


def _too_long(joints: FloatArray, doubt: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T, K) log of the length from the joint before over the usual length of both sides, less
    that by which all limbs are longer now and _LONG; never negative."""
    excess = np.full(doubt.shape, np.nan)
    for k, before in _before(skeleton).items():
        sides = [k, skeleton.flip[k]]
        ahead = [before, skeleton.flip[before]]
        length = np.linalg.norm(joints[:, sides] - joints[:, ahead], axis=-1)
        known = length[np.isfinite(length)]
        sure = length[np.isfinite(length) & (doubt[:, sides] < 0.3)]
        sample = sure if len(sure) > 5 else known
        if not len(sample):
            continue
        bounds = _LIMB.get(skeleton.joints[k].split("_")[-1], (0.0, np.inf))
        usual = float(np.clip(np.percentile(sample, 75), *bounds))
        excess[:, k] = np.log(np.maximum(length[:, 0], 1e-6) / max(usual, 1e-6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # frames without any limb
        grown = np.nan_to_num(np.nanmedian(excess, axis=1).clip(min=0))
    return np.nan_to_num((excess - grown[:, None] - _LONG).clip(0, 1.5))


def _exchanged(joints: FloatArray, pose: PoseSequence, skeleton: Skeleton) -> FloatArray:
    """(T, K) 1 where a limb, the shoulders or the hips carry the other side's name, as far as that
    can be told.

    The names change where left and right are well apart and the joints of a frame lie nearer to
    those of the other side before. Two changes that undo each other within _SWAP seconds, the
    nearest first, have the wrong names between them. A change that is never undone leaves open
    which side of it is wrong: it counts for the moment, or up to the end of the shot if that is
    within _END seconds.
    """
    wrong = np.zeros(joints.shape[:2])
    first, last = _shots(pose)
    for chain in skeleton.chains.values():
        for own, named in (([chain[0]], [chain[0]]), (list(chain[1:3]), list(chain[1:]))):
            other = [skeleton.flip[k] for k in own]
            if other <= own or len(pose) < 2:
                continue
            limb = joints[:, [own, other]]  # (T, side, joint, xy)
            same = _mean_distance(limb[1:], limb[:-1])
            crossed = _mean_distance(limb[1:, ::-1], limb[:-1])
            apart = np.linalg.norm(limb[:, 0] - limb[:, 1], axis=-1).max(axis=1) > _APART
            changes = (crossed < _FIT * same) & apart[1:] & apart[:-1] & (first[1:] == first[:-1])
            rows = _between_changes(np.flatnonzero(changes) + 1, pose.time, first, last)
            wrong[:, named] = wrong[:, [skeleton.flip[k] for k in named]] = rows[:, None]
    return wrong


def _between_changes(
    changes: np.ndarray, time: FloatArray, first: np.ndarray, last: np.ndarray
) -> FloatArray:
    """(T,) 1 between two changes that undo each other, _OPEN around one that is not undone and up
    to a near end of its shot; changes: rows at which the names have changed."""
    rows = np.zeros(len(time))
    left = [int(row) for row in changes]
    while len(left) > 1:
        lasts = [
            time[b] - time[a] if first[a] == first[b] else np.inf
            for a, b in itertools.pairwise(left)
        ]
        i = int(np.argmin(lasts))
        if lasts[i] > _SWAP:
            break
        rows[left[i] : left[i + 1]] = 1.0
        del left[i : i + 2]
    for row in left:
        low, high = time[row] - _AROUND, time[row] + _AROUND
        if time[row] - time[first[row]] <= _END:
            low = time[first[row]]
        if time[last[row]] - time[row] <= _END:
            high = time[last[row]]
        open_ = (time >= low) & (time <= high) & (first == first[row])
        rows[open_] = np.maximum(rows[open_], _OPEN)
    return rows


def _mean_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """(T,) of limbs (T, side, joint, xy); NaN where a joint is not seen."""
    return np.linalg.norm(a - b, axis=-1).mean(axis=(1, 2))


def _crossed(joints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T, K) torso lengths by which both limbs would be shorter with their elbows or knees
    exchanged, for the elbow or knee and what is beyond it."""
    crossed = np.zeros(joints.shape[:2])
    for chain in skeleton.chains.values():
        a, b = chain[0], chain[1]
        other_a, other_b = skeleton.flip[a], skeleton.flip[b]
        if other_a == a or other_b == b:
            continue
        own = _apart(joints, a, b) + _apart(joints, other_a, other_b)
        exchanged = _apart(joints, a, other_b) + _apart(joints, other_a, b)
        crossed[:, list(chain[1:])] = np.nan_to_num((own - exchanged).clip(0, 2))[:, None]
    return crossed


def _apart(joints: FloatArray, a: int, b: int) -> FloatArray:
    return np.linalg.norm(joints[:, a] - joints[:, b], axis=-1)


def _of_limb(value: FloatArray, skeleton: Skeleton) -> FloatArray:
    """The largest of a chain (T, K) for each of its joints but the first, of the trunk."""
    largest = np.array(value)
    for chain in skeleton.chains.values():
        joints = list(chain[1:])
        largest[:, joints] = value[:, joints].max(axis=1, keepdims=True)
    return largest


def _of_next(value: FloatArray, skeleton: Skeleton) -> FloatArray:
    """The value (T, K) of the next joint outwards on the chain; of the last its own."""
    after = {a: b for b, a in _before(skeleton).items()}
    return value[:, [after.get(k, k) for k in range(value.shape[1])]]


# --- what is told about it ---------------------------------------------------------------------


@dataclass(frozen=True)
class Doubt:
    """A limb that is not to be trusted for a while. limb: a chain of the skeleton in words, such as
    `right arm`; start, end: seconds."""

    limb: str
    start: float
    end: float


def doubts(pose: PoseSequence, least: float = LASTING) -> list[Doubt]:
    """The limbs and times that are not to be trusted, in order of time: where one of the two joints
    after a chain's first, an elbow or a wrist of an arm, lies somewhere and is not `trusted`, for
    `least` seconds or longer. Joints that are missing are no doubts."""
    skeleton = get_skeleton(pose.skeleton)
    doubtful = _finite(pose) & (trust_of(pose) < LEAST_TRUST)
    told = []
    for name, chain in sorted(skeleton.chains.items()):
        joints = list(chain[1:3])
        low = np.asarray(doubtful[:, joints].any(axis=1))
        for start, stop in _lasting(low, pose, least):
            told.append(Doubt(name.replace("_", " "), *_seconds(pose, start, stop)))
    return sorted(told, key=lambda doubt: (doubt.start, doubt.limb))


def _seconds(pose: PoseSequence, start: int, stop: int) -> tuple[float, float]:
    return float(pose.time[start]), float(pose.time[stop - 1])


def _lasting(low: BoolArray, pose: PoseSequence, least: float) -> Sequence[tuple[int, int]]:
    """(start, stop) rows of the runs of `low` of at least `least` seconds; shorter pauses between
    two runs are part of them."""
    edges = np.flatnonzero(np.diff(low.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    joined: list[list[int]] = []
    for start, stop in edges.tolist():
        if joined and pose.time[start] - pose.time[joined[-1][1] - 1] < least:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    frame = float(np.median(np.diff(pose.time))) if len(pose) > 1 else 1 / pose.fps
    return [
        (start, stop)
        for start, stop in joined
        if pose.time[stop - 1] - pose.time[start] + frame >= least - 1e-9
    ]
