"""The 13 joints of `penn13` out of any skeleton of a body, by their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence

BODY = "penn13"
FEWEST_JOINTS = 6  # a skeleton that shares fewer of the 13 joints is none of a body
STAND_INS = {"head": ("head", "nose")}  # the first that a skeleton has


def joint_sources(skeleton: str) -> list[int | None]:
    """For each joint of penn13 the index of that joint in a skeleton, None = it has none.

    A nose stands for the head where there is no head. Raises UserError (exit 5) for a skeleton that
    shares fewer than 6 of them, such as a hand.
    """
    names = get_skeleton(skeleton).joints
    sources = []
    for joint in get_skeleton(BODY).joints:
        present = [name for name in STAND_INS.get(joint, (joint,)) if name in names]
        sources.append(names.index(present[0]) if present else None)
    known = sum(source is not None for source in sources)
    if known < FEWEST_JOINTS:
        raise UserError(
            f"the base model reads bodies, and the skeleton {skeleton} has {known} of its "
            f"{len(sources)} joints",
            hint="--features pose needs no model; la2ds train makes one for this skeleton",
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
    sources = joint_sources(pose.skeleton)
    xy = np.full((len(pose), len(sources), 2), np.nan, dtype=np.float32)
    score = np.zeros((len(pose), len(sources)), dtype=np.float32)
    world = np.full((len(pose), len(sources), 3), np.nan, dtype=np.float32)
    for k, source in enumerate(sources):
        if source is not None:
            xy[:, k], score[:, k] = pose.xy[:, source], pose.score[:, source]
            if pose.world is not None:
                world[:, k] = pose.world[:, source]
    known = None if pose.world is None else world
    return replace(pose, xy=xy, score=score, skeleton=BODY, world=known)
