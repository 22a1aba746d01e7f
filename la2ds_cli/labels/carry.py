"""The phases of one labelled clip A, moved into clip B along an alignment: arrays and rows only.

A row is the number of a frame in the poses of its clip, and may lie between two frames. A phase
begins at the row of its first frame and ends at the row of the first frame behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray, Phase


@dataclass(frozen=True)
class PhaseKey:
    """A phase by name; repeat 2 is the second time that it comes in a clip."""

    name: str
    repeat: int = 1

    def __str__(self) -> str:
        return self.name if self.repeat == 1 else f"{self.name}#{self.repeat}"


@dataclass(frozen=True)
class Span:
    """A phase in rows of its clip. starts, ends: whether it begins and ends within the clip; a
    phase that runs on at the clip's first or last frame was cut off there."""

    key: PhaseKey
    start: float
    end: float
    starts: bool
    ends: bool


@dataclass(frozen=True)
class Correspondence:
    """Where in B (`length` frames) each frame of A lies. position, low, high: (N,) float64 rows of
    B, the last two the bounds of a 90 % interval; confidence: (N,) in [0, 1]. NaN, NaN, NaN, 0 =
    no counterpart."""

    position: FloatArray
    low: FloatArray
    high: FloatArray
    confidence: FloatArray
    length: int


@dataclass(frozen=True)
class Edge:
    """One end of a carried phase. row, low, high: rows of B. source: the row of A it comes from.
    cut: the phase runs on beyond it, in A or where B has no counterpart."""

    row: float
    low: float
    high: float
    confidence: float
    source: float
    cut: bool


@dataclass(frozen=True)
class CarriedSpan:
    """A phase of A in B; `end` is exclusive."""

    key: PhaseKey
    start: Edge
    end: Edge


@dataclass(frozen=True)
class Carried:
    """Phases of A in B in time order, and those that lie wholly where B has no counterpart."""

    spans: tuple[CarriedSpan, ...]
    outside: tuple[PhaseKey, ...]


def labelled_spans(frame: IntArray, phases: Sequence[Phase]) -> list[Span]:
    """Phases (source frame numbers) in rows of a clip with the frames `frame` (T,), in time order.

    Phases outside these frames are left out. ValueError for two phases that overlap.
    """
    ordered = sorted(phases, key=lambda phase: phase.start)
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(
                f"'{before.name}' ({before.start} to {before.end}) and '{after.name}' "
                f"({after.start} to {after.end}) overlap"
            )
    rows = np.arange(len(frame))
    met: Counter[str] = Counter()
    spans = []
    for phase in ordered:
        met[phase.name] += 1
        start = float(np.interp(phase.start, frame, rows))
        ends = bool(phase.end <= frame[-1])
        end = float(np.interp(phase.end, frame, rows)) if ends else float(len(frame))
        if phase.end > frame[0] and phase.start <= frame[-1] and end > start:
            key = PhaseKey(phase.name, met[phase.name])
            spans.append(Span(key, start, end, bool(phase.start > frame[0]), ends))
    return spans


def carry(spans: Sequence[Span], along: Correspondence) -> Carried:
    """Every span moved along; what has no counterpart at an end is cut off there."""
    known = np.flatnonzero(~np.isnan(along.position))
    carried, outside = [], []
    for span in spans:
        if not len(known) or span.start > known[-1] or span.end <= known[0]:
            outside.append(span.key)
            continue
        first = float(known[0])
        start = _edge(along, known, max(span.start, first), not span.starts or span.start < first)
        if span.end > known[-1]:
            end = _behind(along, int(known[-1]))
        else:
            end = _edge(along, known, span.end, not span.ends)
        carried.append(CarriedSpan(span.key, start, end))
    return Carried(tuple(carried), tuple(outside))


def _edge(along: Correspondence, known: IntArray, row: float, cut: bool) -> Edge:
    """The edge at a row of A between the first and the last that have a counterpart. Between two of
    them, both bounds are taken at their widest, and the lower confidence; inside a gap it is 0."""
    before = known[np.searchsorted(known, row, side="right") - 1]
    after = known[np.searchsorted(known, row)]
    gap = after - before > 1
    return Edge(
        row=float(np.interp(row, known, along.position[known])),
        low=float(along.low[before]),
        high=float(along.high[after]),
        confidence=0.0 if gap else float(min(along.confidence[[before, after]])),
        source=row,
        cut=cut,
    )


def _behind(along: Correspondence, last: int) -> Edge:
    """Behind the last row with a counterpart: all that is known is that the phase lasts so far."""
    row = min(along.position[last] + 1, along.length)
    low, high = min(along.low[last] + 1, row), max(min(along.high[last] + 1, along.length), row)
    return Edge(
        float(row), float(low), float(high), float(along.confidence[last]), last + 1.0, cut=True
    )
