"""The parts of the movement, and the differences that are reported in them: episodes in which a
joint differs by more than can be explained, a table of all joints and parts, and what could not be
judged."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.path import matched_time
from la2ds_cli.compare.differences import DOUBTS, Differences
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.poses.trust import LEAST_TRUST

THIRDS = ("beginning", "middle", "end")
WHOLE_MOVEMENT = "whole movement"
LASTING = 0.1  # seconds: shorter episodes are errors of single frames
_ALSO = 0.1  # share of the unjudged time from which a clip is named as its cause
LEAST_FRAMES = 3  # of the reference, for the same reason at low frame rates


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


def whole_movement(matched: BoolArray) -> Span | None:
    """From the first to the last matched row; None if no row is matched."""
    rows = np.flatnonzero(matched)
    return (
        Span(WHOLE_MOVEMENT, int(rows[0]), int(rows[-1]) + 1, labelled=False) if len(rows) else None
    )


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
    part = whole_movement(matched)
    if part is None:
        return []
    last = min(part.stop, len(time) - 1)
    borders = np.linspace(time[part.first], time[last], len(THIRDS) + 1)[1:-1]
    edges = [part.first, *np.searchsorted(time, borders - 1e-9).tolist(), part.stop]
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
class JointSpan:
    """One joint over one part of the movement; degrees, NaN = not known.

    mean: of the difference where it can be judged. largest: the difference furthest beyond
    what can be explained, or the largest if none is beyond; time: when, in the reference. share: of
    the span in which the difference is beyond. beyond: at `largest`, 0 = explained.
    """

    span: str
    joint: str
    mean: float
    largest: float
    time: float
    share: float
    beyond: float


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


def by_joint(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings of each joint; joints are in the order of their clearest finding."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.joint, []).append(finding)
    return groups


def in_episodes(angles: Differences) -> BoolArray:
    """(N, J) whether a joint differs at a row by more than can be explained, and for long enough to
    be reported."""
    reported = np.zeros(angles.beyond.shape, bool)
    for j in range(len(angles.names)):
        for first, stop in _episodes(angles, j):
            reported[first:stop, j] = angles.beyond[first:stop, j] != 0
    return reported & angles.judged


def joint_table(angles: Differences, spans: Sequence[Span]) -> list[JointSpan]:
    """Every joint in every span: spans in order, and in each the joint furthest beyond first."""
    rows = []
    reported = in_episodes(angles)
    for span in spans:
        of_span = [_joint_span(angles, reported, span, j) for j in range(len(angles.names))]
        rows += sorted(of_span, key=_order)
    return rows


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


def _order(row: JointSpan) -> tuple[float, float]:
    return -abs(row.beyond), -abs(row.largest) if not np.isnan(row.largest) else 1.0


def _joint_span(angles: Differences, reported: BoolArray, span: Span, j: int) -> JointSpan:
    part = np.arange(span.first, span.stop)
    known = part[angles.judged[part, j]]
    if not len(known):
        return JointSpan(span.name, angles.names[j], np.nan, np.nan, np.nan, 0.0, 0.0)
    difference = angles.difference[known, j]
    beyond = np.where(reported[known, j], angles.beyond[known, j], 0.0)
    by = np.abs(beyond if beyond.any() else difference)
    at = int(by.argmax())
    reference, other = _whole_degrees(angles, int(known[at]), j)
    return JointSpan(
        span.name,
        angles.names[j],
        float(difference.mean()),
        other - reference,
        float(angles.time[known[at]]),
        float((beyond != 0).sum() / len(part)),
        float(beyond[at]),
    )


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
