"""The parts of the movement, and what is reported of them: episodes in which a joint differs by
more than can be explained, what could not be judged, and how long each part takes in both clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import NORMAL
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.compare.differences import LEAST, Differences
from la2ds_cli.compare.judged_moments import DOUBTS, SURE, interval, slow_clip
from la2ds_cli.compare.words import amount, joint_name
from la2ds_cli.core.types import BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.features.body_quantities import DEGREES
from la2ds_cli.poses.trust import LEAST_TRUST

THIRDS = ("beginning", "middle", "end")
LASTING = 0.16  # seconds: shorter episodes are errors of single frames; five at 30 a second
LEAST_FRAMES = 3  # of the reference, for the same reason at low frame rates
_LEAST_JUDGED = 0.5  # of the LASTING seconds whose mean counts
LEAST_CHANGE = 1.1  # a ratio nearer to 1 is no difference of tempo
_VAGUE = 1.5  # an interval that reaches further from 1 does not show that a tempo is the same
_ALIKE = 10.0  # degrees; sizes no further apart are about the same
_ARMS = ("elbow", "shoulder", "wrist", "hand_height")
_AT_END = 1.0  # frames from the first or last of the other clip; no moment is known more exactly


@dataclass(frozen=True)
class Span:
    """Rows first..stop (stop exclusive) of the reference's poses. labelled: from phases.csv."""

    name: str
    first: int
    stop: int
    labelled: bool


def spans_of(pose: PoseSequence, phases: Sequence[Phase], matched: BoolArray) -> list[Span]:
    """Return the labelled phases that lie in the clip, in time order; without labels, equal thirds
    in time of its matched part. A name that occurs twice gets a number. Empty if no frame is
    matched."""
    spans = [
        Span(_numbered(*place), first, stop, labelled=True)
        for place, first, stop, _ in _inside(pose, phases)
    ]
    return spans or _thirds(pose.time, matched)


class _Place(NamedTuple):
    """The k-th of so many phases of one name in a clip, from 1."""

    name: str
    k: int
    of: int


def _inside(pose: PoseSequence, phases: Sequence[Phase]) -> list[tuple[_Place, int, int, Phase]]:
    """Return phases that lie in a clip, in time order, with their first and stop rows."""
    found = []
    for phase in sorted(phases, key=lambda phase: phase.start):
        first, stop = np.searchsorted(pose.frame, [phase.start, phase.end]).tolist()
        if stop > first:
            found.append((first, stop, phase))
    names = [phase.name for *_, phase in found]
    return [
        (_Place(name, names[: n + 1].count(name), names.count(name)), *found[n])
        for n, name in enumerate(names)
    ]


def _numbered(name: str, k: int, of: int) -> str:
    return f"{name} ({k})" if of > 1 else name


def labelled_seconds(
    clips: Sequence[tuple[PoseSequence, Sequence[Phase]]],
) -> dict[str, tuple[float, ...]]:
    """Phase, named as by `spans_of` -> how long it lasts in each clip, if all of its name were set
    by people, as many in each clip. NaN if the start or the end of a clip cuts it off, since the
    clip then does not show how long it took."""
    seconds = []
    for pose, phases in clips:
        propagated = {phase.name for phase in phases if not phase.is_truth}
        seconds.append(
            {
                place: float(pose.time[stop] - pose.time[first])
                if first > 0 and stop < len(pose)
                else np.nan
                for place, first, stop, phase in _inside(pose, phases)
                if phase.name not in propagated
            }
        )
    common = set(seconds[0]).intersection(*seconds)
    return {_numbered(*place): tuple(each[place] for each in seconds) for place in common}


def span_at(spans: Sequence[Span], row: int) -> str:
    """Name of the span that contains a row, empty if none does."""
    return next((span.name for span in spans if span.first <= row < span.stop), "")


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
    """An episode in which one joint, or a quantity, differs.

    row: the middle of the LASTING seconds, among the reference's rows, over which the difference
    exceeds most what can be explained. span: part of the movement that contains this moment. time,
    other_time: its seconds in the two clips. start, end: seconds of the episode in the reference.
    joint: name of the angle or quantity; label: what is said to differ; amount: how, in words.
    reference, other: the values then, in `unit`, whole degrees; difference: other minus reference.
    beyond: how far the difference exceeds what noise and camera can explain. trust: of the least
    trusted joint, mean over the episode. Findings are ranked by `_rank`.
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
    unit: str
    label: str
    amount: str


class Unjudged(NamedTuple):
    """Seconds of the reference that could not be judged. joint: an angle, or empty for the whole
    body. reason: why."""

    joint: str
    reason: str
    seconds: float


def find_differences(
    angles: Differences, alignment: Alignment, spans: Sequence[Span]
) -> list[Finding]:
    """Return all episodes, the largest first."""
    other_time = matched_time(alignment.position, alignment.time_b)
    found = []
    for j in range(len(angles.names)):
        for episode in _episodes(angles, j):
            finding = _finding(angles, j, episode, alignment, other_time)
            span = span_at(spans, finding.row)
            # As degrees of an angle, of which as small ones are no faults.
            size = abs(finding.difference) * LEAST / float(angles.least[j])
            found.append((_rank(finding.joint, size), replace(finding, span=span)))
    return [finding for _, finding in sorted(found, key=lambda one: one[0])]


def _finding(
    angles: Differences,
    j: int,
    episode: tuple[int, int, int],
    alignment: Alignment,
    other_time: FloatArray,
) -> Finding:
    """Return the finding of an episode (`_episodes`), without its part of the movement."""
    first, stop, row = episode
    joint, quantity = angles.names[j], angles.quantity(angles.names[j])
    unit, label = (
        (DEGREES, joint_name(joint)) if quantity is None else (quantity.unit, quantity.label)
    )
    # In whole degrees, so that the difference is the one that a reader computes.
    reference, other = (
        float(np.round(value[row, j], 0 if unit == DEGREES else 2))
        for value in (angles.reference, angles.other)
    )
    difference = round(other - reference, 2)
    return Finding(
        joint,
        "",
        row,
        float(angles.time[row]),
        float(other_time[row]),
        float(angles.time[first]),
        float(angles.time[stop - 1]),
        difference,
        reference,
        other,
        float(angles.beyond[row, j]),
        float(angles.trust[first:stop, j].mean()),
        float(alignment.confidence[row]),
        unit,
        label,
        amount(joint, difference, quantity),
    )


def _rank(joint: str, size: float) -> tuple[float, bool, float]:
    """Return what orders findings: the largest first; of about the same size, legs and trunk before
    arms, whose joints are known less well."""
    return -round(size / _ALIKE), joint.endswith(_ARMS), -size


def in_episodes(angles: Differences) -> BoolArray:
    """Return (N, J) whether a joint differs at a row by more than can be explained, and for long
    enough to be reported."""
    reported = np.zeros(angles.beyond.shape, bool)
    for j in range(len(angles.names)):
        for first, stop, _ in _episodes(angles, j):
            reported[first:stop, j] = True
    return reported & (angles.direction != 0)


def clearest_joints(angles: Differences) -> list[int]:
    """Return all joints, by what cannot be explained of their difference, and then by the
    difference."""
    beyond, difference = (
        np.where(rows, np.abs(value), 0).max(axis=0)
        for rows, value in (
            (in_episodes(angles), angles.beyond),
            (angles.judged, angles.difference),
        )
    )
    return np.lexsort((-difference, -beyond)).tolist()


def find_unjudged(angles: Differences) -> list[Unjudged]:
    """Return the moments that cannot be judged, by reason, and then the joints that cannot be
    judged at other moments, those with the longest time first. Stretches shorter than LASTING are
    left out."""
    rows = [
        _unjudged(angles, "", DOUBTS[reason], angles.doubt == reason)
        for reason in range(1, len(DOUBTS))
    ]
    joints = []
    for j, joint in enumerate(angles.names):
        unjudged = angles.sure & ~angles.judged[:, j]
        low = {
            clip: int((unjudged & (trust[:, j] < LEAST_TRUST)).sum())
            for clip, trust in (
                ("reference", angles.trust_reference),
                ("other clip", angles.trust_other),
            )
        }
        worse = max(low, key=lambda clip: low[clip])
        reason = (
            f"not seen well enough in the {worse}" if low[worse] else "a limb points at the camera"
        )
        joints.append(_unjudged(angles, joint, reason, unjudged))
    joints.sort(key=lambda row: -row.seconds)
    return [row for row in (*rows, *joints) if row.seconds]


def _unjudged(angles: Differences, joint: str, reason: str, rows: BoolArray) -> Unjudged:
    lasting = angles.axis.lasting_runs(rows, LASTING)
    return Unjudged(joint, reason, sum(angles.axis.duration_of(*run) for run in lasting))


def _episodes(angles: Differences, j: int) -> list[tuple[int, int, int]]:
    """First and stop rows of the episodes of one joint and one direction, and the judged row
    nearest to where each is clearest. An episode lasts at least LASTING seconds and LEAST_FRAMES
    frames, and the difference exceeds its floor on average over that long."""
    mean, direction = _lasting_evidence(angles, j), angles.direction[:, j]
    found = []
    for sign in (1, -1):
        for first, stop in angles.axis.lasting_runs(direction == sign, LASTING):
            clearest = first + int((sign * mean[first:stop]).argmax())
            if stop - first >= LEAST_FRAMES and sign * mean[clearest] >= 1:
                rows = first + np.flatnonzero(direction[first:stop] == sign)
                found.append((first, stop, int(rows[np.abs(rows - clearest).argmin()])))
    return found


def _lasting_evidence(angles: Differences, j: int) -> FloatArray:
    """Return (N,) mean evidence of one joint over the judged frames of the LASTING seconds around
    each row; 0 if fewer than _LEAST_JUDGED of them, or than LEAST_FRAMES, are judged."""
    half, rows = angles.axis.rows_within(LASTING / 2), np.arange(len(angles.axis))
    first, stop = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(rows))
    judged = angles.judged[:, j]
    total, count = (
        np.concatenate([[0.0], np.cumsum(each)])
        for each in (np.where(judged, angles.evidence[:, j], 0.0), judged)
    )
    count = count[stop] - count[first]
    enough = count >= np.maximum(_LEAST_JUDGED * (2 * half + 1), LEAST_FRAMES)
    return np.where(enough, (total[stop] - total[first]) / np.maximum(count, 1), 0.0)


# --- tempo --------------------------------------------------------------------------------------


class Tempo(NamedTuple):
    """One part of the movement; seconds, NaN = not known.

    reference, other: how long it takes in the two clips, by phases.csv for a phase that both have,
    else by the alignment, without rests. ratio: other / reference, above 1 = the other is slower.
    low, high: a 90 % interval of the ratio; by labels, the ratio itself. sure: by labels, or the
    alignment is sure enough at both ends. cut: why the part has no tempo, empty if it has one; if a
    clip begins or ends in a part, its length only says how the clip was cut. verdict: `slower`,
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
    alignment: Alignment, spans: Sequence[Span], labelled: Mapping[str, tuple[float, ...]]
) -> list[Tempo]:
    """Return one Tempo per span of the reference.

    Parameters
    ----------
    labelled: span -> its seconds in the two clips by labels, NaN if a clip cuts it.
    """
    bounds = [matched_time(end, alignment.time_b) for end in interval(alignment)]
    deviation = (bounds[1] - bounds[0]) / 2 / NORMAL
    rows = []
    for span in spans:
        if span.name in labelled:
            reference, other = labelled[span.name]
            cut = "one of the clips begins or ends in it" if np.isnan(reference + other) else ""
            cut = "one of the clips is in slow motion" if slow_clip(alignment) else cut
            wide, sure = 0.0, True
        else:
            cut = _cut(alignment, span)
            # until the next part begins
            ends = [span.first, min(span.stop, len(alignment.time_a) - 1)]
            reference, other = alignment.in_motion(*ends)
            wide = NORMAL * float(np.hypot(*deviation[ends]))
            sure = bool((alignment.confidence[ends] >= SURE).all())
        if not cut and not reference > 0:
            cut = "nobody moves in it"
        if cut:
            rows.append(Tempo(span.name, cut=cut))
            continue
        ratio, low, high = ((other + by) / reference for by in (0, -wide, wide))
        verdict, low = _verdict(ratio, low, high) if sure else "unclear", max(low, 0.0)
        rows.append(Tempo(span.name, reference, other, ratio, low, high, sure, "", verdict))
    return rows


def _verdict(ratio: float, low: float, high: float) -> str:
    if low > 1 and ratio > LEAST_CHANGE:
        return "slower"
    if high < 1 and ratio < 1 / LEAST_CHANGE:
        return "faster"
    near = 1 / LEAST_CHANGE <= ratio <= LEAST_CHANGE
    return "same" if near and low > 1 / _VAGUE and high < _VAGUE else "unclear"


def _cut(alignment: Alignment, span: Span) -> str:
    """Return why the time between the ends of a span is not its duration; empty if it is.

    A moment that the alignment matches with the first or last frame of a clip may lie outside it.
    """
    if slow_clip(alignment):
        return "one of the clips is in slow motion"
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
