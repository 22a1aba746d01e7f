"""Joints that a person has corrected, kept in annotations.csv, separate from the network's joints.

They are applied whenever the poses are read, so they survive a new extraction. They apply only to
the reading they were made for: the same person, rotated and mirrored in the same way. In another
reading they are not used, but stay in the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from la2ds_cli.core.annotations import Annotation, ClipMoments, joint_of
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence


def reading_of(recipe: Recipe, info: Mapping[str, Any]) -> str:
    """Whom the poses follow and how their file was rotated and mirrored, such as `auto rotate=90`;
    this defines what a position in the picture means. info: facts of the poses."""
    return f"{recipe.config.get('subject', '')} {turning_of(info)}".strip()


def turning_of(info: Mapping[str, Any]) -> str:
    """How the file of poses was rotated and mirrored, such as `rotate=90 mirror=true`; empty: not
    at all. info: facts of the poses."""
    turned = [f"rotate={info['rotate']}"] if info.get("rotate") else []
    turned += ["mirror=true"] if info.get("mirror") else []
    return " ".join(turned)


def corrected_recipe(recipe: Recipe, corrections: Sequence[Annotation]) -> Recipe:
    """The recipe of poses with the corrections that apply to them, so that everything made from the
    uncorrected poses is stale. The recipe itself if there are none. If several correct the same
    joint of a moment, only the last counts, as in `corrected`."""
    if not corrections:
        return recipe
    named = [(one.at.seconds, *joint_of(one)) for one in corrections]
    last = {(seconds, joint): at or () for seconds, joint, at in named}
    digest = hashlib.sha256(repr(sorted(last.items())).encode()).hexdigest()
    return replace(recipe, inputs={**recipe.inputs, "corrections": digest})


def corrected(
    pose: PoseSequence, moments: ClipMoments, corrections: Sequence[Annotation]
) -> PoseSequence:
    """Poses with corrections applied; corrections for moments and joints that they do not have are
    ignored. Of several for the same joint of a frame, the last counts. moments: of the poses.

    A corrected joint has score and trust 1; for one that is not to be trusted, both are 0 and the
    position is NaN. Its position in 3D, which came with the wrong one, is NaN in both cases.
    """
    joints = get_skeleton(pose.skeleton).joints
    xy, score = pose.xy.copy(), pose.score.copy()
    trust = None if pose.trust is None else pose.trust.copy()
    world = None if pose.world is None else pose.world.copy()
    for one in corrections:
        row, (joint, position) = moments.row(one.at), joint_of(one)
        if row is None or joint not in joints:
            continue
        at = row, joints.index(joint)
        xy[at] = np.nan if position is None else position
        score[at] = position is not None
        if trust is not None:
            trust[at] = position is not None
        if world is not None:
            world[at] = np.nan
    return replace(pose, xy=xy, score=score, trust=trust, world=world)
