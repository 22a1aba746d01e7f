"""Pieces of one person joined: who left the picture and came back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from la2ds_cli.poses import boxes
from la2ds_cli.poses.similarity import side_by_side
from la2ds_cli.poses.track import Track, concatenate

_RETURN_SIZE = 1.5  # ratio of heights up to which somebody who comes back may be the same
_CLEARLY = 0.1  # difference in log height that tells two people apart
_UNMOVED = 0.7  # IoU over a supposed cut that shows that there was none


def join_returns(
    tracks: list[Track], size: tuple[int, int], *, max_gap: int, cuts: Sequence[int] = ()
) -> list[Track]:
    """Join each track to the earlier one that it continues: same size, and in the same place or
    out and in across the border of the frame.

    Over a cut only who has not moved at all is joined: a flash looks like a cut. Where two people
    who were seen together fit equally well, nobody is joined.
    """
    joined: list[Track] = []
    for track in sorted(tracks, key=lambda track: track.frame[0]):
        i = _continued(joined, track, size, max_gap, cuts)
        if i is None:
            joined.append(track)
        else:
            joined[i] = concatenate(joined[i], track)
    return joined


def _continued(
    joined: list[Track], track: Track, size: tuple[int, int], max_gap: int, cuts: Sequence[int]
) -> int | None:
    """Index of the track that `track` continues."""
    first = int(track.frame[0])
    fits = []
    for i, old in enumerate(joined):
        last = int(old.frame[-1])
        if last >= first:
            continue
        if any(last < cut <= first for cut in cuts):
            unmoved = first - last <= max_gap and boxes.iou(old.box[-1], track.box[0]) >= _UNMOVED
            fit = (0, 0.0) if unmoved else None
        else:
            fit = _fit(old.box[-1].tolist(), track.box[0].tolist(), size)
        if fit is not None:
            fits.append((*fit, -last, i))
    if not fits:
        return None
    kind, off, _, best = min(fits)
    for other_kind, other_off, _, i in fits:
        rival = i != best and other_kind == kind and other_off - off < _CLEARLY
        if rival and side_by_side(joined[i], joined[best]):
            return None
    # Of pieces that fit alike and were never seen together, the latest.
    alike = [fit for fit in fits if fit[0] == kind and fit[1] - off < _CLEARLY]
    return min(alike, key=lambda fit: fit[2])[3]


def _fit(
    before: list[float], after: list[float], size: tuple[int, int]
) -> tuple[int, float] | None:
    """How well one box continues another: 0 in place, 1 over the same border, 2 over the other;
    and the difference in log height. None: not at all."""
    tall = max(before[3] - before[1], 1e-6), max(after[3] - after[1], 1e-6)
    off = abs(math.log(tall[0] / tall[1]))
    if off >= math.log(_RETURN_SIZE):
        return None
    way = [(before[k] + before[k + 2] - after[k] - after[k + 2]) / 2 for k in (0, 1)]
    if math.hypot(*way) < sum(tall) / 4:
        return 0, off
    out, back = _borders(before, size), _borders(after, size)
    if not out or not back:
        return None
    return (1 if out & back else 2), off


def _borders(box: list[float], size: tuple[int, int]) -> set[str]:
    near = 0.02 * size[0]
    touched = {"left": box[0] <= near, "right": box[2] >= size[0] - 1 - near}
    return {side for side, touches in touched.items() if touches}
