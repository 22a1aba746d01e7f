"""The position in B of each frame of A, from the features of both, directly or by consensus.

With anchors (moments that the user declares equal), each part between them is matched separately.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.confidence import DOUBTFUL, Certainty, certainty
from la2ds_cli.alignment.consensus import (
    consensus_position,
    direct_match,
    path_through,
)
from la2ds_cli.alignment.result import Match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.core.view import View

Estimates = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""`consensus_estimates`, from the features of both, or of parts of them."""


def match_features(
    features_a: FloatArray,
    features_b: FloatArray,
    settings: AlignConfig,
    estimates: Estimates | None,
    anchors: Sequence[tuple[int, int]] = (),
    tolerance: float | None = None,
) -> Match:
    """Match two clips.

    features_a: (N, D). features_b: (M, D).
    estimates: computes the estimates through reference clips, None for a direct alignment.
    anchors: frames of A and of B that must match, in order.
    tolerance: see `certainty`.
    """
    direct = None
    if anchors:
        path, position = _locate_between(features_a, features_b, settings, estimates, anchors)
    else:
        path, position, direct = _locate(features_a, features_b, settings, estimates)
    return Match(
        a=features_a,
        b=features_b,
        path=path,
        position=position,
        direct=direct,
        certainty=certainty(features_a, features_b, position, tolerance),
    )


def _locate(
    a: FloatArray, b: FloatArray, settings: AlignConfig, estimates: Estimates | None
) -> tuple[IntArray, FloatArray, tuple[FloatArray, FloatArray] | None]:
    """Match by consensus of the estimates, or without any, directly: path, position and direct as
    in Match."""
    if estimates is None:
        path, position = direct_match(a, b, settings)
        return path, position, None
    forward, backward = estimates(a, b)
    position = consensus_position(forward[0], forward, len(b))
    return path_through(position), position, (forward[0], backward)


SHORTEST_PART = 8  # frames; shorter ones between two anchors are aligned without reference clips


def _locate_between(
    a: FloatArray,
    b: FloatArray,
    settings: AlignConfig,
    estimates: Estimates | None,
    anchors: Sequence[tuple[int, int]],
) -> tuple[IntArray, FloatArray]:
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
        position[i : i_end + 1] = _locate(part_a, part_b, own, estimates if enough else None)[1] + j
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
    return path_through(position), position


# --- views that are about as near ----------------------------------------------------------------

UNCLEAR = 0.25  # share of A's matched frames from which a rival finds other moments


def with_rivals(match: Match, rivals: Mapping[View, FloatArray], tolerance: float) -> Match:
    """The match, with what is unknown because B may have to be compared in another view.

    rivals: (N,) positions in B of each frame of A by views that are about as near. Where one lies
    farther from the match than the tolerance, in frames of B, the match is not sure, and its
    interval holds both; if one does so in the share UNCLEAR of the frames, nothing is sure, and the
    view is `unclear`.
    """
    sure, matched = match.certainty, (~np.isnan(match.position)).sum()
    low, high, confidence, unclear = sure.low, sure.high, sure.confidence, []
    for view, other in rivals.items():
        apart = np.abs(other - match.position) > tolerance  # False for NaN
        if apart.sum() >= UNCLEAR * matched:
            unclear.append(view)
        low = np.where(apart, np.fmin(low, other), low)
        high = np.where(apart, np.fmax(high, other), high)
        doubtful = apart | bool(unclear)
        confidence = np.where(doubtful, np.minimum(confidence, DOUBTFUL), confidence)
    certainty = Certainty(confidence.astype(np.float32), low, high)
    return replace(match, certainty=certainty, unclear=tuple(unclear))
