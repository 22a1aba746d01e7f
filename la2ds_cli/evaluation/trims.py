"""The random trims and pairs of the event transfer metric: drawn once, used by every feature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.types import IntArray, PoseSequence


@dataclass(frozen=True)
class EvaluationClip:
    """A clip under evaluation. id: project id. events: name -> row of `pose` (not the source
    frame number) where the event happens."""

    id: str
    pose: PoseSequence
    events: Mapping[str, int]


@dataclass(frozen=True)
class Cut:
    """Rows start..stop (stop exclusive) of a clip that are kept."""

    start: int
    stop: int

    def __contains__(self, row: int) -> bool:
        return self.start <= row < self.stop


@dataclass(frozen=True)
class Draw:
    """One draw: cuts[c] of clip c, and pair (P, 2) int64 of clip numbers, A then B."""

    number: int
    cuts: tuple[Cut, ...]
    pair: IntArray


def trim(length: int, max_trim: float, video: str, seed: int) -> Cut:
    """Cut U(0, max_trim) of the clip's `length` rows off its start and as much off its end.

    The two shares are independent, rounded down to rows, and depend on `video` and `seed` only:
    other clips of the project change nothing. At least two rows are kept.
    """
    digest = int.from_bytes(hashlib.sha256(video.encode()).digest()[:8], "big")
    first, last = np.random.default_rng([seed, digest]).uniform(0, max_trim, 2) * length
    start, stop = int(first), length - int(last)
    return Cut(start, stop) if stop - start >= 2 else Cut(0, length)


def draw_trims(clips: Sequence[EvaluationClip], config: EvaluateConfig) -> list[Draw]:
    """`config.trim_draws` draws of trims and pairs over clips; seed of draw d = seed + d.

    Pairs are ordered pairs of clips that share an event, at most `config.pairs` of them per
    draw, chosen at random.
    """
    candidates = _pairs_sharing_events(clips)
    draws = []
    for number in range(config.trim_draws):
        seed = config.seed + number
        cuts = tuple(trim(len(clip.pose), config.max_trim, clip.id, seed) for clip in clips)
        pair = candidates
        if len(candidates) > config.pairs:
            chosen = np.random.default_rng(seed).choice(
                len(candidates), config.pairs, replace=False
            )
            pair = candidates[np.sort(chosen)]
        draws.append(Draw(number, cuts, pair))
    return draws


def _pairs_sharing_events(clips: Sequence[EvaluationClip]) -> IntArray:
    pairs = [
        (i, j)
        for i, a in enumerate(clips)
        for j, b in enumerate(clips)
        if i != j and not a.events.keys().isdisjoint(b.events)
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
