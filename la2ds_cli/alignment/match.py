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
from la2ds_cli.alignment.period import a_repetition_away, period
from la2ds_cli.alignment.result import Match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.resample import frame_period

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


# --- other matches of the same clips --------------------------------------------------------------

UNCLEAR = 0.25  # share of A's matched frames from which another match finds other moments


def differs(match: Match, other: FloatArray, tolerance: float) -> bool:
    """Whether another match of the same clips finds other moments in the share UNCLEAR of A's
    matched frames; see `doubted`."""
    return bool(
        _apart(match, other, tolerance).sum() >= UNCLEAR * (~np.isnan(match.position)).sum()
    )


def doubted(match: Match, other: FloatArray, tolerance: float) -> Match:
    """The match, unsure where another one of the same clips finds another moment.

    other: (N,) position in B of each frame of A. Where it lies farther from the match than the
    tolerance, in frames of B, the interval holds both.
    """
    sure = match.certainty
    apart = _apart(match, other, tolerance)
    low = np.where(apart, np.fmin(sure.low, other), sure.low)
    high = np.where(apart, np.fmax(sure.high, other), sure.high)
    confidence = np.where(apart, np.minimum(sure.confidence, DOUBTFUL), sure.confidence)
    return replace(match, certainty=Certainty(confidence.astype(np.float32), low, high))


def _apart(match: Match, other: FloatArray, tolerance: float) -> BoolArray:
    return np.abs(other - match.position) > tolerance  # False for NaN


def checked_by_movement(
    match: Match,
    movement: tuple[FloatArray, FloatArray],
    settings: AlignConfig,
    tolerance: float,
    anchors: Sequence[tuple[int, int]] = (),
) -> Match:
    """The match of embeddings, `doubted` by a second opinion: the match of the movement alone.

    movement: of A (N, D) and of B (M, D). The rest as for `match_features`.
    """
    moving_a, moving_b = movement
    alone = match_features(moving_a, moving_b, settings, None, anchors, tolerance)
    return doubted(match, alone.position, tolerance)


def repeating(
    match: Match,
    pose: PoseSequence,
    settings: AlignConfig,
    tolerance: float,
) -> Match:
    """The match, `doubted` where it could be a repetition earlier or later, such as a step.

    pose: B as it is compared.
    """
    seconds = period(pose)
    if seconds is None or settings.method != "dtw" or not settings.open_ends:
        return match
    frames = max(1, round(seconds / frame_period(pose.time, pose.fps)))
    for other in a_repetition_away(match.a, match.b, frames, settings):
        if differs(match, other, tolerance):
            match = replace(doubted(match, other, tolerance), repeats=seconds)
    return match


def with_rivals(match: Match, rivals: Mapping[View, FloatArray], tolerance: float) -> Match:
    """The match, with what is unknown because B may have to be compared in another view.

    rivals: (N,) positions by views that are about as near. Where they find other moments, the match
    is `doubted`; if one does so in the share UNCLEAR of the frames, nothing is sure, and the view
    is `unclear`.
    """
    unclear = [view for view, other in rivals.items() if differs(match, other, tolerance)]
    for other in rivals.values():
        match = doubted(match, other, tolerance)
    if not unclear:
        return match
    sure = match.certainty
    nothing = replace(sure, confidence=np.minimum(sure.confidence, np.float32(DOUBTFUL)))
    return replace(match, certainty=nothing, unclear=tuple(unclear))
