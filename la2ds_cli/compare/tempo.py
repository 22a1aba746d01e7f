"""How long each part of the movement takes in two aligned clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.confidence import NORMAL
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.compare.differences import SURE, interval
from la2ds_cli.compare.findings import Span
from la2ds_cli.core.types import Alignment, FloatArray

LEAST_CHANGE = 1.1  # a ratio nearer to 1 is no difference of tempo
_VAGUE = 1.5  # an interval that reaches further from 1 does not show that a tempo is the same
_AT_END = 1.0  # frames from the first or last of the other clip; no moment is known more exactly
CUT_BY_LABELS = "one of the clips begins or ends in it"


@dataclass(frozen=True)
class Tempo:
    """One part of the movement; seconds, NaN = not known.

    reference, other: how long it takes in the two clips, by the alignment. ratio: other /
    reference, above 1 = the other is slower. low, high: a 90 % interval of the ratio. sure: whether
    the alignment is sure enough at both ends. labelled_reference, labelled_other: by phases.csv,
    for a phase that both have. cut: why the part has no tempo, empty if it has one; if a clip
    begins or ends in a part, its length only says how the clip was cut.
    verdict: `slower`, `faster`, `same`; `unclear` if the alignment is not sure or the interval is
    too wide to tell; `cut` if there is no tempo.
    """

    span: str
    reference: float
    other: float
    ratio: float
    low: float
    high: float
    sure: bool
    labelled_reference: float
    labelled_other: float
    cut: str
    verdict: str


def tempo(
    alignment: Alignment,
    spans: Sequence[Span],
    labelled: Mapping[str, tuple[float, float]],
) -> list[Tempo]:
    """One Tempo per span of the reference. labelled: span -> its seconds in the two clips by
    labels, NaN if a clip cuts it; the verdict uses them if there are any."""
    moment = matched_time(alignment.position, alignment.time_b)
    bounds = [matched_time(end, alignment.time_b) for end in interval(alignment)]
    deviation = (bounds[1] - bounds[0]) / 2 / NORMAL
    return [_tempo(alignment, span, moment, deviation, labelled.get(span.name)) for span in spans]


def inner_tempo(
    alignment: Alignment,
    spans: Sequence[Span],
    rows: Sequence[Tempo],
    labelled: Mapping[str, tuple[float, float]],
) -> Tempo | None:
    """The Tempo of the longest run of parts that no clip cuts, as a single part; None if the run
    has fewer than two. rows: of `tempo`."""
    best: list[Span] = []
    run: list[Span] = []
    for span, row in zip(spans, rows, strict=True):
        if row.cut:
            run = []
            continue
        run = [*run, span] if run and run[-1].stop == span.first else [span]
        best = max(best, run, key=len)
    if len(best) < 2:
        return None
    together = replace(best[0], name=f"{best[0].name} to {best[-1].name}", stop=best[-1].stop)
    seconds = [labelled[span.name] for span in best if span.name in labelled]
    by_label = {}
    if len(seconds) == len(best):
        by_label = {together.name: (sum(s[0] for s in seconds), sum(s[1] for s in seconds))}
    return tempo(alignment, [together], by_label)[0]


def _tempo(
    alignment: Alignment,
    span: Span,
    moment: FloatArray,
    deviation: FloatArray,
    labelled: tuple[float, float] | None,
) -> Tempo:
    by_label = labelled or (np.nan, np.nan)
    unknown = Tempo(
        span.name,
        reference=np.nan,
        other=np.nan,
        ratio=np.nan,
        low=np.nan,
        high=np.nan,
        sure=False,
        labelled_reference=by_label[0],
        labelled_other=by_label[1],
        cut=_cut(alignment, span),
        verdict="cut",
    )
    if labelled is not None:
        if np.isnan(by_label).any():
            return replace(unknown, cut=CUT_BY_LABELS)
        if unknown.cut:
            return replace(unknown, cut="", verdict=_by_labels(labelled))
    if unknown.cut:
        return unknown
    time = alignment.time_a
    first, stop = span.first, span.stop  # a part lasts until the next one begins
    reference = float(time[stop] - time[first])
    other = float(moment[stop] - moment[first])
    wide = NORMAL * float(np.hypot(deviation[first], deviation[stop]))
    ratio, low, high = other / reference, (other - wide) / reference, (other + wide) / reference
    sure = bool((alignment.confidence[[first, stop]] >= SURE).all())
    verdict = _verdict(ratio, low, high) if sure else "unclear"
    return replace(
        unknown,
        reference=reference,
        other=other,
        ratio=ratio,
        low=max(low, 0.0),
        high=high,
        sure=sure,
        verdict=verdict if labelled is None else _by_labels(labelled),
    )


def _cut(alignment: Alignment, span: Span) -> str:
    """Why the time between the ends of a span is not its duration; empty if it is.

    A moment that the alignment matches with the first or last frame of a clip may lie outside it.
    """
    if span.first == 0:
        return "the reference begins in it"
    if span.stop >= len(alignment.time_a):
        return "the reference ends in it"
    inside = alignment.position[span.first : span.stop + 1]
    last = len(alignment.time_b) - 1
    start, end = inside[0], inside[-1]
    if start < _AT_END:
        return "the other clip begins in it"
    if end > last - _AT_END:
        return "the other clip ends in it"
    if np.isnan(inside).any():
        return "a part of it has no counterpart in the other clip"
    return ""


def _verdict(ratio: float, low: float, high: float) -> str:
    if low > 1 and ratio > LEAST_CHANGE:
        return "slower"
    if high < 1 and ratio < 1 / LEAST_CHANGE:
        return "faster"
    near = 1 / LEAST_CHANGE <= ratio <= LEAST_CHANGE
    return "same" if near and low > 1 / _VAGUE and high < _VAGUE else "unclear"


def _by_labels(labelled: tuple[float, float]) -> str:
    """The verdict by labels, which have no interval: the ratio alone decides."""
    ratio = labelled[1] / labelled[0] if labelled[0] > 0 else np.nan
    if np.isnan(ratio):
        return "unclear"
    return "slower" if ratio > LEAST_CHANGE else "faster" if ratio < 1 / LEAST_CHANGE else "same"
