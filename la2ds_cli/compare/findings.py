"""What is said of the differences: spells in which a joint differs by more than can be explained,
and a table of all joints and parts of the movement."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.compare.differences import Differences
from la2ds_cli.compare.spans import Span, span_at
from la2ds_cli.core.types import BoolArray, FloatArray

LASTING = 0.1  # seconds: shorter spells are errors of single frames


@dataclass(frozen=True)
class Finding:
    """A spell in which one joint differs.

    span: part of the movement that holds the moment of the largest difference. row: that moment
    among the reference's rows; time, other_time: its seconds in the two clips. start, end: seconds
    of the spell in the reference. difference: degrees, other less reference. reference, other: the
    angles then. beyond: how far the difference exceeds noise, camera and moment; findings are
    ranked by it.
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
    confidence: float


@dataclass(frozen=True)
class JointSpan:
    """One joint over one part of the movement; degrees, NaN = not known.

    mean: of the difference where the alignment is sure. largest: the difference furthest beyond
    what can be explained, or the largest where none is; time: when, in the reference. share: part
    of the span in which the difference is beyond. beyond: at `largest`, 0 = explained.
    """

    span: str
    joint: str
    mean: float
    largest: float
    time: float
    share: float
    beyond: float


def find(
    found: Differences, other_time: FloatArray, confidence: FloatArray, spans: Sequence[Span]
) -> list[Finding]:
    """All spells, those that exceed what can be explained by most first. other_time: (N,) seconds
    of the other clip."""
    findings = []
    for j, joint in enumerate(found.names):
        for first, stop in _spells(found, j):
            row = first + int(np.nanargmax(np.abs(found.beyond[first:stop, j])))
            findings.append(
                Finding(
                    joint,
                    span_at(spans, row),
                    row,
                    float(found.time[row]),
                    float(other_time[row]),
                    float(found.time[first]),
                    float(found.time[stop - 1]),
                    float(found.difference[row, j]),
                    float(found.reference[row, j]),
                    float(found.reference[row, j] + found.difference[row, j]),
                    float(found.beyond[row, j]),
                    float(confidence[row]),
                )
            )
    return sorted(findings, key=lambda finding: -abs(finding.beyond))


def by_joint(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings of each joint, the joints in the order of their clearest."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.joint, []).append(finding)
    return found


def in_spells(found: Differences) -> BoolArray:
    """(N, J) whether a joint differs, at a row, by more than can be explained, and for long enough
    to be told."""
    told = np.zeros(found.beyond.shape, bool)
    for j in range(len(found.names)):
        for first, stop in _spells(found, j):
            told[first:stop, j] = found.beyond[first:stop, j] != 0
    return told


def joint_table(found: Differences, spans: Sequence[Span]) -> list[JointSpan]:
    """Every joint in every span, the spans in order, in each the joint furthest beyond first."""
    rows = []
    told = in_spells(found)
    for span in spans:
        of_span = [_joint_span(found, told, span, j) for j in range(len(found.names))]
        rows += sorted(of_span, key=_order)
    return rows


def _order(row: JointSpan) -> tuple[float, float]:
    return -abs(row.beyond), -abs(row.largest) if not np.isnan(row.largest) else 1.0


def _joint_span(found: Differences, told: BoolArray, span: Span, j: int) -> JointSpan:
    part = np.arange(span.first, span.stop)
    known = part[found.sure[part] & ~np.isnan(found.beyond[part, j])]
    if not len(known):
        return JointSpan(span.name, found.names[j], np.nan, np.nan, np.nan, 0.0, 0.0)
    difference = found.difference[known, j]
    beyond = np.where(told[known, j], found.beyond[known, j], 0.0)
    by = np.abs(beyond if beyond.any() else difference)
    at = int(by.argmax())
    return JointSpan(
        span.name,
        found.names[j],
        float(difference.mean()),
        float(difference[at]),
        float(found.time[known[at]]),
        float((beyond != 0).sum() / len(part)),
        float(beyond[at]),
    )


def _spells(found: Differences, j: int) -> list[tuple[int, int]]:
    """First and stop rows of the spells of one joint and one sign that last."""
    spells = []
    with np.errstate(invalid="ignore"):
        signs = [np.asarray(found.sure & (sign * found.beyond[:, j] > 0)) for sign in (1, -1)]
    for beyond in signs:
        spells += [
            (first, stop)
            for first, stop in _joined(_runs(beyond), found.time)
            if _duration(found.time, first, stop) >= LASTING - 1e-9
        ]
    return spells


def _runs(mask: BoolArray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    return [(int(first), int(stop)) for first, stop in edges]


def _joined(runs: list[tuple[int, int]], time: FloatArray) -> list[tuple[int, int]]:
    """Runs with less than LASTING seconds between them as one."""
    if not runs:
        return []
    found = [runs[0]]
    for (_, before), (first, stop) in itertools.pairwise(runs):
        if time[first] - time[before] < LASTING:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((first, stop))
    return found


def _duration(time: FloatArray, first: int, stop: int) -> float:
    """Seconds that the rows first..stop last; the last one as long as the one before it."""
    end = time[stop] if stop < len(time) else 2 * time[-1] - time[max(len(time) - 2, 0)]
    return float(end - time[first])
