"""From labelled clips to the phases of another clip B: each maps its own phases along an alignment,
then they vote on every frame.

A row is the number of a frame in the poses of its clip, and may be between two frames.

* A frame of B has the phase that most labelled clips give it. Of two with as many votes, that of
  the surer alignments has it; but a phase goes before none, and before a moment that a labelled
  clip does not show.
* A boundary is the median of those of the labelled clips that pass from the same phase to the same
  phase, so that one alignment gone astray moves it little. Weights gained nothing.
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
"""Seconds of B that a phase may go on for, beyond what both clips show, for each second that it
does so in the labelled clip: B may take twice as long."""
LEAST = 0.51  # rows of half a phase
NONE = ""  # the name of no phase
AGAIN = "\0"  # behind the name of a phase that follows one of its name at once, until the vote
NOT_SHOWN = None  # of moments of B that a labelled clip does not show
Name = str | None


@dataclass(frozen=True)
class PhaseRange:
    """A labelled phase in rows of its clip; `end` is exclusive. name: of its kind, AGAIN behind it
    for each phase of the same kind right before it."""

    name: str
    start: float
    end: float

    @property
    def phase(self) -> str:
        return self.name.rstrip(AGAIN)


@dataclass(frozen=True)
class Boundary:
    """Where one phase of B ends and another begins; NONE, NOT_SHOWN: what is before or after it
    instead of a phase.

    row: may be between two frames; low, high: bounds of its 90 % interval. confidence: in [0, 1],
    mean over the labelled clips, with 0 for those without it within NEAR of B's length. votes: the
    clips that have it.
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
        """Whether a phase may go on beyond it."""
        return self.before is NOT_SHOWN or self.after is NOT_SHOWN


def labelled_ranges(frame: IntArray, phases: Sequence[Phase]) -> list[PhaseRange]:
    """Phases (source frame numbers) in rows of a clip with the frames `frame` (T,), in time order.

    Phases outside these frames are left out. Raises ValueError if two phases overlap.
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
    """The boundaries of a labelled clip in B, in time order: the first one lies where B begins to
    show what it shows, the last one where B no longer does. Empty if nothing matches.

    along: of the labelled clip, as A, with B.
    """
    matched = np.flatnonzero(~np.isnan(along.position))
    if not len(matched):
        return []
    first, last, length = int(matched[0]), int(matched[-1]), len(along.time_b)
    names: dict[float, str] = {}
    for one in ranges:
        names[one.start] = one.name
        names.setdefault(one.end, NONE)
    name = next((names[row] for row in sorted(names, reverse=True) if row <= first), NONE)
    found = [_at(along, matched, first, NOT_SHOWN, name)]
    for row in sorted(names):
        if first < row <= last:
            found.append(_at(along, matched, row, name, names[row]))
            name = names[row]
    step = along.pose_a.axis.usual_step / along.pose_b.axis.usual_step  # frames of B in one
    found.append(_behind(along, last, max(step, 1.0), name))
    for one in ranges:  # a phase that goes on in A may do so in B, to an end of the clip
        start, end = found[0], found[-1]
        before, behind = (REST * step * n for n in (first - one.start, one.end - last - 1))
        if one.start <= first < one.end and min(start.low, start.row - before) < 0.5:
            found[0] = replace(start, row=0.0, low=0.0)
        if one.start <= last < one.end and max(end.high, end.row + behind) > length - 0.5:
            found[-1] = replace(end, row=float(length), high=float(length))
    return found


def _at(along: Alignment, matched: IntArray, row: float, before: Name, after: Name) -> Boundary:
    """The boundary at a row of A between the first and the last row with a counterpart. Between two
    of them, the wider bounds and the lower confidence are used; inside a gap the confidence is
    0."""
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
    """After the last row with a counterpart, all that is known is that the phase lasts through that
    frame of A, `shown` frames of B, and through the frame of B that matches it."""
    row, low, high = (
        min(float(bound[last]) + shown, float(len(along.time_b)))
        for bound in (along.position, along.low, along.high)
    )
    sure = float(along.confidence[last])
    return Boundary(name, NOT_SHOWN, row, min(low, row), max(high, row), sure)


# --- the vote of several labelled clips ------------------------------------------------------


def vote(voters: Sequence[Sequence[Boundary]], length: int) -> list[Boundary]:
    """The boundaries of clip B in time order, the first one at its first frame, the last one behind
    its last, from those of each labelled clip along its alignment with B. length: frames of B."""
    names: list[Name] = [NOT_SHOWN, NONE]
    names += dict.fromkeys(one.after for own in voters for one in own if one.after)
    tally = np.zeros((len(names), length))
    tally[2:] += 0.5
    for boundaries in voters:
        code = np.zeros(length, int)
        for boundary in boundaries:
            code[round(boundary.row) :] = names.index(boundary.after)
        sure = sum(one.confidence for one in boundaries) / max(len(boundaries), 1)
        tally[code, np.arange(length)] += 1 + sure / (4 * len(voters))
    best = [int(tally[:, 0].argmax())]
    for votes in tally.T[1:]:
        most, last = int(votes.argmax()), best[-1]
        best.append(most if votes[most] > votes[last] else last)
    changes = (np.flatnonzero(np.diff(best)) + 1).tolist()
    found = [Boundary(NOT_SHOWN, names[best[0]], 0.0, 0.0, 0.0, 1.0, len(voters))]
    for last, row, following in zip([0, *changes], changes, [*changes[1:], length], strict=False):
        between = (last + row) / 2 + LEAST, (row + following) / 2 - LEAST
        change = Boundary(names[best[row - 1]], names[best[row]], float(row), row, row, 0.0, 0)
        found.append(_agreed(voters, change, between, NEAR * length))
    end = float(length)
    found.append(Boundary(names[best[-1]], NOT_SHOWN, end, end, end, 1.0, len(voters)))
    return [
        replace(
            one,
            before=one.before and one.before.rstrip(AGAIN),
            after=one.after and one.after.rstrip(AGAIN),
        )
        for one in found
    ]


def _agreed(
    voters: Sequence[Sequence[Boundary]],
    change: Boundary,
    between: tuple[float, float],
    near: float,
) -> Boundary:
    """A boundary of the vote, at the median of those of the labelled clips, but not beyond the
    middle of a phase beside it (`between`)."""
    phases = change.before, change.after
    own = [[one for one in each if (one.before, one.after) == phases] for each in voters]
    mine = [min(each, key=lambda one: abs(one.row - change.row)) for each in own if each]
    if not mine:
        return change
    at, low, high = (
        float(np.median([getattr(one, name) for one in mine])) for name in ("row", "low", "high")
    )
    at = float(np.clip(at, *between))
    sure = sum(one.confidence for one in mine if abs(one.row - at) <= near) / len(voters)
    return replace(
        change, row=at, low=min(low, at), high=max(high, at), confidence=sure, votes=len(mine)
    )
