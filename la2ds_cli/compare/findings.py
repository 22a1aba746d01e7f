"""The parts of the movement, and what is reported of them: episodes in which a joint differs by
more than can be explained, what could not be judged, and how long each part takes in both clips.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.confidence import NORMAL
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.compare.differences import DOUBTS, SURE, Differences, interval
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.poses.trust import LEAST_TRUST

THIRDS = ("beginning", "middle", "end")
LASTING = 0.1  # seconds: shorter episodes are errors of single frames
_ALSO = 0.1  # share of the unjudged time from which a clip is named as its cause
LEAST_FRAMES = 3  # of the reference, for the same reason at low frame rates
LEAST_CHANGE = 1.1  # a ratio nearer to 1 is no difference of tempo
_VAGUE = 1.5  # an interval that reaches further from 1 does not show that a tempo is the same
_AT_END = 1.0  # frames from the first or last of the other clip; no moment is known more exactly


@dataclass(frozen=True)
class Span:
    """Rows first..stop (stop exclusive) of the reference's poses. labelled: from phases.csv."""

    name: str
    first: int
    stop: int
    labelled: bool


def spans_of(pose: PoseSequence, phases: Sequence[Phase], matched: BoolArray) -> list[Span]:
    """The labelled phases that lie in the clip, in time order; without labels, equal thirds in time
    of its matched part. A name that occurs twice gets a number. Empty if no frame is matched."""
    spans = [
        Span(phase.name, *_rows(pose, phase), labelled=True)
        for phase in sorted(phases, key=lambda phase: phase.start)
    ]
    spans = [span for span in spans if span.stop > span.first]
    return _numbered(spans) if spans else _thirds(pose.time, matched)


def phase_rows(pose: PoseSequence, phases: Sequence[Phase]) -> dict[str, tuple[int, int]]:
    """Numbered phase name -> first and stop row in the clip, as `spans_of` names them."""
    return {
        span.name: (span.first, span.stop)
        for span in spans_of(pose, phases, np.zeros(len(pose), bool))
    }


def span_at(spans: Sequence[Span], row: int) -> str:
    """Name of the span that contains a row, empty if none does."""
    return next((span.name for span in spans if span.first <= row < span.stop), "")


def _rows(pose: PoseSequence, phase: Phase) -> tuple[int, int]:
    first, stop = np.searchsorted(pose.frame, [phase.start, phase.end])
    return int(first), int(stop)


def _numbered(spans: list[Span]) -> list[Span]:
    names = [span.name for span in spans]
    numbered = []
    for k, span in enumerate(spans):
        count = names[: k + 1].count(span.name)
        several = names.count(span.name) > 1
        name = f"{span.name} ({count})" if several else span.name
        numbered.append(Span(name, span.first, span.stop, span.labelled))
    return numbered


def _thirds(time: FloatArray, matched: BoolArray) -> list[Span]:
    rows = np.flatnonzero(matched)
    if not len(rows):
        return []
    first, stop = int(rows[0]), int(rows[-1]) + 1
    borders = np.linspace(time[first], time[min(stop, len(time) - 1)], len(THIRDS) + 1)[1:-1]
    edges = [first, *np.searchsorted(time, borders - 1e-9).tolist(), stop]
    thirds = [
        Span(name, first, stop, labelled=False)
        for name, first, stop in zip(THIRDS, edges[:-1], edges[1:], strict=True)
    ]
    return [span for span in thirds if span.stop > span.first]


# --- differences ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """An episode in which one joint differs.

    span: part of the movement that contains the moment of the largest difference. row: that moment
    among the reference's rows; time, other_time: its seconds in the two clips. start, end: seconds
    of the episode in the reference. reference, other: the angles then, in whole degrees;
    difference: other minus reference. beyond: how far the difference exceeds what noise, camera and
    alignment can explain. trust: of the least trusted joint, mean over the episode. Findings are
    ranked by beyond times trust.
    """

    joint: str
    span: str
    row: int
    time: float
    other_time: float
    start: float
    end: float
    difference: float
    reference: float
    other: float
    beyond: float
    trust: float
    confidence: float


@dataclass(frozen=True)
class Unjudged:
    """The time of the reference that could not be judged.

    joint: an angle, or empty for the whole body. reason: why. spans: first and last second of each
    stretch, in the reference. seconds: total length of the stretches.
    """

    joint: str
    reason: str
    seconds: float
    spans: tuple[tuple[float, float], ...]


def find_differences(
    angles: Differences, alignment: Alignment, spans: Sequence[Span]
) -> list[Finding]:
    """All episodes, the clearest first."""
    other_time = matched_time(alignment.position, alignment.time_b)
    findings = []
    for j, joint in enumerate(angles.names):
        for first, stop in _episodes(angles, j):
            beyond = np.where(angles.judged[first:stop, j], angles.beyond[first:stop, j], 0.0)
            row = first + int(np.abs(beyond).argmax())
            reference, other = _whole_degrees(angles, row, j)
            findings.append(
                Finding(
                    joint,
                    span_at(spans, row),
                    row,
                    float(angles.time[row]),
                    float(other_time[row]),
                    float(angles.time[first]),
                    float(angles.time[stop - 1]),
                    other - reference,
                    reference,
                    other,
                    float(angles.beyond[row, j]),
                    float(angles.trust[first:stop, j].mean()),
                    float(alignment.confidence[row]),
                )
            )
    return sorted(findings, key=lambda finding: -abs(finding.beyond) * finding.trust)


def in_episodes(angles: Differences) -> BoolArray:
    """(N, J) whether a joint differs at a row by more than can be explained, and for long enough to
    be reported."""
    reported = np.zeros(angles.beyond.shape, bool)
    for j in range(len(angles.names)):
        for first, stop in _episodes(angles, j):
            reported[first:stop, j] = angles.beyond[first:stop, j] != 0
    return reported & angles.judged


def clearest_joints(angles: Differences) -> list[int]:
    """All joints, by what cannot be explained of their difference, and then by the difference."""
    beyond, difference = (
        np.where(rows, np.abs(value), 0).max(axis=0)
        for rows, value in (
            (in_episodes(angles), angles.beyond),
            (angles.judged, angles.difference),
        )
    )
    return np.lexsort((-difference, -beyond)).tolist()


def find_unjudged(angles: Differences) -> list[Unjudged]:
    """The moments that cannot be judged, by reason, and then the joints that cannot be judged at
    other moments, those with the longest time first. Stretches shorter than LASTING are left
    out."""
    rows = [
        _unjudged(angles, "", DOUBTS[reason], angles.doubt == reason)
        for reason in range(1, len(DOUBTS))
    ]
    joints = []
    for j, joint in enumerate(angles.names):
        low = [trust[:, j] < LEAST_TRUST for trust in (angles.trust_reference, angles.trust_other)]
        unjudged = angles.sure & ~angles.judged[:, j]
        by_clip = [(unjudged & here).sum() > _ALSO * unjudged.sum() for here in low]
        which = {
            (True, False): "in the reference",
            (False, True): "in the other clip",
            (True, True): "in both clips",
        }.get((bool(by_clip[0]), bool(by_clip[1])))
        reason = f"not seen well enough {which}" if which else "its angle is not known"
        joints.append(_unjudged(angles, joint, reason, unjudged))
    joints.sort(key=lambda row: -row.seconds)
    return [row for row in (*rows, *joints) if row.spans]


def _unjudged(angles: Differences, joint: str, reason: str, rows: BoolArray) -> Unjudged:
    stretches = [
        (first, stop)
        for first, stop in joined_runs(runs_of(rows), angles.time)
        if _duration(angles.time, first, stop) >= LASTING - 1e-9
    ]
    spans = tuple(
        (float(angles.time[first]), float(angles.time[stop - 1])) for first, stop in stretches
    )
    seconds = sum(_duration(angles.time, first, stop) for first, stop in stretches)
    return Unjudged(joint, reason, seconds, spans)


def _whole_degrees(angles: Differences, row: int, j: int) -> tuple[float, float]:
    """Both angles in whole degrees, so that their difference is the one a reader computes."""
    return float(np.round(angles.reference[row, j])), float(np.round(angles.other[row, j]))


def _episodes(angles: Differences, j: int) -> list[tuple[int, int]]:
    """First and stop rows of the episodes of one joint and one sign that last long enough."""
    episodes = []
    with np.errstate(invalid="ignore"):
        signs = [angles.judged[:, j] & (sign * angles.beyond[:, j] > 0) for sign in (1, -1)]
    for beyond in signs:
        episodes += [
            (first, stop)
            for first, stop in joined_runs(runs_of(beyond), angles.time)
            if _lasts(angles.time, first, stop)
        ]
    return episodes


def _lasts(time: FloatArray, first: int, stop: int) -> bool:
    """Whether rows first..stop last at least LASTING seconds and LEAST_FRAMES frames. The frames of
    the other clip need not be counted: `beyond` holds for all of its frames around each moment."""
    return stop - first >= LEAST_FRAMES and _duration(time, first, stop) >= LASTING - 1e-9


def runs_of(mask: BoolArray) -> list[tuple[int, int]]:
    """First and stop row of every stretch of a mask (N,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    return [(int(first), int(stop)) for first, stop in edges]


def joined_runs(runs: list[tuple[int, int]], time: FloatArray) -> list[tuple[int, int]]:
    """Join runs that are less than LASTING seconds apart."""
    if not runs:
        return []
    joined = [runs[0]]
    for (_, before), (first, stop) in itertools.pairwise(runs):
        if time[first] - time[before] < LASTING:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((first, stop))
    return joined


def _duration(time: FloatArray, first: int, stop: int) -> float:
    """Seconds that the rows first..stop last; the clip's last frame lasts as long as the previous
    one."""
    end = time[stop] if stop < len(time) else 2 * time[-1] - time[max(len(time) - 2, 0)]
    return float(end - time[first])


# --- tempo --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tempo:
    """One part of the movement; seconds, NaN = not known.

    reference, other: how long it takes in the two clips, by phases.csv for a phase that both have,
    else by the alignment. ratio: other / reference, above 1 = the other is slower. low, high: a
    90 % interval of the ratio, NaN by labels. sure: by labels, or the alignment is sure enough at
    both ends. cut: why the part has no tempo, empty if it has one; if a clip begins or ends in a
    part, its length only says how the clip was cut. verdict: `slower`,
    `faster`, `same`; `unclear` if the alignment is not sure or the interval is too wide to tell;
    `cut` if there is no tempo.
    """

    span: str
    reference: float = np.nan
    other: float = np.nan
    ratio: float = np.nan
    low: float = np.nan
    high: float = np.nan
    sure: bool = False
    cut: str = ""
    verdict: str = "cut"


def tempo(
    alignment: Alignment,
    spans: Sequence[Span],
    labelled: Mapping[str, tuple[float, float]],
) -> list[Tempo]:
    """One Tempo per span of the reference. labelled: span -> its seconds in the two clips by
    labels, NaN if a clip cuts it."""
    moment = matched_time(alignment.position, alignment.time_b)
    bounds = [matched_time(end, alignment.time_b) for end in interval(alignment)]
    deviation = (bounds[1] - bounds[0]) / 2 / NORMAL
    return [
        _labelled_tempo(span, *labelled[span.name])
        if span.name in labelled
        else _aligned_tempo(alignment, span, moment, deviation)
        for span in spans
    ]


def _labelled_tempo(span: Span, reference: float, other: float) -> Tempo:
    """Labels have no interval: the ratio alone decides."""
    if np.isnan([reference, other]).any():
        return Tempo(span.name, cut="one of the clips begins or ends in it")
    ratio = other / reference
    verdict = _verdict(ratio, ratio, ratio)
    return Tempo(span.name, reference, other, ratio, sure=True, verdict=verdict)


def _aligned_tempo(
    alignment: Alignment, span: Span, moment: FloatArray, deviation: FloatArray
) -> Tempo:
    if cut := _cut(alignment, span):
        return Tempo(span.name, cut=cut)
    first, stop = span.first, span.stop  # a part lasts until the next one begins
    reference = float(alignment.time_a[stop] - alignment.time_a[first])
    other = float(moment[stop] - moment[first])
    wide = NORMAL * float(np.hypot(deviation[first], deviation[stop]))
    ratio, low, high = other / reference, (other - wide) / reference, (other + wide) / reference
    sure = bool((alignment.confidence[[first, stop]] >= SURE).all())
    verdict = _verdict(ratio, low, high) if sure else "unclear"
    return Tempo(span.name, reference, other, ratio, max(low, 0.0), high, sure, "", verdict)


def _verdict(ratio: float, low: float, high: float) -> str:
    if low > 1 and ratio > LEAST_CHANGE:
        return "slower"
    if high < 1 and ratio < 1 / LEAST_CHANGE:
        return "faster"
    near = 1 / LEAST_CHANGE <= ratio <= LEAST_CHANGE
    return "same" if near and low > 1 / _VAGUE and high < _VAGUE else "unclear"


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
