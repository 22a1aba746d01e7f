"""Which moments of two aligned clips a few pictures show: more where the movement is, and B's frame
under the frame of A that it matches."""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.path import is_monotone
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.features.tempo import travel

_RESTS = 0.25  # of the pictures go by time, so that a rest is shown too; the others by movement

Step = tuple[int | None, int | None]


def moments(alignment: Alignment, a: PoseSequence, b: PoseSequence, count: int) -> list[Step]:
    """`count` pairs of rows of A and of B in time order; None = no counterpart.

    Between two of them, the clips move equally far. Rows of B without a counterpart are left out if
    the path runs back and forth.
    """
    steps = _steps(alignment)
    share = np.zeros(len(steps))
    for clip, pose in enumerate((a, b)):
        of = _share(pose)
        shown = -1
        for n, step in enumerate(steps):
            row = step[clip]
            if row is not None and row != shown:
                share[n] += of[row]
                shown = row
    middle = np.cumsum(share) - share / 2
    wanted = (np.arange(count) + 0.5) / count * share.sum()
    return [steps[int(np.abs(middle - at).argmin())] for at in wanted]


def _steps(alignment: Alignment) -> list[Step]:
    """The pairs of the path, and between them the rows without a counterpart, A's before B's."""
    i, j = alignment.path.T
    placed: list[tuple[float, Step]] = [
        (float(n), (int(p), int(q))) for n, (p, q) in enumerate(alignment.path)
    ]
    alone_a, alone_b = (np.flatnonzero(~m) for m in (alignment.matched_a, alignment.matched_b))
    placed += [(float(np.searchsorted(i, row)) - 0.7, (int(row), None)) for row in alone_a]
    if is_monotone(alignment.path):
        placed += [(float(np.searchsorted(j, row)) - 0.3, (None, int(row))) for row in alone_b]
    return [step for _, step in sorted(placed, key=lambda one: one[0])]


def _share(pose: PoseSequence) -> FloatArray:
    """(T,) the share of the clip's pictures that a frame deserves, sum 1."""
    lasts = np.full(len(pose), 1 / len(pose))
    moved = travel(pose)
    if not moved.sum() > 0:
        return lasts
    return _RESTS * lasts + (1 - _RESTS) * moved / moved.sum()
