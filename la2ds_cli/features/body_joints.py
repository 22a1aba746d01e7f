"""Conversion between skeletons by joint names: the 13 joints of `penn13` from any body skeleton for
the base model, and the joints that clips of different skeletons share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.core.types import PoseSequence

BODY = "penn13"
FEWEST_JOINTS = 6  # a skeleton that shares fewer of the 13 joints is not a body
STAND_INS = {"head": ("nose",)}  # used in this order if a skeleton lacks the joint


def _sources(skeleton: str, target: str) -> list[int | None]:
    """For each joint of the target, its index in a skeleton, None = it has none. The nose stands in
    for a missing head, unless the target has a nose itself."""
    names, wanted = get_skeleton(skeleton).joints, get_skeleton(target).joints
    sources = []
    for joint in wanted:
        others = [name for name in STAND_INS.get(joint, ()) if name not in wanted]
        present = [name for name in (joint, *others) if name in names]
        sources.append(names.index(present[0]) if present else None)
    return sources


def joint_sources(skeleton: str) -> list[int | None]:
    """For each joint of penn13, its index in a skeleton, None = it has none.

    The nose stands in for a missing head. Raises UserError (exit 5) for a skeleton that has fewer
    than 6 of the joints, such as a hand.
    """
    sources = _sources(skeleton, BODY)
    known = sum(source is not None for source in sources)
    if known < FEWEST_JOINTS:
        raise UserError(
            f"the base model reads bodies, and the skeleton {skeleton} has {known} of its "
            f"{len(sources)} joints",
            hint="--features pose needs no model; la2ds train trains one for this skeleton",
            exit_code=ExitCode.MISMATCH,
        )
    return sources


def is_body(skeleton: str) -> bool:
    """Whether joint_sources accepts the skeleton."""
    try:
        joint_sources(skeleton)
    except UserError:
        return False
    return True


def body_joints(pose: PoseSequence) -> PoseSequence:
    """The sequence with the joints of penn13; those that its skeleton lacks are NaN, with score 0.

    Raises UserError as joint_sources does.
    """
    if pose.skeleton == BODY:
        return pose
    return _taken(pose, joint_sources(pose.skeleton), BODY)


def holds(skeleton: str, target: str) -> bool:
    """Whether a skeleton has every joint of the target."""
    return None not in _sources(skeleton, target)


def as_skeleton(pose: PoseSequence, target: str) -> PoseSequence:
    """The sequence with the joints of `target`, all of which its skeleton must have (`holds`).
    Raises ValueError otherwise."""
    if pose.skeleton == target:
        return pose
    if not holds(pose.skeleton, target):
        raise ValueError(f"{pose.skeleton} does not hold all joints of {target}")
    return _taken(pose, _sources(pose.skeleton, target), target)


def shared_skeleton(names: Collection[str]) -> str | None:
    """The largest skeleton whose joints are in all the named ones, None = there is none."""
    known = [name for name in SKELETONS if all(holds(other, name) for other in names)]
    return max(known, key=lambda name: len(get_skeleton(name).joints), default=None)


def _taken(pose: PoseSequence, sources: list[int | None], target: str) -> PoseSequence:
    """The joints `sources` of a sequence as those of the target; NaN with score 0 for None."""
    xy = np.full((len(pose), len(sources), 2), np.nan, dtype=np.float32)
    score = np.zeros((len(pose), len(sources)), dtype=np.float32)
    world = np.full((len(pose), len(sources), 3), np.nan, dtype=np.float32)
    trust = np.zeros_like(score)
    for k, source in enumerate(sources):
        if source is not None:
            xy[:, k], score[:, k] = pose.xy[:, source], pose.score[:, source]
            if pose.world is not None:
                world[:, k] = pose.world[:, source]
            if pose.trust is not None:
                trust[:, k] = pose.trust[:, source]
    return replace(
        pose,
        xy=xy,
        score=score,
        skeleton=target,
        world=None if pose.world is None else world,
        trust=None if pose.trust is None else trust,
    )
