"""The position in B of each frame of A, from the features of both, directly or by consensus.

With anchors (moments that the user declares equal), each part between them is matched separately.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.confidence import certainty
from la2ds_cli.alignment.consensus import (
    consensus_position,
    direct_match,
    path_through,
)
from la2ds_cli.alignment.gaps import SharedRows
from la2ds_cli.alignment.result import Match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray

Estimates = Callable[[FloatArray, FloatArray], FloatArray]


def match_features(
    features_a: FloatArray,
    features_b: FloatArray,
    rows: SharedRows,
    settings: AlignConfig,
    estimates: Estimates | None,
    anchors: Sequence[tuple[int, int]] = (),
) -> Match:
    """Match the `rows` of two clips. estimates: computes the estimates through reference clips for
    rows of A and B (Consensus.estimates); None for a direct alignment. anchors: frames of A and of
    B, among the rows, that must match, in order."""
    a, b = features_a[rows.a], features_b[rows.b]
    if anchors:
        among = [(int(np.searchsorted(rows.a, i)), int(np.searchsorted(rows.b, j)))
                 for i, j in anchors]  # fmt: skip
        located = _locate_between(a, b, settings, estimates, among)
    else:
        located = _locate(a, b, settings, estimates)
    position = located.position
    return Match(
        a=features_a,
        b=features_b,
        path=rows.path(located.path),
        position=rows.position(position),
        certainty=certainty(a, b, position).over(rows),
    )


@dataclass(frozen=True)
class _Located:
    """The position in B of each frame of A. path (P, 2), position (N,): see Match."""

    path: IntArray
    position: FloatArray


def _locate(
    a: FloatArray, b: FloatArray, settings: AlignConfig, estimates: Estimates | None
) -> _Located:
    """Match by consensus of the estimates, or without any, directly."""
    if estimates is None:
        return _Located(*direct_match(a, b, settings))
    positions = estimates(a, b)
    position = consensus_position(positions[0], positions, len(b))
    return _Located(path_through(position), position)


SHORTEST_PART = 8  # frames; shorter ones between two anchors are aligned without reference clips


def _locate_between(
    a: FloatArray,
    b: FloatArray,
    settings: AlignConfig,
    estimates: Estimates | None,
    anchors: Sequence[tuple[int, int]],
) -> _Located:
    """Match each part between the anchors separately; the ends of the clips stay open if the
    settings say so."""
    last = len(a) - 1, len(b) - 1
    position = np.full(len(a), np.nan)
    outer = anchors[0][0] > 0, anchors[-1][0] < last[0]
    bounds = [(0, 0)] * outer[0] + list(anchors) + [last] * outer[1]
    for n, ((i, j), (i_end, j_end)) in enumerate(itertools.pairwise(bounds)):
        part_a, part_b = a[i : i_end + 1], b[j : j_end + 1]
        at_end = (outer[0] and n == 0) or (outer[1] and n == len(bounds) - 2)
        own = settings if at_end else replace(settings, open_ends=False)
        enough = min(len(part_a), len(part_b)) >= SHORTEST_PART
        part = _locate(part_a, part_b, own, estimates if enough else None)
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
    return _Located(path_through(position), position)
