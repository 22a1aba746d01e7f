"""How long each part of the movement takes in two aligned clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.confidence import NORMAL
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.compare.differences import SURE, interval
from la2ds_cli.compare.findings import Span
from la2ds_cli.core.types import Alignment, FloatArray

LEAST_CHANGE = 1.1  # a ratio nearer to 1 is no difference of tempo
_VAGUE = 1.5  # an interval that reaches further from 1 does not show that a tempo is the same


@dataclass(frozen=True)
class Tempo:
    """One part of the movement; seconds, NaN = not known.

    reference, other: how long it takes in the two, by the alignment, over its matched part.
    ratio: other / reference, above 1 = the other is slower. low, high: a 90 % interval of the
    ratio. share: matched part of the reference's span. sure: whether the alignment is sure enough
    at both ends. at_end: whether the span begins or ends with the reference, so that how the clips
    were cut counts, too. labelled_reference, labelled_other: by phases.csv, of a phase that both
    have.
    verdict: `slower`, `faster`, `same`, or `unclear` where the alignment is not sure or the
    interval is too wide to tell.
    """

    span: str
    reference: float
    other: float
    ratio: float
    low: float
    high: float
    share: float
    sure: bool
    at_end: bool
    labelled_reference: float
    labelled_other: float
    verdict: str


def tempo(
    alignment: Alignment,
    spans: Sequence[Span],
    labelled: Mapping[str, tuple[float, float]],
) -> list[Tempo]:
    """One Tempo per span of the reference. labelled: span -> its seconds in the two by labels; the
    verdict goes by them where there are any."""
    moment = matched_time(alignment.position, alignment.time_b)
    bounds = [matched_time(end, alignment.time_b) for end in interval(alignment)]
    deviation = (bounds[1] - bounds[0]) / 2 / NORMAL
    return [_tempo(alignment, span, moment, deviation, labelled.get(span.name)) for span in spans]


def _tempo(
    alignment: Alignment,
    span: Span,
    moment: FloatArray,
    deviation: FloatArray,
    labelled: tuple[float, float] | None,
) -> Tempo:
    time = alignment.time_a
    # A part lasts until the next one begins.
    ends = np.arange(span.first, min(span.stop, len(time) - 1) + 1)
    known = ends[~np.isnan(moment[ends])]
    by_label = labelled or (np.nan, np.nan)
    at_end = span.first == 0 or span.stop >= len(time)
    full = float(time[ends[-1]] - time[ends[0]])
    if len(known) < 2:
        return Tempo(
            span.name,
            reference=np.nan,
            other=np.nan,
            ratio=np.nan,
            low=np.nan,
            high=np.nan,
            share=0.0,
            sure=False,
            at_end=at_end,
            labelled_reference=by_label[0],
            labelled_other=by_label[1],
            verdict=_by_labels(by_label),
        )
    first, last = int(known[0]), int(known[-1])
    reference = float(time[last] - time[first])
    other = float(moment[last] - moment[first])
    wide = NORMAL * float(np.hypot(deviation[first], deviation[last]))
    ratio, low, high = other / reference, (other - wide) / reference, (other + wide) / reference
    sure = bool((alignment.confidence[[first, last]] >= SURE).all())
    verdict = _verdict(ratio, low, high) if sure else "unclear"
    if labelled is not None:
        verdict = _by_labels(labelled)
    share = reference / full if full > 0 else 0.0
    return Tempo(
        span.name,
        reference,
        other,
        ratio,
        max(low, 0.0),
        high,
        share,
        sure,
        at_end,
        *by_label,
        verdict,
    )


def _verdict(ratio: float, low: float, high: float) -> str:
    if low > 1 and ratio > LEAST_CHANGE:
        return "slower"
    if high < 1 and ratio < 1 / LEAST_CHANGE:
        return "faster"
    near = 1 / LEAST_CHANGE <= ratio <= LEAST_CHANGE
    return "same" if near and low > 1 / _VAGUE and high < _VAGUE else "unclear"


def _by_labels(labelled: tuple[float, float]) -> str:
    """Labels state no interval: the change alone decides."""
    ratio = labelled[1] / labelled[0] if labelled[0] > 0 else np.nan
    if np.isnan(ratio):
        return "unclear"
    return "slower" if ratio > LEAST_CHANGE else "faster" if ratio < 1 / LEAST_CHANGE else "same"
