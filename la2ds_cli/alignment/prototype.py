"""A prototype of many clips of one movement, and where the frames of a clip lie on it.

The medoid of a sample of clips is the clip with the lowest distance to the others. Its frames
become a prototype, each the mean of what all clips of the sample show at that moment (DTW
barycentre averaging, Petitjean, Ketterlin and Gancarski 2011; every clip has the same weight,
however slow it is).

A single path to a single sequence is wrong where that sequence is unlike the clip. So a clip is
aligned with the prototype and with a few central clips of the sample, whose frames have known
positions on the prototype. The estimates are combined into a consensus (consensus.py). The number
of these clips is fixed, so N clips take O(N) alignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    compose,
    consensus_of_most,
    pairwise_path,
)
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.sampling import thinned
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.features.augment import at_positions

MOST_SAMPLED = 24  # clips from which the medoid and the mean are computed
REFERENCES = 8  # clips that a clip is aligned with, in addition to the prototype
ROUNDS = 5  # of averaging; three to ten are equally good
OWN_ROUNDS = 2  # of locating the references through each other
FINE_FRAMES = 100
FINEST = 4
"""If the median clip has fewer than FINE_FRAMES frames, frames are interpolated to reach that
number, at most FINEST for each one: along two paths the rounding to whole frames adds up, and in a
golf swing of 50 frames the downswing has five."""


@dataclass(frozen=True)
class Prototype:
    """A movement as L frames of features, on the clock of one clip from which it was initialised.

    value: (L, D). row: (L,) rows of that clip. references: (M, D) features of some clips and (M,)
    positions of their frames among the L, both interpolated to `finer` frames for each one.
    """

    value: FloatArray
    row: IntArray
    references: tuple[tuple[FloatArray, FloatArray], ...]
    finer: int
    config: AlignConfig

    def locate(self, clip: FloatArray) -> FloatArray:
        """(T,) fractional rows of the clock's clip that show what the frames of a clip (T, D) show;
        never decreasing, NaN = no counterpart."""
        among = self._among(_finer(clip, self.finer)) / self.finer
        shown = np.interp(among[:: self.finer], np.arange(len(self.row)), self.row)
        return np.where(np.isnan(among[:: self.finer]), np.nan, shown)

    def _among(self, clip: FloatArray) -> FloatArray:
        """Positions on the finer prototype of the frames of a finer clip, by all estimates."""
        fine = _finer(self.value, self.finer)
        estimates = [pairwise_path(clip, fine, self.config).forward]
        estimates += [
            compose(pairwise_path(clip, feature, self.config).forward, position)
            for feature, position in self.references
        ]
        return consensus_of_most(np.array(estimates), len(fine))


def make_prototype(
    sample: Sequence[FloatArray], clock: int, central: Sequence[int], config: AlignConfig
) -> Prototype:
    """The prototype of a sample of clips (T, D), on the clock of clip number `clock`.

    central: numbers in the sample, the best first, from which the references are taken. There are
    none if they are fewer than FEWEST_REFERENCES or if `align.reference_clips` turns them off.
    """
    row = thinned(len(sample[clock]))
    value = _average(sample[clock][row], sample, config)
    usual = float(np.median([len(clip) for clip in sample]))
    finer = int(np.clip(np.ceil(FINE_FRAMES / usual), 1, FINEST))
    prototype = Prototype(value, row, (), finer, config)
    most = min(REFERENCES, config.reference_clips) if config.uses_references else 0
    chosen = list(dict.fromkeys([clock, *central]))[:most]
    if len(chosen) < FEWEST_REFERENCES:
        return prototype
    features = [_finer(sample[number], finer) for number in chosen]
    return replace(prototype, references=_placed(prototype, features))


def _placed(
    prototype: Prototype, features: Sequence[FloatArray]
) -> tuple[tuple[FloatArray, FloatArray], ...]:
    """Finer clips with the positions of their frames on the finer prototype, matched directly and
    through each other. The first is the clip whose clock the prototype has."""
    config, fine = prototype.config, _finer(prototype.value, prototype.finer)
    own = prototype.finer * np.interp(
        np.arange(len(features[0])) / prototype.finer, prototype.row, np.arange(len(prototype.row))
    )
    direct = [pairwise_path(clip, fine, config).forward for clip in features]
    between = {
        (a, b): pairwise_path(features[a], features[b], config).forward
        for a in range(1, len(features))
        for b in range(len(features))
        if a != b
    }
    places = [own, *direct[1:]]
    for _ in range(OWN_ROUNDS):
        through = [
            [compose(between[a, b], places[b]) for b in range(len(features)) if b != a]
            for a in range(1, len(features))
        ]
        estimates = [
            np.array([alone, *others]) for alone, others in zip(direct[1:], through, strict=True)
        ]
        places = [own, *(consensus_of_most(each, len(fine)) for each in estimates)]
    return tuple(zip(features, places, strict=True))


def costs(sample: Sequence[FloatArray], config: AlignConfig) -> FloatArray:
    """(S, S) how unlike the clips of a sample are: the root mean squared distance along the path
    with closed ends, so that a clip that lacks a part is far from those that have it."""
    closed = replace(config, method="dtw", open_ends=False)
    cost = np.zeros((len(sample), len(sample)))
    for a in range(len(sample)):
        for b in range(a):
            cost[a, b] = cost[b, a] = pairwise_path(sample[a], sample[b], closed).cost ** 0.5
    return cost


def by_centrality(cost: FloatArray) -> list[int]:
    """Numbers of the clips with costs (S, S), the medoid first: sorted by their median cost to the
    others, which a few clips of another movement do not change."""
    others = cost + np.diag(np.full(len(cost), np.nan))
    median = np.nanmedian(others, axis=1) if len(cost) > 1 else np.zeros(len(cost))
    return [int(number) for number in np.argsort(median, kind="stable")]


def _average(start: FloatArray, sample: Sequence[FloatArray], config: AlignConfig) -> FloatArray:
    """`start` (L, D) after ROUNDS of DTW barycentre averaging over the sample."""
    mean = np.asarray(start, np.float32)
    for _ in range(ROUNDS):
        total = np.zeros(mean.shape)
        count = np.zeros(len(mean))
        for clip in sample:
            thin = np.asarray(clip[thinned(len(clip))], np.float32)
            path = align_features("dtw", mean, thin, config)
            first = np.flatnonzero(np.diff(path[:, 0], prepend=-1))  # path row of each frame
            met = path[first, 0]
            frames = np.diff(np.append(first, len(path)))
            total[met] += np.add.reduceat(thin[path[:, 1]], first, axis=0) / frames[:, None]
            count[met] += 1
        # The mean of only a few clips is no mean of the movement.
        seen = count >= max(len(sample) / 4, 1)
        mean = np.where(seen[:, None], total / np.maximum(count, 1)[:, None], mean)
        mean = mean.astype(np.float32)
    return mean


def _finer(clip: FloatArray, times: int) -> FloatArray:
    """A clip (T, D) with frames interpolated between its own: (times * (T - 1) + 1, D)."""
    if times == 1:
        return np.asarray(clip, np.float32)
    at = np.arange(times * (len(clip) - 1) + 1) / times
    return at_positions(clip, at).astype(np.float32)
