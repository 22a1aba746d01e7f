"""Which moments of an alignment can be judged at all, and why the others cannot."""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.compare.viewpoint import ViewDifference
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence

SURE = 0.5  # least confidence of the alignment for its times
# Least confidence for its angles: what the match does not know of its moment is in its interval, in
# which the difference must hold.
LEAST_SURE = 0.3
SLOW_MOTION = 3.0  # nobody moves that many times as slowly; such a clip is played slowly
# The same where one clip is in slow motion: what is slow there is a jump in the other clip, and the
# movement may pause in one of them only.
SLOW_SURE = 0.9
LONG_HELD = 0.1  # seconds; a clip that matches an end of the other for longer has no counterpart
OTHER_NOW = 40.0  # degrees between the views at a moment, beyond which angles say nothing
# A loose match (`loose_matches`): the least of two distances in units of the spread of both clips'
# features, and of their sum in units of the usual distance of a match, which is larger where two
# people move differently.
LOOSE = 0.6
LOOSE_BY_USUAL = 3.6
_NEAR_LOOSE = 0.25  # seconds of the reference: a match so near a loose one is no better known
_REACH = 1.0  # frames of B: no moment is known more exactly

# Why nothing is said about a moment; Differences.doubt holds indices of these.
DOUBTS = (
    "",
    "no counterpart in the other clip",
    "the other clip has not begun or is over",
    "the alignment is not sure",
    "the two bodies are seen from different sides",
)
JUDGED, _UNMATCHED, _HELD, _UNSURE, _TURNED = range(5)


def find_doubts(
    a: PoseSequence, length_b: int, alignment: Alignment, view: ViewDifference
) -> IntArray:
    """Return (N,) the index in DOUBTS of why a moment of A cannot be judged; JUDGED if it can.

    Parameters
    ----------
    a: the reference, as it is compared.
    length_b: number of B's frames.
    alignment: of B with A.
    view: how far the two cameras stand apart.
    """
    position = alignment.position
    with np.errstate(invalid="ignore"):
        turned = np.asarray(view.by_frame > OTHER_NOW) & (not a.spatial)
    least = SLOW_SURE if slow_clip(alignment) else LEAST_SURE
    reasons = {
        _UNMATCHED: np.isnan(position),
        _HELD: held_ends(position, length_b, a.time),
        _UNSURE: (alignment.confidence < least) | near_loose_matches(alignment),
        _TURNED: turned,
    }
    return np.select(list(reasons.values()), list(reasons), JUDGED)


def slow_clip(alignment: Alignment) -> str:
    """Return which clip is in slow motion, `reference` or `other`; empty if neither is."""
    ratio = alignment.overall_ratio
    if ratio > SLOW_MOTION:
        return "other"
    return "reference" if ratio < 1 / SLOW_MOTION else ""


def interval(alignment: Alignment) -> tuple[FloatArray, FloatArray]:
    """Return (N,) and (N,) first and last position among B's frames where each frame of A may lie:
    the alignment's bounds, at least one frame on either side; NaN = no counterpart."""
    position = alignment.position
    return (np.fmin(alignment.low, position - _REACH), np.fmax(alignment.high, position + _REACH))


def near_loose_matches(alignment: Alignment) -> BoolArray:
    """Return (N,) frames of A within _NEAR_LOOSE of one with a loose match; in slow motion within
    as much longer."""
    loose, rows = loose_matches(alignment), np.arange(len(alignment.position))
    total = np.concatenate([[0], np.cumsum(loose)])
    slower = 1 / alignment.overall_ratio if slow_clip(alignment) == "reference" else 1.0
    reach = alignment.pose_a.axis.rows_within(_NEAR_LOOSE * slower)
    first, stop = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(rows))
    return total[stop] > total[first]


def loose_matches(alignment: Alignment) -> BoolArray:
    """Return (N,) frames of A whose true moment may look quite unlike their match: B is not much
    like A there, and moves far within the match's interval.

    These are two distances: of the match, and from it to the furthest moment of the interval. Each
    exceeds LOOSE times the root mean square distance of all features from their mean, and their sum
    LOOSE_BY_USUAL times the median distance of matches. So it is where one does first what the
    other does last: arms before the trunk, or the trunk before the arms.
    """
    a, b = alignment.compared
    low, high = interval(alignment)
    both, loose = np.concatenate([a, b]), np.zeros(len(a), bool)
    if not len(alignment.cost):
        return loose
    spread = float(np.sqrt(np.square(both - both.mean(axis=0)).sum(axis=1).mean()))
    usual = float(np.median(alignment.cost))
    matched, row = nearest_rows(alignment.position, len(b))
    for n in np.flatnonzero(matched):
        around = b[max(int(np.floor(low[n])), 0) : int(np.ceil(high[n])) + 1]
        moved = np.linalg.norm(around - b[row[n]], axis=1).max()
        apart = np.linalg.norm(b[row[n]] - a[n])
        loose[n] = min(moved, apart) > LOOSE * spread and moved + apart > LOOSE_BY_USUAL * usual
    return loose


def held_ends(position: FloatArray, length: int, time: FloatArray) -> BoolArray:
    """Return (N,) frames of A that match the first or the last frame of B for longer than
    LONG_HELD.

    With closed ends, B begins later or ends earlier than A there: it does not show those moments.

    Parameters
    ----------
    position: (N,) in B, which has `length` frames.
    length: number of B's frames.
    time: (N,) seconds of A.
    """
    held = np.zeros(len(position), bool)
    with np.errstate(invalid="ignore"):
        at_ends = position < 0.5, position > length - 1.5
    for at_end in at_ends:
        rows = np.flatnonzero(at_end)
        if len(rows) and time[rows[-1]] - time[rows[0]] > LONG_HELD:
            held[rows] = True
    return held
