"""Typical errors of pose networks, added to correct joints so that the truth is known.

Each kind changes the joints of one limb, beyond its shoulder or hip, for part of a clip:

guessed: the limb is hidden, the network guesses its position, and its scores fall.
exchanged: left and right joints are swapped.
copied: the limb lies on that of the other side, as when a network detects one limb twice.
drifting: the joints drift away from their true position and come back.
leaping: in single frames, a joint jumps elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses.trust import torso_length

KINDS = ("guessed", "exchanged", "copied", "drifting", "leaping")
_SURE, _SCATTER = 0.95, 0.03  # scores of visible joints: mean, standard deviation
_HIDDEN, _HIDDEN_SCATTER = 0.6, 0.1  # and of hidden joints, as from BlazePose
_JITTER = 0.015  # torso lengths, of every joint
_LEAPS = 0.2  # share of the frames


def with_error(pose: PoseSequence, kind: str, rng: np.random.Generator) -> PoseSequence:
    """A clip with one error of this kind, lasting a third to a half of the clip, and with the
    jitter and scores of a pose network. Raises ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"no such error: {kind}")
    skeleton = get_skeleton(pose.skeleton)
    torso = torso_length(pose)
    length = len(pose)
    xy = np.asarray(pose.xy, np.float64) + rng.normal(0, _JITTER * torso, pose.xy.shape)
    score = np.clip(rng.normal(_SURE, _SCATTER, pose.score.shape), 0, 1)
    lasts = max(2, round(rng.uniform(1 / 3, 1 / 2) * length))
    first = int(rng.integers(0, max(length - lasts, 0) + 1))
    rows = np.arange(first, min(first + lasts, length))
    names = [name for name in sorted(skeleton.chains) if len(skeleton.chains[name]) > 2]
    chain = np.array(skeleton.chains[names[int(rng.integers(len(names)))]])
    joints, other = chain[1:], np.array(skeleton.flip)[chain[1:]]
    at = np.ix_(rows, joints)
    if kind == "guessed":
        xy[at] = _guess(xy, skeleton, chain, rows, rng)
        low = rng.normal(_HIDDEN, _HIDDEN_SCATTER)
        score[at] = np.clip(low + rng.normal(0, _SCATTER, score[at].shape), 0.05, 1)
    elif kind == "exchanged":
        both = np.concatenate([joints, other])
        xy[np.ix_(rows, both)] = xy[np.ix_(rows, np.concatenate([other, joints]))]
    elif kind == "copied":
        xy[at] = xy[np.ix_(rows, other)] + rng.normal(0, 2 * _JITTER * torso, xy[at].shape)
    elif kind == "drifting":
        away = np.sin(np.pi * np.linspace(0, 1, len(rows)))[:, None, None]
        xy[at] += away * _direction(rng) * rng.uniform(0.5, 1.5) * torso
    else:
        leaps = rng.random(xy[at].shape[:2]) < _LEAPS
        offset = rng.normal(0, 0.7 * torso, xy[at].shape)
        xy[at] += np.where(leaps[..., None], offset, 0)
    score = np.where(np.isfinite(pose.xy).all(axis=-1), score, 0)
    return replace(pose, xy=xy, score=score, world=None, clip="")


def errors_of(pose: PoseSequence, truth: PoseSequence) -> FloatArray:
    """(T, K) float64: distance of each joint from its true position, in torso lengths of the true
    pose; NaN where either is missing."""
    apart = np.asarray(pose.xy, np.float64) - truth.xy
    return np.linalg.norm(apart, axis=-1) / torso_length(truth)


def _guess(
    xy: FloatArray,
    skeleton: Skeleton,
    chain: np.ndarray,
    rows: np.ndarray,
    rng: np.random.Generator,
) -> FloatArray:
    """Joints of a hidden limb (n, joints, 2): a plausible limb that starts at its shoulder or hip,
    turns slowly and keeps its segment lengths."""
    lengths = np.nanmedian(np.linalg.norm(np.diff(xy[:, chain], axis=1), axis=-1), axis=0)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.03, (len(rows), 2)), axis=0)
    angle[:, 1] = angle[:, 0] + rng.normal(0, 0.7)
    at = xy[rows, chain[0]]
    placed = []
    for number in range(len(chain) - 1):
        turn = angle[:, min(number, 1)]
        at = at + lengths[number] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        placed.append(at)
    return np.stack(placed, axis=1)


def _direction(rng: np.random.Generator) -> FloatArray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
