"""Conversion between skeletons by joint names: the 13 joints of `penn13` from any body skeleton for
the base model, and the joints that clips of different skeletons share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence

BODY = "penn13"
FEWEST_JOINTS = 6  # a skeleton that shares fewer of the 13 joints is not a body
STAND_INS = {"head": ("nose",)}  # used in this order if a skeleton lacks the joint


def _sources(skeleton: str, target: str) -> list[int | None]:
    """Return, for each joint of the target, its index in a skeleton, None = missing.

    The nose replaces a missing head, unless the target has a nose itself.
    """
    names, wanted = get_skeleton(skeleton).joints, get_skeleton(target).joints
    sources = []
    for joint in wanted:
        others = [name for name in STAND_INS.get(joint, ()) if name not in wanted]
        present = [name for name in (joint, *others) if name in names]
        sources.append(names.index(present[0]) if present else None)
    return sources


def joint_sources(skeleton: str) -> list[int | None]:
    """Return, for each joint of penn13, its index in a skeleton, None = missing.

    The nose replaces a missing head.

    Raises
    ------
    UserError: exit 5 for a skeleton with fewer than 6 of the joints, such as a hand.
    """
    sources = _sources(skeleton, BODY)
    present = sum(source is not None for source in sources)
    if present < FEWEST_JOINTS:
        raise Mismatch(
            f"the base model reads bodies, and the skeleton {skeleton} has {present} of its "
            f"{len(sources)} joints",
            hint="--features pose needs no model; la2ds train trains one for this skeleton",
        )
    return sources


def is_body(skeleton: str) -> bool:
    """Return whether joint_sources accepts the skeleton."""
    return len(_sources(skeleton, BODY)) - _sources(skeleton, BODY).count(None) >= FEWEST_JOINTS


def body_joints(pose: PoseSequence) -> PoseSequence:
    """Return the sequence with the joints of penn13; missing joints are NaN, with score 0.

    Raises
    ------
    UserError: as joint_sources does.
    """
    if pose.skeleton == BODY:
        return pose
    return _taken(pose, joint_sources(pose.skeleton), BODY)


def holds(skeleton: str, target: str) -> bool:
    """Return whether a skeleton has every joint of the target."""
    return None not in _sources(skeleton, target)


def as_skeleton(pose: PoseSequence, target: str) -> PoseSequence:
    """Return the sequence with the joints of `target`; its skeleton must have all of them
    (`holds`)."""
    if pose.skeleton == target:
        return pose
    return _taken(pose, _sources(pose.skeleton, target), target)


def shared_skeleton(names: Collection[str]) -> str | None:
    """Return the largest skeleton whose joints all the named skeletons have, None = none."""
    shared = [name for name in SKELETONS if all(holds(other, name) for other in names)]
    return max(shared, key=lambda name: len(get_skeleton(name).joints), default=None)


def _taken(pose: PoseSequence, sources: list[int | None], target: str) -> PoseSequence:
    """Return a sequence with the joints of the target, taken from the indices `sources`; None gives
    NaN with score 0."""
    unknown = np.array([source is None for source in sources])
    index = np.array([source or 0 for source in sources])

    def taken(value: FloatArray, fill: float) -> FloatArray:
        shape = (-1, *[1] * (value.ndim - 2))
        return np.where(unknown.reshape(shape), np.float32(fill), value[:, index])

    return replace(
        pose,
        xy=taken(pose.xy, np.nan),
        score=taken(pose.score, 0),
        skeleton=target,
        world=None if pose.world is None else taken(pose.world, np.nan),
        trust=None if pose.trust is None else taken(pose.trust, 0),
    )
