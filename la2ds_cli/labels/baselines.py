"""Ways to align many clips that need no training, to measure carried labels beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import comb

import numpy as np

from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.features import Variant, baseline_sets
from la2ds_cli.labels.carry import Correspondence

Find = Callable[[str, str], Correspondence]
"""Where in one clip each frame of another lies, by their ids."""


@dataclass(frozen=True)
class Way:
    """A way to align clips: its name and how."""

    name: str
    find: Find


def baseline_ways(poses: Mapping[str, PoseSequence], movement: Find) -> dict[str, list[Way]]:
    """Ways to align the clips `poses`, by feature set: raw_pose, raw_pose_best (of several the one
    that does best counts) and time_only. movement: by the joints' movement and by way of other
    clips, as `align` does without a model; one of the ways of raw_pose_best."""
    sets = baseline_sets()
    found = {
        one.name: [Way(variant.name, _finder(variant, poses)) for variant in one.variants]
        for one in sets
    }
    found["raw_pose_best"].append(Way("movement, by way of other clips", movement))
    return found


def _finder(variant: Variant, poses: Mapping[str, PoseSequence]) -> Find:
    views = variant.views(list(poses.values()))
    ready = {clip: variant.aligner.prepare(view) for clip, view in zip(poses, views, strict=True)}
    found: dict[tuple[str, str], Correspondence] = {}

    def find(a: str, b: str) -> Correspondence:
        if (a, b) not in found:
            position = variant.aligner.match(ready[a], ready[b])
            found[a, b] = without_confidence(position, len(poses[b]))
        return found[a, b]

    return find


def without_confidence(position: np.ndarray, length: int) -> Correspondence:
    """A correspondence all of whose frames count alike."""
    sure = np.where(np.isnan(position), 0.0, 1.0)
    return Correspondence(position, position, position, sure, length)


def equal(find: Find) -> Find:
    """The same places and intervals, with equal votes."""

    def found(a: str, b: str) -> Correspondence:
        by = find(a, b)
        sure = without_confidence(by.position, by.length).confidence
        return replace(by, confidence=sure)

    return found


def draw_sources(
    sources: Sequence[str], target: str, count: int, draw: int, draws: int, seed: int
) -> list[str] | None:
    """`count` labelled clips other than the target, for one of `draws` draws.

    Drawn at random, in an order that depends on seed and draw only, so that more votes hold the
    fewer ones. Where there are no more than `draws` ways to choose, each is taken once, and None
    stands for a draw beyond them; also where there are not so many clips.
    """
    others = [source for source in sources if source != target]
    ways = comb(len(others), count)
    if ways <= draws:
        return list(next(islice(combinations(others, count), draw, None))) if draw < ways else None
    order: list[int] = np.random.default_rng([seed, draw]).permutation(len(sources)).tolist()
    return [sources[n] for n in order if sources[n] != target][:count]
