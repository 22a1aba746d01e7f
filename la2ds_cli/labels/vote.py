"""One answer of several labelled clips: which phases a clip has, in what order, and from where on.

* A phase is there when at least half of the labelled clips carry it. One that lies where the clip
  has no counterpart, or that a labelled clip lacks, counts against.
* A boundary is the weighted median of the carried ones, the weight being the confidence of the
  alignment there: one alignment gone astray moves it little.
* Only clips vote on a boundary in which the same phases, or no phase, lie on its two sides.
* A phase that is cut off lasts to the end of the clip where that lies within the interval.
* Boundaries never change their order: where medians would, they meet (isotonic regression).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.core.types import FloatArray, Phase
from la2ds_cli.evaluation.phase_labels import phase_order
from la2ds_cli.labels.carry import Carried, CarriedSpan, Edge, PhaseKey

LEAST_WEIGHT = 0.01  # of a vote without confidence: it still counts where there are no others


@dataclass(frozen=True)
class Boundary:
    """An end of a phase in clip B.

    row: may lie between two frames; low, high: weighted medians of the votes' 90 % intervals.
    confidence: in [0, 1], mean over the votes of what each has, 0 for votes further away than NEAR
    of B's length. cut: no boundary was seen, the phase runs on where there is no counterpart.
    votes: the clips that voted. spread: mean distance of the votes from `row`, in frames, None for
    a single one.
    """

    row: float
    low: float
    high: float
    confidence: float
    cut: bool
    votes: int
    spread: float | None


@dataclass(frozen=True)
class CarriedPhase:
    """A phase of B; `end` is exclusive."""

    key: PhaseKey
    start: Boundary
    end: Boundary


@dataclass(frozen=True)
class Consensus:
    """phases: in time order. left_out: phase -> why it is not there. voters: labelled clips."""

    phases: tuple[CarriedPhase, ...]
    left_out: dict[str, str]
    voters: int


def weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The value at which half of the weight is reached; the mean of two where it lies between."""
    order = np.argsort(values, kind="stable")
    value, running = np.asarray(values, float)[order], np.cumsum(np.asarray(weights, float)[order])
    half = running[-1] / 2
    first = int(np.searchsorted(running, half * (1 - 1e-12)))
    last = int(np.searchsorted(running, half * (1 + 1e-12)))
    return float((value[first] + value[min(last, len(value) - 1)]) / 2)


def vote(clips: Sequence[Carried], length: int) -> Consensus:
    """The phases of clip B (`length` frames) by what each labelled clip carries to it."""
    voters = [_Voter(clip) for clip in clips]
    keys, left_out = _chosen(clips)
    starts, ends = _ballots(voters, keys)
    phases = [
        CarriedPhase(key, _elect(starts[key], length), _elect(ends[key], length)) for key in keys
    ]
    return Consensus(tuple(_to_the_ends(_in_order(phases), length)), left_out, len(clips))


@dataclass
class _Voter:
    """A labelled clip's phases and what lies directly before and behind each of them."""

    carried: Carried
    span: dict[PhaseKey, CarriedSpan] = field(init=False)
    before: dict[PhaseKey, PhaseKey] = field(init=False)
    behind: dict[PhaseKey, PhaseKey] = field(init=False)

    def __post_init__(self) -> None:
        self.span = {span.key: span for span in self.carried.spans}
        touching = [
            (a.key, b.key)
            for a, b in pairwise(self.carried.spans)
            if a.end.source == b.start.source and not a.end.cut
        ]
        self.behind = dict(touching)
        self.before = {b: a for a, b in touching}


def _chosen(clips: Sequence[Carried]) -> tuple[list[PhaseKey], dict[str, str]]:
    """Phases that at least half of the clips carry, in order, and why the others are left out."""
    have = [[span.key for span in clip.spans] for clip in clips]
    every = dict.fromkeys(key for clip in clips for key in _all_keys(clip))
    left_out = {}
    for key in every:
        count = sum(key in keys for keys in have)
        if 2 * count >= len(clips) and count:
            continue
        outside = sum(key in clip.outside for clip in clips)
        lacking = len(clips) - count - outside
        reasons = [f"no counterpart by {outside} of {len(clips)}"] * bool(outside)
        reasons += [f"missing in {lacking} of {len(clips)}"] * bool(lacking)
        left_out[str(key)] = " and ".join(reasons) + " labelled clips"
    kept = {str(key): key for key in every if str(key) not in left_out}
    ranked = [
        [Phase(n, n + 1, str(key)) for n, key in enumerate(keys) if str(key) in kept]
        for keys in have
    ]
    return [kept[name] for name in phase_order(ranked)], left_out


def _all_keys(clip: Carried) -> list[PhaseKey]:
    return [*(span.key for span in clip.spans), *clip.outside]


Ballots = dict[PhaseKey, list[Edge]]


def _ballots(voters: Sequence[_Voter], keys: Sequence[PhaseKey]) -> tuple[Ballots, Ballots]:
    """The edges that vote on the start and on the end of each phase. Where most clips that hold two
    neighbouring phases let one follow the other directly, both have one and the same boundary."""
    starts: Ballots = {}
    ends: Ballots = {}
    for p, q in pairwise([None, *keys, None]):
        touching = [v for v in voters if p and v.behind.get(p) == q]
        apart = [v for v in voters if {p, q} <= v.span.keys() and v not in touching]
        if p and q and touching and len(touching) >= len(apart):
            starts[q] = ends[p] = [v.span[q].start for v in touching]
            continue
        if p:
            ends[p] = _edges(voters, p, lambda v, p=p, q=q: v.behind.get(p) in (None, q), "end")
        if q:
            starts[q] = _edges(voters, q, lambda v, p=p, q=q: v.before.get(q) in (None, p), "start")
    return starts, ends


def _edges(
    voters: Sequence[_Voter], key: PhaseKey, fits: Callable[[_Voter], bool], side: str
) -> list[Edge]:
    holding = [voter for voter in voters if key in voter.span]
    chosen = [voter for voter in holding if fits(voter)] or holding
    return [getattr(voter.span[key], side) for voter in chosen]


def _elect(edges: Sequence[Edge], length: int) -> Boundary:
    """The boundary that the edges vote for. One at which a phase was cut off only says that the
    phase lasts so far: it counts where most are of that kind."""
    cut = 2 * sum(edge.cut for edge in edges) > len(edges)
    votes = [edge for edge in edges if edge.cut == cut]
    weights = [max(edge.confidence, LEAST_WEIGHT) for edge in votes]
    row, low, high = (
        weighted_median([getattr(edge, name) for edge in votes], weights)
        for name in ("row", "low", "high")
    )
    distance = np.array([abs(edge.row - row) for edge in votes])
    agreeing = np.where(distance <= NEAR * length, [edge.confidence for edge in votes], 0)
    return Boundary(
        row,
        min(low, row),
        max(high, row),
        float(agreeing.mean()),
        cut,
        len(votes),
        float(distance.mean()) if len(votes) > 1 else None,
    )


def _in_order(phases: Sequence[CarriedPhase]) -> list[CarriedPhase]:
    """The phases with boundaries that never step back in time."""
    boundaries = [b for phase in phases for b in (phase.start, phase.end)]
    if not boundaries:
        return []
    weight = [max(b.confidence, LEAST_WEIGHT) * b.votes for b in boundaries]
    rows = isotonic(np.array([b.row for b in boundaries]), np.array(weight))
    moved = [
        replace(b, row=row, low=min(b.low, row), high=max(b.high, row))
        for b, row in zip(boundaries, rows.tolist(), strict=True)
    ]
    return [
        CarriedPhase(phase.key, moved[2 * n], moved[2 * n + 1]) for n, phase in enumerate(phases)
    ]


def _to_the_ends(phases: list[CarriedPhase], length: int) -> list[CarriedPhase]:
    """The phases, of which the first and the last reach the ends of the clip where they were cut
    off and the 90 % interval of the cut does: a few frames without a counterpart are then no
    evidence that the phase was not running yet, or any more."""
    if phases and phases[0].start.cut and phases[0].start.low < 0.5:
        phases[0] = replace(phases[0], start=replace(phases[0].start, row=0.0, low=0.0))
    if phases and phases[-1].end.cut and phases[-1].end.high > length - 0.5:
        full = float(length)
        phases[-1] = replace(phases[-1], end=replace(phases[-1].end, row=full, high=full))
    return phases


def isotonic(values: FloatArray, weights: FloatArray) -> FloatArray:
    """(E,) the non-decreasing values nearest to `values` (E,) in weighted squares (pool adjacent
    violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, weight_a, count_a), (b, weight_b, count_b) = pools[-2:]
            total = weight_a + weight_b
            pools[-2:] = [((a * weight_a + b * weight_b) / total, total, count_a + count_b)]
    return np.repeat([pool[0] for pool in pools], [pool[2] for pool in pools])
