"""Spans in which both clips go on, but differently: the alignment leaves them out of both.

If one clip holds something that the other lacks, there is nothing to compare. But a part of a
movement that is done very wrong may not resemble anything in the other clip either, and is then
left out of both, at the same place and for about the same time. For such spans, the matches of an
alignment without gaps are used; everywhere else, those of `la2ds align`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.gaps import STILL
from la2ds_cli.alignment.path import is_monotone
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.types import Alignment, BoolArray

_APART = 3.0  # moments of B that two alignments may differ by at the edges of a gap
_MOMENT = 1 / 30  # seconds, or one frame of B if that is longer


def with_facing_gaps(
    aligned: AlignResult, without_gaps: Callable[[], AlignResult]
) -> tuple[AlignResult, BoolArray]:
    """The alignment with matches for the gaps of A that face a gap of B of similar length, and (N,)
    which frames of A these are. without_gaps: aligns the same clips, called only if needed."""
    alignment = aligned.alignment
    filled = np.zeros(len(alignment.time_a), bool)
    facing = _facing(alignment) if is_monotone(alignment.path) else []
    if not facing:
        return aligned, filled
    other = without_gaps().alignment
    if other.mirrored != alignment.mirrored:
        return aligned, filled
    moment = max(1.0, _MOMENT / float(np.median(np.diff(alignment.time_b))))  # frames of B
    apart = _APART * moment
    values = {name: getattr(alignment, name).copy() for name in ("position", "low", "high")}
    confidence = alignment.confidence.copy()
    path, cost = alignment.path, alignment.cost
    for first, stop, before, after in facing:
        inside = other.position[first:stop]
        if not (inside.min() >= before - apart and inside.max() <= after + apart):
            continue  # it matches other moments there
        inside = np.clip(inside, before, after)
        filled[first:stop] = True
        confidence[first:stop] = other.confidence[first:stop]
        values["position"][first:stop] = inside
        # The interval of a frame beside a gap spans the gap, which is now filled.
        with np.errstate(invalid="ignore"):
            beside = (alignment.low <= after) & (alignment.high >= before)
            beside &= np.abs(other.position - alignment.position) <= moment
        beside[first:stop] = True
        for name in ("low", "high"):
            values[name][beside] = getattr(other, name)[beside]
        i, j = other.path.T
        new = (i >= first) & (i < stop) & (j > before) & (j < after)
        at = int(np.searchsorted(path[:, 0], first))
        path = np.insert(path, at, other.path[new], axis=0)
        cost = np.insert(cost, at, other.cost[new])
    alignment = replace(alignment, path=path, cost=cost, confidence=confidence, **values)
    return replace(aligned, alignment=alignment), filled


def _facing(alignment: Alignment) -> list[tuple[int, int, float, float]]:
    """First and stop row of every span of A without a counterpart whose neighbours are STILL to
    1 / STILL times as far apart in time in B as in A, with the neighbours' positions in B."""
    position = alignment.position
    edges = np.flatnonzero(np.diff(np.isnan(position), prepend=False, append=False))
    spans = []
    for first, stop in edges.reshape(-1, 2).tolist():
        if first == 0 or stop == len(position):
            continue
        before, after = float(position[first - 1]), float(position[stop])
        moments = np.interp([before, after], np.arange(len(alignment.time_b)), alignment.time_b)
        ratio = (moments[1] - moments[0]) / (alignment.time_a[stop] - alignment.time_a[first - 1])
        if STILL <= ratio <= 1 / STILL:
            spans.append((first, stop, before, after))
    return spans
