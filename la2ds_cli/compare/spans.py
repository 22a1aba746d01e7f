"""The parts of the reference that differences are told of: its labelled phases, or equal thirds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, Phase, PoseSequence

THIRDS = ("beginning", "middle", "end")
WHOLE = "whole movement"


@dataclass(frozen=True)
class Span:
    """Rows first..stop (stop exclusive) of the reference's poses. labelled: from phases.csv."""

    name: str
    first: int
    stop: int
    labelled: bool

    @property
    def rows(self) -> slice:
        return slice(self.first, self.stop)


def spans_of(pose: PoseSequence, phases: Sequence[Phase], matched: BoolArray) -> list[Span]:
    """The labelled phases that lie in the clip, in time order; without any, equal thirds in time of
    its matched part. A name that occurs twice gets a number. Empty when no frame is matched."""
    found = [
        Span(phase.name, *_rows(pose, phase), labelled=True)
        for phase in sorted(phases, key=lambda phase: phase.start)
    ]
    found = [span for span in found if span.stop > span.first]
    return _numbered(found) if found else _thirds(pose.time, matched)


def phase_rows(pose: PoseSequence, phases: Sequence[Phase]) -> dict[str, tuple[int, int]]:
    """Numbered phase name -> first and stop row in the clip, as `spans_of` names them."""
    return {
        span.name: (span.first, span.stop)
        for span in spans_of(pose, phases, np.zeros(len(pose), bool))
    }


def whole(matched: BoolArray) -> Span | None:
    """From the first to the last matched row; None when there is none."""
    rows = np.flatnonzero(matched)
    return Span(WHOLE, int(rows[0]), int(rows[-1]) + 1, labelled=False) if len(rows) else None


def span_at(spans: Sequence[Span], row: int) -> str:
    """Name of the span that holds a row, empty where none does."""
    return next((span.name for span in spans if span.first <= row < span.stop), "")


def _rows(pose: PoseSequence, phase: Phase) -> tuple[int, int]:
    first, stop = np.searchsorted(pose.frame, [phase.start, phase.end])
    return int(first), int(stop)


def _numbered(spans: list[Span]) -> list[Span]:
    names = [span.name for span in spans]
    found = []
    for k, span in enumerate(spans):
        count = names[: k + 1].count(span.name)
        several = names.count(span.name) > 1
        name = f"{span.name} ({count})" if several else span.name
        found.append(Span(name, span.first, span.stop, span.labelled))
    return found


def _thirds(time: FloatArray, matched: BoolArray) -> list[Span]:
    part = whole(matched)
    if part is None:
        return []
    last = min(part.stop, len(time) - 1)
    borders = np.linspace(time[part.first], time[last], len(THIRDS) + 1)[1:-1]
    edges = [part.first, *np.searchsorted(time, borders - 1e-9).tolist(), part.stop]
    found = [
        Span(name, first, stop, labelled=False)
        for name, first, stop in zip(THIRDS, edges[:-1], edges[1:], strict=True)
    ]
    return [span for span in found if span.stop > span.first]
