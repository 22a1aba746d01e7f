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
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.consensus import AlignmentCache, Consensus
from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.gaps import SharedRows, all_rows
from la2ds_cli.alignment.match import match_features
from la2ds_cli.alignment.pair_features import (
    embedded_references,
    in_one_distance,
    pair_movement,
    reference_clips,
)
from la2ds_cli.alignment.path import is_monotone, speed_ratio
from la2ds_cli.alignment.request import (
    AlignRequest,
    PreparedPair,
    prepare_pair,
)
from la2ds_cli.alignment.result import AlignResult, Match
from la2ds_cli.alignment.same_movement import Sameness, check_same_movement, doubt, same_movement
from la2ds_cli.core.clip import VIDEO_SUFFIXES, ClipOptions
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.features.resample import frame_period
from la2ds_cli.features.tempo import travel


def find_alignment(
    project: Project,
    a: str,
    b: str,
    request: AlignRequest,
    progress: Progress | None = None,
    cache: AlignmentCache | None = None,
) -> AlignResult:
    """Align clip `b` to clip `a`; missing poses and embeddings are computed first.

    a, b: video files, or names of clips of the project. With raw poses, B is also tried mirrored,
    and the nearer of the two is used. cache: for several clips that are aligned to `a` by the same
    request; it saves time and does not change the result.

    Raises UserError (exit 2) for an unknown method and for impossible anchors, (exit 4) for a clip
    without joints or a run without weights, (exit 5) for clips whose skeletons share no joints,
    (exit 10) with `same_only` for clips that clearly show different movements, and the errors of
    extracting poses.
    """
    progress = progress or Progress()
    pair = prepare_pair(project, a, b, request, progress)
    result = align_pair(project, pair, request, progress, cache)
    judge_movement(result.same_movement, pair.names, request, progress)
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


def hint_of_slow_motion(result: AlignResult, names: tuple[str, str]) -> str:
    """A sentence if one clip seems to be slow motion compared with the other and the options of the
    clips do not say so; otherwise empty. names: of A and of B."""
    ratio = moving_ratio(result)
    if np.isnan(ratio) or 1 / SLOW_MOTION < ratio < SLOW_MOTION:
        return ""
    slow = 1 if ratio > 1 else 0
    clip = (result.a, result.b)[slow]
    if ClipOptions.from_text(clip.options).slowmo != 1:
        return ""
    times = max(ratio, 1 / ratio)
    said = f"{names[slow]} moves {times:.1f} times slower than {names[1 - slow]}: if it was filmed "
    if Path(clip.path).suffix.lower() in ("", ".webp", *VIDEO_SUFFIXES):
        source = shlex.quote(clip.path)
        return (
            f"{said}in slow motion, la2ds extract-poses {source} --slowmo {times:.2g} --overwrite "
            "gives its true times"
        )
    pair = " ".join(map(shlex.quote, names))  # imported poses: there is no video to extract again
    return f"{said}in slow motion, la2ds align {pair} --tempo {ratio:.2g} compares both at one pace"


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
    match = _match_pair(project, pair, request, progress, cache)
    if match.mirrored:
        progress.note(f"{pair.names[1]} fits better mirrored (left and right swapped)")
    pose_a, pose_b = pair.poses
    alignment = Alignment(
        path=match.path,
        position=match.position,
        cost=pair_distance(match.a, match.b, match.path),
        confidence=match.certainty.confidence,
        low=match.certainty.low,
        high=match.certainty.high,
        time_a=pose_a.time,
        time_b=pose_b.time,
        frame_a=pose_a.frame,
        frame_b=pose_b.frame,
        features=pair.choice.kind,
        method=request.settings.method,
        mirrored=match.mirrored,
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
        same_movement=same_movement(*pair.paced, mirrored=match.mirrored),
        anchors=request.anchors,
    )


def _match_pair(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    progress: Progress,
    cache: AlignmentCache | None,
) -> Match:
    """Match the pair by the chosen features.

    The movement of the joints decides whether B is mirrored and which spans only one clip shows.
    Embeddings are computed from the clips as filmed, since networks trained on flipped copies do
    not need mirroring. A run's embeddings are combined in one distance with those of the base model
    (`align.base`) and with the movement (`align.movement`). cache: of other alignments to A.

    Raises UserError (exit 5) for embeddings of different weights.
    """
    settings = request.settings
    if cache is None:
        cache = AlignmentCache()
    else:
        form = pair.poses[0].skeleton, pair.poses[0].spatial
        cache = cache.for_clip(pair.ids[0], part=pair.part, form=form)
    references = embedded_references(project, pair, request, cache, progress)
    rate, movement, mirrored, rows = pair_movement(pair, references, settings, cache)
    anchors = anchored_frames(request.anchors, pair)
    if any(i not in rows.a or j not in rows.b for i, j in anchors):
        rows = all_rows(rows.length_a, rows.length_b)
    features = movement
    if pair.choice.kind != "pose":
        which = references, mirrored
        features = in_one_distance(project, pair, request, *which, progress, cache)
    key = pair.choice.kind, rate, rows.a.tobytes()
    match = _match(features, list(references), settings, rows, cache, key, anchors)
    return replace(match, mirrored=mirrored[1])


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


def match_by_pose(project: Project, pair: PreparedPair, settings: AlignConfig) -> Match:
    """Match two clips by the movement of their joints, with B as filmed, or mirrored if that is
    nearer."""
    cache = AlignmentCache()
    references = reference_clips(project, pair, settings, cache)
    rate, movement, mirrored, rows = pair_movement(pair, references, settings, cache)
    key = "pose", rate, rows.a.tobytes()
    match = _match(movement, list(references), settings, rows, cache, key)
    return replace(match, mirrored=mirrored[1])


def _match(
    features: Sequence[FloatArray],
    references: Sequence[str],
    settings: AlignConfig,
    rows: SharedRows,
    cache: AlignmentCache,
    key: Hashable,
    anchors: Sequence[tuple[int, int]] = (),
) -> Match:
    """Match the pair. features: of A, of B and of the reference clips, which have the ids
    `references`. key: everything else that the paths from A to the references depend on."""
    features_a, features_b, *others = features
    consensus = Consensus(others, settings)

    def estimates(a: FloatArray, b: FloatArray) -> FloatArray:
        if anchors:  # a part of A, whose paths are not cached
            paths_a = consensus.pairwise_paths(a)
        else:
            by_id = dict(zip(references, others, strict=True))
            paths_a = cache.paths_from_a(a, by_id, key, settings)
        return consensus.estimates(a, paths_a, b, consensus.pairwise_paths(b))

    match = match_features(
        features_a, features_b, rows, settings, estimates if others else None, anchors
    )
    return replace(match, references=len(others))
