"""Step: find which frame of one clip shows the same moment as which frame of another.

Read this file from the top. Both clips are prepared (request.py) and their features computed
(pair_features.py). Spans that only one clip shows are set aside (gaps.py). The rest is matched
(match.py) by a method (methods/) or, by several paths through reference clips, by consensus
(consensus.py). Every frame of A then gets its confidence (confidence.py). If several kinds of
features could be used, all of them match the pair, and the best is chosen (`best`).
"""

from __future__ import annotations

import functools
import itertools
import math
import shlex
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.consensus import AlignmentCache, Consensus, Modalities
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
    ChosenKind,
    PreparedPair,
    features_name,
    prepare_pair,
)
from la2ds_cli.alignment.result import AlignResult, Match
from la2ds_cli.alignment.same_movement import Sameness, check_same_movement, doubt, same_movement
from la2ds_cli.core.clip import VIDEO_SUFFIXES, ClipOptions, Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, DEFAULT_RUN, Project
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.resample import frame_period
from la2ds_cli.features.tempo import paced_movement, travel

NEARER = 0.85
"""A candidate replaces the preferred one only if its cycle is below this share of the preferred
one's: choosing the smallest cycle alone would change the features of every other pair."""


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
    candidates = _match_candidates(project, pair, request, progress, cache)
    chosen = best(candidates)
    why = reason(chosen, candidates) or pair.choice.reason
    if why:
        progress.note(why)
    match = chosen.match
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
        features=chosen.features,
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
        chosen.run or request.run,
        why,
        request.settings,
        candidates=tuple(one.to_json(chosen) for one in candidates),
        same_movement=same_movement(*pair.paced, mirrored=match.mirrored),
        anchors=request.anchors,
    )


def _match_candidates(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    progress: Progress,
    cache: AlignmentCache | None,
) -> list[Candidate]:
    """Match the pair by each kind of features that is compared; shared parts are computed once.

    The movement of the joints decides whether B is mirrored and which spans only one clip shows.
    Embeddings are computed from the clips as filmed, since networks trained on flipped copies do
    not need mirroring. A run's embeddings are combined in one distance with those of the base model
    (`align.base`) and with the movement (`align.movement`). With `pool`, the movement also gets its
    own paths through the references. cache: of other alignments to A.

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
    left_out = len(rows.a) < rows.length_a or len(rows.b) < rows.length_b
    poses = [*pair.paced, *references.values()]

    @functools.cache
    def moving(n: int) -> FloatArray:
        return paced_movement(mirror(poses[n]) if mirrored[n] else poses[n])

    candidates = []
    for kind in kinds_to_weigh(pair, request, len(references)):
        run = {"model": request.run, "base": BASE_RUN}.get(kind, "")
        modalities: list[Modalities] = [(value,) for value in movement]
        if run:
            own = replace(request, run=run)
            which = list(references), mirrored, moving
            features = in_one_distance(project, pair, own, *which, progress, cache)
            modalities = [(value,) for value in features]
            if references and settings.pool:
                modalities = list(zip(features, movement, strict=True))
        key = kind, rate, rows.a.tobytes()
        match = _match(modalities, list(references), settings, rows, cache, key, anchors)
        candidates.append(Candidate(kind, run, replace(match, mirrored=mirrored[1]), left_out))
    return candidates


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
    modalities = [(value,) for value in movement]
    key = "pose", rate, rows.a.tobytes()
    match = _match(modalities, list(references), settings, rows, cache, key)
    return replace(match, mirrored=mirrored[1])


def _match(
    modalities: Sequence[Modalities],
    references: Sequence[str],
    settings: AlignConfig,
    rows: SharedRows,
    cache: AlignmentCache,
    key: Hashable,
    anchors: Sequence[tuple[int, int]] = (),
) -> Match:
    """Match the pair. modalities: of A, of B and of the reference clips, which have the ids
    `references`. key: everything else that the paths from A to the references depend on."""
    features_a, features_b, *others = modalities
    consensus = Consensus(others, settings)

    def estimates(a: Modalities, b: Modalities) -> FloatArray:
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


# --- the choice of features --------------------------------------------------------------------
#
# With reference clips, an alignment can be checked without labels: a moment of A is found in B
# directly, and once more through every reference. Features that represent the movement give similar
# results on all these paths. The distance between these results in % of B (`Match.cycle`) chooses
# the candidate for this pair. The check on all clips of a project (agreement.py) says which
# candidate is preferred. The measurements are in docs/decisions/0017-candidates.md.


@dataclass(frozen=True)
class Candidate:
    """features: the kind by which the clips were compared. run: the run of the embeddings, BASE_RUN
    for the base model, empty for raw poses. gaps: whether spans were left out."""

    features: ChosenKind
    run: str
    match: Match
    gaps: bool

    def to_json(self, chosen: Candidate) -> dict[str, Any]:
        """The candidate and the evidence for it."""
        cycle = self.match.cycle
        return {
            "features": self.features,
            "run": self.run if self.features == "model" else None,
            "mirrored": self.match.mirrored,
            "gaps": self.gaps,
            "cycle_percent": None if math.isnan(cycle) else round(cycle, 3),
            "chosen": self is chosen,
        }


def kinds_to_weigh(
    pair: PreparedPair, request: AlignRequest, references: int
) -> tuple[ChosenKind, ...]:
    """The kinds of features to align by, the preferred one first. It is the only one if features or
    a run were requested, or if there are no references, because the choice needs references."""
    preferred = pair.choice.kind
    asked = request.features != "auto" or request.run not in (DEFAULT_RUN, BASE_RUN)
    if asked or not references or request.settings.pool:
        return (preferred,)
    poses = pair.poses[0]
    with_base = is_body(poses.skeleton) and not poses.spatial
    others: tuple[ChosenKind, ...] = ("base", "pose") if with_base else ("pose",)
    return (preferred, *(kind for kind in others if kind != preferred))


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The preferred candidate, which is the first, unless the cycle of another one is clearly
    lower."""
    preferred = candidates[0]
    nearest = min(candidates, key=lambda one: (math.isnan(one.match.cycle), one.match.cycle))
    clearly = nearest.match.cycle < NEARER * preferred.match.cycle  # False for NaN
    return nearest if clearly else preferred


def reason(chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    """Why a candidate other than the preferred one was chosen, in one line; empty if the preferred
    one was chosen."""
    preferred = candidates[0]
    if chosen is preferred:
        return ""
    return (
        f"aligned on {_called(chosen)} rather than {_called(preferred)}: through "
        f"{chosen.match.references} other clips, its matches agree to "
        f"{chosen.match.cycle:.1f} % of B, against {preferred.match.cycle:.1f} %"
    )


def _called(candidate: Candidate) -> str:
    name = features_name(candidate.features, candidate.run)
    return name if candidate.features == "pose" else f"the {name}"
