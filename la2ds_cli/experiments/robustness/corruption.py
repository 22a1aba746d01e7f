"""Joints as a worse pose estimator would have left them: a limb unseen, or every joint noisy."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.crop import clip_box

ANY = "any"  # in place of a limb's name: one of the limbs, drawn anew for every frame


def clip_generator(video: str, seed: int) -> np.random.Generator:
    """The generator of one clip; it depends on `video` and `seed` only, not on other clips."""
    digest = int.from_bytes(hashlib.sha256(video.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, digest])


def check_limb(limb: str, skeleton: Skeleton) -> None:
    """UserError (exit 2) for a name that is neither a kinematic chain of the skeleton nor ANY."""
    known = [ANY, *sorted(skeleton.chains)]
    if limb not in known:
        near = get_close_matches(limb, known, n=1)
        raise UserError(
            f"skeleton {skeleton.name} has no limb '{limb}'",
            hint=(f"did you mean '{near[0]}'? " if near else "") + f"limbs: {', '.join(known)}",
        )


def drop_limb_at_test(
    pose: PoseSequence, chain: str, probability: float, rng: np.random.Generator
) -> PoseSequence:
    """In each frame, with `probability`, one limb or finger is unseen (paper sec. 4.2.4).

    chain: name of a kinematic chain of the skeleton, or ANY. Its first joint (shoulder, hip,
    wrist) belongs to the body or to other fingers and stays. Dropped joints become NaN with score
    0. From generators of one seed, the frames that lose a limb at a lower probability lose the
    same one at a higher. Raises UserError (exit 2) for an unknown chain.
    """
    skeleton = get_skeleton(pose.skeleton)
    check_limb(chain, skeleton)
    names = sorted(skeleton.chains)
    dropped = rng.random(len(pose)) < probability
    drawn = rng.integers(len(names), size=len(pose))
    if chain != ANY:
        drawn = np.full(len(pose), names.index(chain))
    xy, score = pose.xy.copy(), pose.score.copy()
    for number, name in enumerate(names):
        frames = np.flatnonzero(dropped & (drawn == number))
        gone = np.ix_(frames, np.array(skeleton.chains[name][1:]))
        xy[gone] = np.nan
        score[gone] = 0
    return replace(pose, xy=xy, score=score)


def add_noise(
    pose: PoseSequence,
    cells: float,
    rng: np.random.Generator,
    heatmap: HeatmapConfig | None = None,
) -> PoseSequence:
    """N(0, `cells` heatmap cells) on every coordinate of every joint (paper sec. 4.2.5).

    A cell is the longer side of the clip's crop box divided by the cells per side of `heatmap`
    (None = the defaults), as in the position augmentation. Unseen joints stay unseen.
    """
    settings = heatmap or HeatmapConfig()
    box = clip_box(pose.xy, settings.crop, settings.padding)
    cell = float(max(box[2] - box[0], box[3] - box[1])) / settings.size
    if not np.isfinite(cell):  # no joint was ever seen
        return pose
    return replace(pose, xy=pose.xy + rng.normal(0, cells * cell, pose.xy.shape))
