"""From labelled clips to the phases of another clip B: each maps its own phases along an alignment,
then they vote.

A row is the number of a frame in the poses of its clip, and may be between two frames. A phase
begins at the row of its first frame and ends at the row of the first frame after it.

* A phase is there if at least half of the labelled clips have it in B. One that lies where B has no
  counterpart, or that a labelled clip lacks, counts against it.
* A boundary is the median of the estimates by the labelled clips, so that one alignment gone astray
  moves it little. Weights by the confidence of the alignments gained nothing.
* Only clips vote on a boundary in which the same phases, or no phase, lie on its two sides.
* A phase that is cut off lasts to the end of the clip where that lies within the interval.
* Boundaries never change their order: where medians would, they meet (isotonic regression).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.core.phase_table import in_time_order
from la2ds_cli.core.types import FloatArray, IntArray, Phase
from la2ds_cli.evaluation.phase_labels import phase_order

REST = 2.0
"""Seconds of B that a phase may go on for, beyond what both clips show, for each second that it
does so in the labelled clip: B may take twice as long."""


@dataclass(frozen=True)
class PhaseKey:
    """A phase by name; repeat 2 is its second occurrence in a clip."""

    name: str
    repeat: int = 1

    def __str__(self) -> str:
        return self.name if self.repeat == 1 else f"{self.name}#{self.repeat}"


@dataclass(frozen=True)
class Span:
    """A labelled phase in rows of its clip. starts, ends: whether it begins and ends within the
    clip; a phase that reaches the clip's first or last frame was cut off there."""

    key: PhaseKey
    start: float
    end: float
    starts: bool
    ends: bool


@dataclass(frozen=True)
class Correspondence:
    """The position in B (`length` frames) of each frame of A. position, low, high: (N,) float64
    rows of B; the last two are the bounds of a 90 % interval; confidence: (N,) in [0, 1]. NaN, NaN,
    NaN, 0 = no counterpart. step: frames of B in the time of one frame of A, 1 for clips of one
    frame rate."""

    position: FloatArray
    low: FloatArray
    high: FloatArray
    confidence: FloatArray
    length: int
    step: float = 1.0


@dataclass(frozen=True)
class BoundaryEstimate:
    """One end of a phase of A, mapped into B. row, low, high: rows of B. source: the row of A that
    it comes from. cut: the phase continues beyond it, in A or where B has no counterpart."""

    row: float
    low: float
    high: float
    confidence: float
    source: float
    cut: bool


@dataclass(frozen=True)
class PropagatedSpan:
    """A phase of A mapped into B by one alignment; `end` is exclusive."""

    key: PhaseKey
    start: BoundaryEstimate
    end: BoundaryEstimate


@dataclass(frozen=True)
class PropagatedSpans:
    """Phases of A in B in time order, and those that are entirely where B has no counterpart."""

    spans: tuple[PropagatedSpan, ...]
    outside: tuple[PhaseKey, ...]


@dataclass(frozen=True)
class Boundary:
    """An end of a phase in clip B, by the vote of all labelled clips.

    row: may be between two frames; low, high: medians of the votes' 90 % intervals.
    confidence: in [0, 1], mean of the votes' confidences, with 0 for votes further away than NEAR
    of B's length. cut: no boundary was seen; the phase continues where there is no counterpart.
    votes: the clips that voted. spread: mean distance of the votes from `row`, in frames, None for
    a single vote.
    """

    row: float
    low: float
    high: float
    confidence: float
    cut: bool
    votes: int
    spread: float | None


@dataclass(frozen=True)
class PropagatedPhase:
    """A phase of B; `end` is exclusive."""

    key: PhaseKey
    start: Boundary
    end: Boundary


@dataclass(frozen=True)
class PhaseConsensus:
    """phases: of B in time order. left_out: phase -> why it is missing. labelled_clips: how many
    there were."""

    phases: tuple[PropagatedPhase, ...]
    left_out: dict[str, str]
    labelled_clips: int


# --- the phases of one labelled clip, along its alignment with B -----------------------------


def labelled_spans(frame: IntArray, phases: Sequence[Phase]) -> list[Span]:
    """Phases (source frame numbers) in rows of a clip with the frames `frame` (T,), in time order.

    Phases outside these frames are left out. Raises ValueError if two phases overlap.
    """
    ordered = in_time_order(phases)
    rows = np.arange(len(frame))
    repeats: Counter[str] = Counter()
    spans = []
    for phase in ordered:
        repeats[phase.name] += 1
        start = float(np.interp(phase.start, frame, rows))
        ends = bool(phase.end <= frame[-1])
        end = float(np.interp(phase.end, frame, rows)) if ends else float(len(frame))
        if phase.end > frame[0] and phase.start <= frame[-1] and end > start:
            key = PhaseKey(phase.name, repeats[phase.name])
            spans.append(Span(key, start, end, bool(phase.start > frame[0]), ends))
    return spans


def propagate_spans(spans: Sequence[Span], along: Correspondence) -> PropagatedSpans:
    """Map every span into B; a span without a counterpart at an end is cut off there."""
    matched = np.flatnonzero(~np.isnan(along.position))
    propagated, outside = [], []
    for span in spans:
        if not len(matched) or span.start > matched[-1] or span.end <= matched[0]:
            outside.append(span.key)
            continue
        first = float(matched[0])
        cut = not span.starts or span.start < first
        start = _estimate(along, matched, max(span.start, first), cut)
        unmatched = REST * along.step * max(first - span.start, 0.0)
        start = replace(start, low=max(min(start.low, start.row - unmatched), 0.0))
        if span.end > matched[-1]:
            end = _estimate_behind(along, int(matched[-1]))
            unmatched = REST * along.step * (span.end - end.source)
            high = min(max(end.high, end.row + unmatched), float(along.length))
            end = replace(end, high=high)
        else:
            end = _estimate(along, matched, span.end, not span.ends)
        propagated.append(PropagatedSpan(span.key, start, end))
    return PropagatedSpans(tuple(propagated), tuple(outside))


def _estimate(along: Correspondence, matched: IntArray, row: float, cut: bool) -> BoundaryEstimate:
    """The boundary at a row of A between the first and the last row with a counterpart. Between two
    of them, the wider bounds and the lower confidence are used; inside a gap the confidence is
    0."""
    before = matched[np.searchsorted(matched, row, side="right") - 1]
    after = matched[np.searchsorted(matched, row)]
    gap = after - before > 1
    return BoundaryEstimate(
        row=float(np.interp(row, matched, along.position[matched])),
        low=float(along.low[before]),
        high=float(along.high[after]),
        confidence=0.0 if gap else float(min(along.confidence[[before, after]])),
        source=row,
        cut=cut,
    )


def _estimate_behind(along: Correspondence, last: int) -> BoundaryEstimate:
    """After the last row with a counterpart, all that is known is that the phase lasts through that
    frame of A, and through the frame of B that matches it."""
    shown = max(along.step, 1.0)
    row = min(along.position[last] + shown, along.length)
    low = min(along.low[last] + shown, row)
    high = max(min(along.high[last] + shown, along.length), row)
    return BoundaryEstimate(
        float(row), float(low), float(high), float(along.confidence[last]), last + 1.0, cut=True
    )


# --- the vote of several labelled clips ------------------------------------------------------


def vote(clips: Sequence[PropagatedSpans], length: int) -> PhaseConsensus:
    """The phases of clip B (`length` frames) from what each labelled clip propagates to it."""
    sources = [_Source(clip) for clip in clips]
    keys, left_out = _vote_on_phases(clips)
    starts, ends = _votes_on_boundaries(sources, keys)
    phases = [
        PropagatedPhase(key, _boundary(starts[key], length), _boundary(ends[key], length))
        for key in keys
    ]
    return PhaseConsensus(tuple(_to_the_ends(_in_order(phases), length)), left_out, len(clips))


@dataclass
class _Source:
    """A labelled clip's phases in B, and what is directly before and after each of them."""

    propagated: PropagatedSpans
    span: dict[PhaseKey, PropagatedSpan] = field(init=False)
    before: dict[PhaseKey, PhaseKey] = field(init=False)
    behind: dict[PhaseKey, PhaseKey] = field(init=False)

    def __post_init__(self) -> None:
        self.span = {span.key: span for span in self.propagated.spans}
        touching = [
            (a.key, b.key)
            for a, b in pairwise(self.propagated.spans)
            if a.end.source == b.start.source and not a.end.cut
        ]
        self.behind = dict(touching)
        self.before = {b: a for a, b in touching}


def _vote_on_phases(clips: Sequence[PropagatedSpans]) -> tuple[list[PhaseKey], dict[str, str]]:
    """Phases that at least half of the clips have in B, in order, and why the others are left
    out."""
    present = [[span.key for span in clip.spans] for clip in clips]
    every = dict.fromkeys(
        key for clip in clips for key in (*(span.key for span in clip.spans), *clip.outside)
    )
    left_out = {}
    for key in every:
        count = sum(key in keys for keys in present)
        if 2 * count >= len(clips) and count:
            continue
        outside = sum(key in clip.outside for clip in clips)
        lacking = len(clips) - count - outside
        reasons = [f"no counterpart by {outside} of {len(clips)}"] * bool(outside)
        reasons += [f"missing in {lacking} of {len(clips)}"] * bool(lacking)
        left_out[str(key)] = " and ".join(reasons) + " labelled clips"
    chosen = {str(key): key for key in every if str(key) not in left_out}
    ranked = [
        [Phase(n, n + 1, str(key)) for n, key in enumerate(keys) if str(key) in chosen]
        for keys in present
    ]
    return [chosen[name] for name in phase_order(ranked)], left_out


_Votes = dict[PhaseKey, list[BoundaryEstimate]]


def _votes_on_boundaries(
    sources: Sequence[_Source], keys: Sequence[PhaseKey]
) -> tuple[_Votes, _Votes]:
    """The estimates that vote on the start and on the end of each phase. If most clips with two
    neighbouring phases have one directly after the other, the two phases share one boundary."""
    starts: _Votes = {}
    ends: _Votes = {}
    for p, q in pairwise([None, *keys, None]):
        touching = [v for v in sources if p and v.behind.get(p) == q]
        apart = [v for v in sources if {p, q} <= v.span.keys() and v not in touching]
        if p and q and touching and len(touching) >= len(apart):
            starts[q] = ends[p] = [v.span[q].start for v in touching]
            continue
        if p:
            ends[p] = _estimates(
                sources, p, lambda v, p=p, q=q: v.behind.get(p) in (None, q), "end"
            )
        if q:
            starts[q] = _estimates(
                sources, q, lambda v, p=p, q=q: v.before.get(q) in (None, p), "start"
            )
    return starts, ends


def _estimates(
    sources: Sequence[_Source], key: PhaseKey, fits: Callable[[_Source], bool], side: str
) -> list[BoundaryEstimate]:
    holding = [source for source in sources if key in source.span]
    chosen = [source for source in holding if fits(source)] or holding
    return [getattr(source.span[key], side) for source in chosen]


def _boundary(estimates: Sequence[BoundaryEstimate], length: int) -> Boundary:
    """The boundary that the estimates vote for. An estimate at which a phase was cut off only says
    that the phase lasts this far; it counts only if most are of that kind."""
    cut = 2 * sum(estimate.cut for estimate in estimates) > len(estimates)
    votes = [estimate for estimate in estimates if estimate.cut == cut]
    row, low, high = (
        float(np.median([getattr(estimate, name) for estimate in votes]))
        for name in ("row", "low", "high")
    )
    distance = np.array([abs(estimate.row - row) for estimate in votes])
    agreeing = np.where(distance <= NEAR * length, [estimate.confidence for estimate in votes], 0)
    return Boundary(
        row,
        min(low, row),
        max(high, row),
        float(agreeing.mean()),
        cut,
        len(votes),
        float(distance.mean()) if len(votes) > 1 else None,
    )


def _in_order(phases: Sequence[PropagatedPhase]) -> list[PropagatedPhase]:
    """The phases with boundaries that never go back in time."""
    from scipy.optimize import isotonic_regression

    boundaries = [b for phase in phases for b in (phase.start, phase.end)]
    if not boundaries:
        return []
    votes = [float(b.votes) for b in boundaries]
    rows = isotonic_regression([b.row for b in boundaries], weights=votes).x
    moved = [
        replace(b, row=row, low=min(b.low, row), high=max(b.high, row))
        for b, row in zip(boundaries, rows.tolist(), strict=True)
    ]
    return [
        PropagatedPhase(phase.key, moved[2 * n], moved[2 * n + 1]) for n, phase in enumerate(phases)
    ]


def _to_the_ends(phases: list[PropagatedPhase], length: int) -> list[PropagatedPhase]:
    """The phases, with the first and the last extended to the ends of the clip if they were cut off
    and the 90 % interval of the cut reaches the end: a few frames without a counterpart are then no
    evidence that the phase had not begun, or was over."""
    if phases and phases[0].start.cut and phases[0].start.low < 0.5:
        phases[0] = replace(phases[0], start=replace(phases[0].start, row=0.0, low=0.0))
    if phases and phases[-1].end.cut and phases[-1].end.high > length - 0.5:
        full = float(length)
        phases[-1] = replace(phases[-1], end=replace(phases[-1].end, row=full, high=full))
    return phases
