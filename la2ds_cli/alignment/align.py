"""Step: find which frame of one clip shows the same moment as which frame of another.

Read this file from the top. Both clips are prepared (request.py) and their features computed
(pair_features.py). Spans that only one clip shows are set aside (gaps.py). The rest is matched
(match.py) by a method (methods/) or, by several paths through reference clips, by consensus
(consensus.py). Every frame of A then gets its confidence (confidence.py).
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.clip_features import FeatureSource
from la2ds_cli.alignment.confidence import tolerance_of
from la2ds_cli.alignment.consensus import consensus_estimates, pairwise_paths
from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.gaps import SharedRows, all_rows
from la2ds_cli.alignment.match import (
    Estimates,
    checked_by_movement,
    differs,
    doubted,
    match_features,
    with_rivals,
)
from la2ds_cli.alignment.pair_features import SeenPair, load_features, reference_features
from la2ds_cli.alignment.path import is_monotone, speed_ratio
from la2ds_cli.alignment.period import a_repetition_away, period
from la2ds_cli.alignment.request import AlignRequest, PreparedPair, prepare_pair
from la2ds_cli.alignment.result import AlignResult, Match
from la2ds_cli.alignment.same_movement import (
    Sameness,
    check_same_movement,
    doubt,
    if_same,
    same_movement,
)
from la2ds_cli.alignment.viewpoint import IN_WORDS
from la2ds_cli.core.clip import VIDEO_SUFFIXES, ClipOptions, Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.resample import frame_period
from la2ds_cli.features.tempo import travel
from la2ds_cli.features.viewpoint import seen


def find_alignment(
    project: Project,
    a: str,
    b: str,
    request: AlignRequest,
    progress: Progress | None = None,
    cache: AlignmentCache | None = None,
) -> AlignResult:
    """Align clip `b` to clip `a`; missing poses and embeddings are computed first.

    a, b: video files, or names of clips of the project. B is compared in the view that is nearest
    to A (viewpoint.py), unless the request names one. cache: for several clips that are aligned to
    `a` by the same request; it saves time and does not change the result.

    Raises UserError (exit 2) for an unknown method and for impossible anchors, (exit 4) for a clip
    without joints or a run without weights, (exit 5) for clips whose skeletons share no joints,
    (exit 10) with `same_only` for clips that clearly show different movements, and the errors of
    extracting poses.
    """
    progress = progress or Progress()
    pair = prepare_pair(project, a, b, request, progress)
    result = align_pair(project, pair, request, progress, cache)
    judge_movement(result.same_movement, pair.names, request, progress)
    if result.unclear:
        progress.note(result.unclear)
    hint = hint_of_slow_motion(result, pair.names) if request.tempo is None else ""
    if hint:
        progress.note(hint)
    return result


def judge_movement(
    sameness: Sameness | None, names: tuple[str, str], request: AlignRequest, progress: Progress
) -> None:
    """Raises UserError (exit 10) with `same_only` for clips that clearly show different movements;
    says so if that is doubtful."""
    if request.same_only:
        check_same_movement(sameness, names)
    note = doubt(sameness, names)
    if note:
        progress.note(note)


SLOW_MOTION = 2.5
"""Ratio of durations. At real speed, 1 % of the pairs of golf swings, none of squats and 12 % of
pull-ups (some people take their time) differ by so much; of golf swings at real speed paired with
slow motion, half do."""


def slow_motion(result: AlignResult, names: tuple[str, str]) -> tuple[Video, str] | None:
    """The clip that seems to be slow motion compared with the other, if its options do not say so,
    and the beginning of a sentence about it; None if there is none. names: of A and of B."""
    ratio = moving_ratio(result)
    if np.isnan(ratio) or 1 / SLOW_MOTION < ratio < SLOW_MOTION:
        return None
    slow = 1 if ratio > 1 else 0
    clip = (result.a, result.b)[slow]
    if ClipOptions.from_text(clip.options).slowmo != 1:
        return None
    than = f"{max(ratio, 1 / ratio):.1f} times slower than {names[1 - slow]}"
    return clip, f"{names[slow]} moves {than}: if it was filmed in slow motion, "


def hint_of_slow_motion(result: AlignResult, names: tuple[str, str]) -> str:
    """A sentence with a command if one clip seems to be slow motion (`slow_motion`); otherwise
    empty. names: of A and of B."""
    found = slow_motion(result, names)
    if found is None:
        return ""
    (clip, said), ratio = found, moving_ratio(result)
    if Path(clip.path).suffix.lower() in ("", ".webp", *VIDEO_SUFFIXES):
        source, times = shlex.quote(clip.path), max(ratio, 1 / ratio)
        extract = f"la2ds extract-poses {source} --slowmo {times:.2g} --overwrite"
        return f"{said}{extract} gives its true times"
    pair = " ".join(map(shlex.quote, names))  # imported poses: there is no video to extract again
    return f"{said}la2ds align {pair} --tempo {ratio:.2g} compares both at one pace"


def moving_ratio(result: AlignResult) -> float:
    """Seconds of B per second of A while A moves: the median of the speed ratio, with frames
    weighted by how far the joints move in them, because the duration of rests is arbitrary. NaN if
    nothing moves, or if pairs run back and forth in time."""
    ratio = result.speed_ratio
    known = np.flatnonzero(ratio > 0)  # False for NaN
    order = known[np.argsort(ratio[known])]
    passed = np.cumsum(travel(result.pose_a)[order])
    if not len(passed) or passed[-1] == 0:
        return math.nan
    return float(ratio[order][np.searchsorted(passed, passed[-1] / 2)])


def align_pair(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    progress: Progress | None = None,
    cache: AlignmentCache | None = None,
) -> AlignResult:
    """Align two prepared clips, or parts of them; see find_alignment."""
    progress = progress or Progress()
    request = replace(request, run=pair.choice.run(request.run))
    if pair.choice.reason:
        progress.note(pair.choice.reason)
    match = match_pair(project, pair, request, progress, cache)
    if match.view != "filmed" and request.view == "auto":
        progress.note(f"{pair.names[1]} is compared {IN_WORDS[match.view]}")
    pose_a, pose_b = pair.poses
    paced_a, paced_b = pair.paced
    sameness = same_movement(paced_a, seen(paced_b, match.view, paced_a))
    certainty = if_same(match.certainty, sameness)
    alignment = Alignment(
        path=match.path,
        position=match.position,
        cost=pair_distance(match.a, match.b, match.path),
        confidence=certainty.confidence,
        low=certainty.low,
        high=certainty.high,
        time_a=pose_a.time,
        time_b=pose_b.time,
        frame_a=pose_a.frame,
        frame_b=pose_b.frame,
        features=pair.choice.kind,
        method=request.settings.method,
        view=match.view,
    )
    tempo = np.full(len(pose_a), np.nan)
    if is_monotone(match.path):
        tempo = speed_ratio(match.position, pose_a.time, pose_b.time)
    return AlignResult(
        *pair.clips,
        *pair.poses,
        alignment,
        match,
        tempo,
        request.run,
        pair.choice.reason,
        request.settings,
        same_movement=sameness,
        anchors=request.anchors,
    )


def match_pair(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    progress: Progress,
    cache: AlignmentCache | None = None,
) -> Match:
    """Match the pair by the chosen features, with B in the view that is nearest (viewpoint.py).

    Where a rival view matches other moments, nobody knows which are right: the intervals then hold
    both, and if that concerns a good part of A, no match is sure.
    cache: of other alignments to A.
    """
    settings = request.settings
    form = pair.poses[0].skeleton, pair.poses[0].spatial, pair.choice.kind
    if cache is None:
        cache = AlignmentCache(form=form)
    else:
        cache = cache.for_clip(pair.ids[0], part=pair.part, form=form)
    if cache.source is None:
        cache.source = FeatureSource(project, request, pair.choice.kind, pair.poses[0])
    source = cache.source
    references = load_features(project, pair, source, settings, cache, progress)
    seen_pair = SeenPair.of(pair, request)
    a = seen_pair.features_of_a(source)
    others = dict(
        zip(references, reference_features(seen_pair, references, source, cache), strict=True)
    )
    rows = seen_pair.rows(settings)
    anchors = anchored_frames(request.anchors, pair)
    if any(i not in rows.a or j not in rows.b for i, j in anchors):
        rows = all_rows(rows.length_a, rows.length_b)

    def estimates(own: FloatArray, b: FloatArray) -> FloatArray:
        clips = list(others.values())
        if anchors:  # a part of A, whose paths are not cached
            paths_a = pairwise_paths(own, clips, settings)
        else:
            paths_a = cache.paths_from_a(own, others, rows.a.tobytes(), settings)
        return consensus_estimates(own, paths_a, b, pairwise_paths(b, clips, settings), settings)

    tolerance = tolerance_of(pair.poses[1])

    def match(view: View, through: Estimates | None) -> Match:
        b = seen_pair.features_of_b(source, view)
        found = match_features(a, b, rows, settings, through, anchors, tolerance)
        left_out = len(cache.strangers - set(pair.ids))
        return replace(found, view=view, references=len(others), strangers=left_out)

    choice = seen_pair.choice
    chosen = match(choice.view, estimates if others else None)
    if pair.choice.kind != "pose":
        moving = seen_pair.a, seen_pair.b[choice.view]
        chosen = checked_by_movement(chosen, moving, rows, settings, tolerance, anchors)
    if not anchors:
        chosen = _repeating(chosen, pair, rows, settings, tolerance)
    rivals = [match(view, None) for view in choice.rivals]
    return with_rivals(chosen, rivals, tolerance)


def _repeating(
    match: Match, pair: PreparedPair, rows: SharedRows, settings: AlignConfig, tolerance: float
) -> Match:
    """The match, with the doubt that it could be a repetition earlier or later, such as a step."""
    pose = pair.paced[1]
    seconds = period(pose)
    if seconds is None or settings.method != "dtw" or not settings.open_ends:
        return match
    frames = max(1, round(seconds / frame_period(pose.time, pose.fps)))
    for place in a_repetition_away(match.a[rows.a], match.b[rows.b], frames, settings):
        other = rows.position(place)
        if differs(match, other, tolerance):
            match = replace(doubted(match, other, tolerance), repeats=seconds)
    return match


def anchored_frames(
    anchors: Sequence[tuple[float, float]], pair: PreparedPair
) -> list[tuple[int, int]]:
    """The frames of A and of B nearest to the anchored seconds, in order.

    Raises UserError (exit 2) for seconds outside a clip, and for anchors that run backwards.
    """
    frames = []
    for seconds in sorted(anchors):
        both = zip(seconds, pair.poses, pair.names, strict=True)
        frames.append(tuple(_frame_at(at, pose, name) for at, pose, name in both))
    frames = list(dict.fromkeys(frames))  # duplicates count once
    for before, after in itertools.pairwise(frames):
        if not (before[0] < after[0] and before[1] < after[1]):
            raise UserError(
                "the anchors contradict each other: a later moment of A must meet a later one of B",
                hint="leave one of them out",
            )
    return [(int(i), int(j)) for i, j in frames]


def _frame_at(seconds: float, pose: PoseSequence, name: str) -> int:
    period = frame_period(pose.time, pose.fps)
    if not pose.time[0] - period <= seconds <= pose.time[-1] + period:
        raise UserError(
            f"the anchor at {seconds:g} s lies outside {name}, which shows {pose.time[0]:.2f} to "
            f"{pose.time[-1]:.2f} s",
            hint="--anchor A=B takes seconds of A and of B, such as --anchor 1.20=0.85",
        )
    return int(np.abs(pose.time - seconds).argmin())
