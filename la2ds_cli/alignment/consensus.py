"""The position in B of each frame of A, directly, or by consensus through reference clips.

A frame of A matches a moment of a reference clip, and that moment matches a moment of B. Every
reference therefore gives another estimate of where the frame of A lies in B, with different errors
and a resolution below one frame. The consensus is the interquartile mean of the direct
estimate and those through the references (the mean of their middle half), so a reference that shows
another movement, or a wrong path, does not count.

No labels are used. The references are the clips that training uses, or all clips of the project,
without the two that are aligned. With anchors (moments that the user declares equal), each part
between them is matched separately.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.alignment.path import (
    Axes,
    invert,
    mean_pair_squared,
    never_backwards,
    path_through,
    smooth_match,
)
from la2ds_cli.alignment.sampling import at_rows, compared_rows
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray

FEWEST_REFERENCES = 4  # with fewer, a wrong one would not be outnumbered
# Of the frames of either clip. With open ends, leaving out all frames but one pair may cost least,
# if the reference has many more frames than the clip and shows something that the clip does not.
LEAST_SHARED = 0.2
MOST_CELLS = 1 << 28  # of a table: 256 MiB, two clips of nine minutes


@dataclass(frozen=True)
class PairwisePath:
    """The match of a clip (N frames) and a reference clip (M frames).

    forward: (N,) position in the reference of each frame of the clip. backward: (M,) position in
    the clip of each frame of the reference. Both in frames; NaN = no counterpart. cost: mean
    squared distance of the pairs.
    """

    forward: FloatArray
    backward: FloatArray
    cost: float

    @property
    def shared(self) -> float:
        """Share of frames with a counterpart, in the clip or in the reference, whichever is
        larger."""
        sides = self.forward, self.backward
        return max(float((~np.isnan(side)).sum()) / max(len(side), 1) for side in sides)


class Match(NamedTuple):
    """A match of two clips.

    path: (P, 2) whole frames.
    position: (N,) frames of B, NaN = no counterpart.
    direct: for a consensus, the direct path: (N,) frames of B for each frame of A, and (M,) frames
        of A for each frame of B; None = `path` is the direct path.
    """

    path: IntArray
    position: FloatArray
    direct: tuple[FloatArray, FloatArray] | None = None


def match_clips(
    a: FloatArray,
    b: FloatArray,
    settings: AlignConfig,
    anchors: Sequence[tuple[int, int]] = (),
    references: Sequence[FloatArray] = (),
    paths: Sequence[Sequence[PairwisePath]] | None = None,
    axes: Axes | None = None,
) -> Match:
    """Return the match of two clips, a consensus if there are reference clips.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features.
    settings: of the alignment.
    anchors: frames of A and of B that must match, in order.
    references: features of the reference clips.
    paths: from A to each reference, and from B to each; None = not computed yet.
    axes: when the frames of A and of B were filmed; None = at even intervals.
    """
    if anchors:
        return _match_between(a, b, settings, anchors, references, axes)
    if not references:
        return Match(*direct_match(a, b, settings, axes))
    if paths is None:
        paths = [pairwise_paths(clip, references, settings) for clip in (a, b)]
    position, direct = consensus(a, paths[0], b, paths[1], settings)
    return Match(path_through(position), position, direct)


SHORTEST_PART = 8  # frames; shorter ones between two anchors are aligned without reference clips


def _match_between(
    a: FloatArray,
    b: FloatArray,
    settings: AlignConfig,
    anchors: Sequence[tuple[int, int]],
    references: Sequence[FloatArray],
    axes: Axes | None,
) -> Match:
    """Return a match whose parts between the anchors are matched separately.

    The ends of the clips stay open if the settings say so.
    """
    last = len(a) - 1, len(b) - 1
    position = np.full(len(a), np.nan)
    outer = anchors[0][0] > 0, anchors[-1][0] < last[0]
    bounds = [(0, 0)] * outer[0] + list(anchors) + [last] * outer[1]
    for n, ((i, j), (i_end, j_end)) in enumerate(itertools.pairwise(bounds)):
        part_a, part_b = a[i : i_end + 1], b[j : j_end + 1]
        at_end = (outer[0] and n == 0) or (outer[1] and n == len(bounds) - 2)
        own = settings if at_end else replace(settings, open_ends=False)
        enough = min(len(part_a), len(part_b)) >= SHORTEST_PART
        part_axes = axes and (axes[0].cut(i, i_end + 1), axes[1].cut(j, j_end + 1))
        others = references if enough else ()
        part = match_clips(part_a, part_b, own, (), others, axes=part_axes)
        position[i : i_end + 1] = part.position + j
    for i, j in anchors:
        position[i] = j
    known = np.flatnonzero(~np.isnan(position))
    frames = np.arange(known[0], known[-1] + 1)
    # Fill the closed ends of parts up to their anchors, and let no part run past its anchors.
    rows, columns = np.array(anchors).T
    before = np.concatenate([[0], columns])[np.searchsorted(rows, frames, side="right")]
    after = np.concatenate([columns, [last[1]]])[np.searchsorted(rows, frames, side="left")]
    between = np.clip(np.interp(frames, known, position[known]), before, after)
    position[frames] = np.maximum.accumulate(between)
    return Match(path_through(position), position)


def consensus(
    a: FloatArray,
    paths_a: Sequence[PairwisePath],
    b: FloatArray,
    paths_b: Sequence[PairwisePath],
    config: AlignConfig,
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Return the position (N,) in B of each frame of A by consensus, and the direct path as in
    Match.

    Parameters
    ----------
    a: (N, D) features of A.
    paths_a: from A to the reference clips.
    b: (M, D) features of B.
    paths_b: from B to the same reference clips, in the same order.
    config: of the alignment.
    """
    direct = pairwise_path(a, b, config)
    estimates = np.array([direct.forward, *estimates_through(paths_a, paths_b)])
    position = consensus_position(direct.forward, estimates, len(b))
    return position, (direct.forward, direct.backward)


def pairwise_path(a: FloatArray, b: FloatArray, config: AlignConfig) -> PairwisePath:
    """Return the DTW path from a (N, D) to b (M, D), at their `compared_rows`."""
    return pairwise_paths(a, [b], config)[0]


def pairwise_paths(
    a: FloatArray, clips: Sequence[FloatArray], config: AlignConfig
) -> list[PairwisePath]:
    """Return the `pairwise_path` of a (N, D) and each of the clips (M, D)."""
    return _paths_at(compared_rows(a, clips, config), a, clips, config)


def _paths_at(
    rows: Sequence[tuple[FloatArray, FloatArray]],
    a: FloatArray,
    clips: Sequence[FloatArray],
    config: AlignConfig,
) -> list[PairwisePath]:
    """Return `pairwise_paths` at given `compared_rows`."""
    together: dict[bytes, list[int]] = {}  # numbers of the clips by the rows of A
    for n, (row, _) in enumerate(rows):
        together.setdefault(row.tobytes(), []).append(n)
    found: dict[int, PairwisePath] = {}
    for numbers in together.values():
        row = rows[numbers[0]][0]
        own, others = at_rows(a, row), [at_rows(clips[n], rows[n][1]) for n in numbers]
        paths = align_each(own, others, config)
        for n, other, path in zip(numbers, others, paths, strict=True):
            column = rows[n][1]
            cost = mean_pair_squared(own, other, path)
            forward = _at_all_frames(smooth_match(path, len(row)), row, column)
            backward = _at_all_frames(smooth_match(invert(path), len(column)), column, row)
            found[n] = PairwisePath(forward, backward, cost)
    return [found[n] for n in range(len(clips))]


def direct_match(
    a: FloatArray, b: FloatArray, config: AlignConfig, axes: Axes | None = None
) -> tuple[IntArray, FloatArray]:
    """Return the path (P, 2) between two clips, and the position (N,) in B of each frame of A.

    DTW compares their `compared_rows` if these are interpolated, or if there are more than
    MOST_CELLS pairs of frames, and otherwise all frames.

    Parameters
    ----------
    a, b: (N, D) and (M, D) features.
    config: of the alignment, with its method.
    axes: when the frames of A and of B were filmed; None = at even intervals.
    """
    if config.method == "dtw":
        rows = compared_rows(a, [b], config)
        if np.issubdtype(rows[0][0].dtype, np.floating) or len(a) * len(b) > MOST_CELLS:
            position = _paths_at(rows, a, [b], config)[0].forward
            return path_through(position), position
    path = align_features(config.method, a, b, config, axes)
    return path, smooth_match(path, len(a), axes)


def _at_all_frames(position: FloatArray, row: FloatArray, column: FloatArray) -> FloatArray:
    """Convert positions (n,) of the rows `row` among the rows `column` to positions of every frame
    up to row[-1] among all frames. NaN between a matched and an unmatched row."""
    if len(row) == row[-1] + 1 and len(column) == column[-1] + 1:
        return position  # all frames of both
    among_all = np.interp(position, np.arange(len(column)), column.astype(float))
    among_all[np.isnan(position)] = np.nan
    return never_backwards(np.interp(np.arange(row[-1] + 1), row, among_all))


def estimates_through(
    paths_a: Sequence[PairwisePath], paths_b: Sequence[PairwisePath]
) -> list[FloatArray]:
    """Return, for each of the nearer half of the references, (N,) positions in B of A's frames.

    NaN where one of the two paths leaves a frame out. A reference that one path leaves out almost
    entirely (LEAST_SHARED) does not count: its few pairs may be near by chance.

    Parameters
    ----------
    paths_a, paths_b: from A and from B to the reference clips, in the same order.
    """
    pairs = [
        pair
        for pair in zip(paths_a, paths_b, strict=True)
        if all(path.shared >= LEAST_SHARED for path in pair)
    ]
    cost = [path_a.cost + path_b.cost for path_a, path_b in pairs]
    near = np.argsort(cost, kind="stable")[: (len(cost) + 1) // 2]
    return [compose(pairs[n][0].forward, pairs[n][1].backward) for n in near]


def compose(forward: FloatArray, backward: FloatArray) -> FloatArray:
    """Return positions `forward` (N,) in a reference, mapped to another clip by `backward` (M,).

    NaN outside the frames that `backward` matches.
    """
    known = np.flatnonzero(~np.isnan(backward))
    inside = (forward >= known[0]) & (forward <= known[-1])  # False for NaN
    return np.where(inside, np.interp(forward, known, backward[known]), np.nan)


def consensus_position(direct: FloatArray, estimates: FloatArray, length: int) -> FloatArray:
    """Return (N,) means of the middle half of the estimates, never decreasing.

    Parameters
    ----------
    direct: (N,) positions by the direct path; where NaN, so is the result.
    estimates: (V, N) positions in frames of B; NaN does not count.
    length: frames of B, to which the result is clipped.
    """
    ordered = np.sort(estimates, axis=0)  # NaN last
    count = (~np.isnan(estimates)).sum(axis=0)
    first, last = count // 4, count - count // 4
    total = np.vstack([np.zeros(len(direct)), np.nancumsum(ordered, axis=0)])
    frames = np.arange(len(direct))
    middle = (total[last, frames] - total[first, frames]) / np.maximum(last - first, 1)
    return never_backwards(np.where(np.isnan(direct), np.nan, np.clip(middle, 0, length - 1)))
