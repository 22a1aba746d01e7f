"""Vote on the phases of a clip B: labelled clips map their phases along alignments, then vote on
every frame.

A row is the number of a frame in the poses of its clip, and may be between two frames.

* A frame of B gets the phase with most votes of labelled clips. If two have equally many, the surer
  alignments decide; but any phase wins over no phase, and over a moment that a labelled clip does
  not show.
* A boundary is the median of the boundaries of labelled clips between the same two phases, so that
  a single wrong alignment moves it little. Weights gained nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.core.phase_table import in_time_order
from la2ds_cli.core.types import IntArray, Phase

REST = 2.0
"""Seconds that a phase may go on in B beyond what both clips show, for each second that it does so
in the labelled clip: B may take twice as long."""
LEAST = 0.51  # rows of half a phase
NONE = ""  # the name of no phase
AGAIN = "\0"  # marks, until the vote, a phase that follows another of the same name at once
NOT_SHOWN = None  # of moments of B that a labelled clip does not show
Name = str | None


@dataclass(frozen=True)
class PhaseRange:
    """A labelled phase in rows of its clip; `end` is exclusive.

    name: followed by AGAIN for each phase of the same name right before it.
    """

    name: str
    start: float
    end: float

    @property
    def phase(self) -> str:
        return self.name.rstrip(AGAIN)


@dataclass(frozen=True)
class Boundary:
    """Where a phase of B ends and another begins.

    before, after: names of the phases, or NONE or NOT_SHOWN. row: may be between two frames. low,
    high: bounds of its 90 % interval. confidence: in [0, 1], mean over the labelled clips, 0 for
    clips without the boundary within NEAR of B's length. votes: number of clips that have it.
    """

    before: Name
    after: Name
    row: float
    low: float
    high: float
    confidence: float
    votes: int = 1

    @property
    def cut(self) -> bool:
        """Whether a phase may go on beyond the boundary."""
        return self.before is NOT_SHOWN or self.after is NOT_SHOWN


def labelled_ranges(frame: IntArray, phases: Sequence[Phase]) -> list[PhaseRange]:
    """Return phases (source frame numbers) in rows of a clip with the frames `frame` (T,).

    They are in time order, without phases outside these frames. Raises ValueError if two phases
    overlap.
    """
    rows = np.arange(len(frame))
    ranges = []
    for phase in in_time_order(phases):
        start = float(np.interp(phase.start, frame, rows))
        inside = phase.end <= frame[-1]
        end = float(np.interp(phase.end, frame, rows)) if inside else float(len(frame))
        if phase.end > frame[0] and phase.start <= frame[-1] and end > start:
            name = phase.name
            if ranges and ranges[-1].end == start and ranges[-1].phase == name:
                name = ranges[-1].name + AGAIN
            ranges.append(PhaseRange(name, start, end))
    return ranges


def boundaries_along(ranges: Sequence[PhaseRange], along: Alignment) -> list[Boundary]:
    """Return the boundaries of a labelled clip in B, in time order; empty if nothing matches.

    The first and the last boundary enclose what both clips show.

    Parameters
    ----------
    ranges: phases of the labelled clip.
    along: alignment of the labelled clip, as A, with B.
    """
    matched = np.flatnonzero(~np.isnan(along.position))
    if not len(matched):
        return []
    first, last, length = int(matched[0]), int(matched[-1]), len(along.time_b)
    names: dict[float, str] = {}
    for phase in ranges:
        names[phase.start] = phase.name
        names.setdefault(phase.end, NONE)
    name = next((names[row] for row in sorted(names, reverse=True) if row <= first), NONE)
    boundaries = [_at(along, matched, first, NOT_SHOWN, name)]
    for row in sorted(names):
        if first < row <= last:
            boundaries.append(_at(along, matched, row, name, names[row]))
            name = names[row]
    step = along.pose_a.axis.usual_step / along.pose_b.axis.usual_step  # frames of B per frame of A
    boundaries.append(_behind(along, last, max(step, 1.0), name))
    for phase in ranges:  # a phase that goes on in A may do so in B, to an end of the clip
        start, end = boundaries[0], boundaries[-1]
        before, behind = (REST * step * n for n in (first - phase.start, phase.end - last - 1))
        if phase.start <= first < phase.end and min(start.low, start.row - before) < 0.5:
            boundaries[0] = replace(start, row=0.0, low=0.0)
        if phase.start <= last < phase.end and max(end.high, end.row + behind) > length - 0.5:
            boundaries[-1] = replace(end, row=float(length), high=float(length))
    return boundaries


def _at(along: Alignment, matched: IntArray, row: float, before: Name, after: Name) -> Boundary:
    """Return the boundary at a row of A between the first and the last row with a counterpart.

    Between two such rows, the wider bounds and the lower confidence are used; inside a gap the
    confidence is 0.
    """
    left = matched[np.searchsorted(matched, row, side="right") - 1]
    right = matched[np.searchsorted(matched, row)]
    return Boundary(
        before,
        after,
        row=float(np.interp(row, matched, along.position[matched])),
        low=float(along.low[left]),
        high=float(along.high[right]),
        confidence=0.0 if right - left > 1 else float(min(along.confidence[[left, right]])),
    )


def _behind(along: Alignment, last: int, shown: float, name: str) -> Boundary:
    """Return the boundary after the last row of A with a counterpart: the phase lasts at least
    through this frame, `shown` frames of B, and through the frame of B that matches it."""
    row, low, high = (
        min(float(bound[last]) + shown, float(len(along.time_b)))
        for bound in (along.position, along.low, along.high)
    )
    sure = float(along.confidence[last])
    return Boundary(name, NOT_SHOWN, row, min(low, row), max(high, row), sure)


# --- the vote of several labelled clips ------------------------------------------------------


def vote(voters: Sequence[Sequence[Boundary]], length: int) -> list[Boundary]:
    """Return the boundaries of clip B in time order, from its first frame to behind its last.

    Parameters
    ----------
    voters: for each labelled clip, its boundaries in B (boundaries_along).
    length: frames of B.
    """
    names: list[Name] = [NOT_SHOWN, NONE]
    names += dict.fromkeys(each.after for own in voters for each in own if each.after)
    tally = np.zeros((len(names), length))
    tally[2:] += 0.5
    for boundaries in voters:
        code = np.zeros(length, int)
        for boundary in boundaries:
            code[round(boundary.row) :] = names.index(boundary.after)
        sure = sum(each.confidence for each in boundaries) / max(len(boundaries), 1)
        tally[code, np.arange(length)] += 1 + sure / (4 * len(voters))
    best = [int(tally[:, 0].argmax())]
    for votes in tally.T[1:]:
        most, last = int(votes.argmax()), best[-1]
        best.append(most if votes[most] > votes[last] else last)
    changes = (np.flatnonzero(np.diff(best)) + 1).tolist()
    agreed = [Boundary(NOT_SHOWN, names[best[0]], 0.0, 0.0, 0.0, 1.0, len(voters))]
    for last, row, following in zip([0, *changes], changes, [*changes[1:], length], strict=False):
        between = (last + row) / 2 + LEAST, (row + following) / 2 - LEAST
        change = Boundary(names[best[row - 1]], names[best[row]], float(row), row, row, 0.0, 0)
        agreed.append(_agreed(voters, change, between, NEAR * length))
    end = float(length)
    agreed.append(Boundary(names[best[-1]], NOT_SHOWN, end, end, end, 1.0, len(voters)))
    return [
        replace(
            each,
            before=each.before and each.before.rstrip(AGAIN),
            after=each.after and each.after.rstrip(AGAIN),
        )
        for each in agreed
    ]


def _agreed(
    voters: Sequence[Sequence[Boundary]],
    change: Boundary,
    between: tuple[float, float],
    near: float,
) -> Boundary:
    """Return a boundary of the vote at the median of the labelled clips' boundaries, but not beyond
    the middle of a phase beside it (`between`)."""
    phases = change.before, change.after
    same = [[each for each in own if (each.before, each.after) == phases] for own in voters]
    nearest = [min(own, key=lambda each: abs(each.row - change.row)) for own in same if own]
    if not nearest:
        return change
    at, low, high = (
        float(np.median([getattr(each, name) for each in nearest]))
        for name in ("row", "low", "high")
    )
    at = float(np.clip(at, *between))
    sure = sum(each.confidence for each in nearest if abs(each.row - at) <= near) / len(voters)
    return replace(
        change, row=at, low=min(low, at), high=max(high, at), confidence=sure, votes=len(nearest)
    )
