"""The confidence of a match falls when evidence is taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import la2ds
from la2ds_cli.alignment import certainty_model
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.demo_clips import performed

LEFT_OUT = 0.0, 0.3, 0.6, 0.8  # shares


def without_frames(pose: PoseSequence, share: float, random: np.random.Generator) -> PoseSequence:
    """The film at uneven steps, with fewer frames."""
    kept = np.sort(random.permutation(len(pose))[: round(len(pose) * (1 - share))])
    rows = {name: getattr(pose, name)[kept] for name in ("xy", "score", "box", "frame", "time")}
    return replace(pose, **rows, world=None)


def unseen_frames(pose: PoseSequence, share: float, random: np.random.Generator) -> PoseSequence:
    xy = pose.xy.copy()
    xy[random.permutation(len(pose))[: round(len(pose) * share)]] = np.nan
    return replace(pose, xy=xy)


def unseen_joints(pose: PoseSequence, share: float, random: np.random.Generator) -> PoseSequence:
    """The same joints in all frames, as of limbs that are out of the picture."""
    xy, count = pose.xy.copy(), pose.xy.shape[1]
    xy[:, random.permutation(count)[: round(count * share)]] = np.nan
    return replace(pose, xy=xy)


def unseen_end(pose: PoseSequence, share: float, random: np.random.Generator) -> PoseSequence:
    xy = pose.xy.copy()
    xy[len(pose) - round(len(pose) * share) :] = np.nan
    return replace(pose, xy=xy)


@pytest.mark.parametrize("taken", [without_frames, unseen_frames, unseen_joints, unseen_end])
def test_confidence_falls_in_the_mean(taken: Callable[..., PoseSequence]) -> None:
    clips = [performed(n, 40, 100, 1.5)[0] for n in range(8)]
    random, means = np.random.default_rng(0), []
    for share in LEFT_OUT:
        pairs = ((clips[n], taken(clips[n + 1], share, random)) for n in range(0, 8, 2))
        means.append(np.mean([la2ds.align_joints(*pair).confidence.mean() for pair in pairs]))
    assert all(more > less for more, less in pairwise(means)), means


def test_worse_facts_never_make_a_match_surer() -> None:
    for model in (certainty_model.RIGHT_IN_MOTION, certainty_model.RIGHT_AT_REST):
        for (name, sign), weight in zip(certainty_model.BETTER.items(), model.weights, strict=True):
            assert sign * weight >= 0, name
