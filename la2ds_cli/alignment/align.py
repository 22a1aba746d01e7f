"""Step: find which frame of one clip shows the same moment as which frame of another.

Read this file from the top. Both clips are prepared (pair.py), seen in the view that is nearest
(viewpoint.py) and given features (clip_features.py). They are matched (match.py) by a method
(methods/) or, by several paths through reference clips (references.py), by consensus
(consensus.py). Every frame of A then gets its confidence (confidence.py).
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.clip_features import FeatureSource, check_seen
from la2ds_cli.alignment.confidence import tolerance_of
from la2ds_cli.alignment.consensus import consensus_estimates, pairwise_paths
from la2ds_cli.alignment.match import (
    checked_by_movement,
    match_features,
    repeating,
    with_rivals,
)
from la2ds_cli.alignment.pair import PreparedPair, anchored_frames, prepare_pair
from la2ds_cli.alignment.path import is_monotone, speed_ratio
from la2ds_cli.alignment.references import References
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult, Match, dense
from la2ds_cli.alignment.same_movement import (
    Sameness,
    check_same_movement,
    describe,
    doubt,
    if_same,
    sameness,
)
from la2ds_cli.alignment.viewpoint import IN_WORDS, compared_views
from la2ds_cli.core.clip import VIDEO_SUFFIXES, ClipOptions, Video
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.core.view import View
from la2ds_cli.features.tempo import travel
from la2ds_cli.features.viewpoint import seen


def find_alignment(
    project: Project, a: str, b: str, request: AlignRequest, progress: Progress | None = None
) -> AlignResult:
    """Align clip `b` to clip `a`; see PairAligner.find."""
    return PairAligner(project, request, progress).find(a, b)


class PairAligner:
    """Aligns pairs of clips by one request.

    What the pairs share is computed once: the embeddings of clips and, as long as A stays the same,
    its reference clips and the paths to them. No result depends on which pairs came before.
    """

    def __init__(
        self, project: Project | None, request: AlignRequest, progress: Progress | None = None
    ) -> None:
        """project: None = prepared pairs of clips in memory."""
        self.project, self.request = project, request
        self.progress = progress or Progress()
        self._known: tuple[object, FeatureSource] | None = None
        self._references: tuple[object, References] | None = None

    def find(self, a: str, b: str) -> AlignResult:
        """Align clip `b` to clip `a`; missing poses and embeddings are computed first.

        a, b: video files, or names of clips of the project. B is compared in the view that is
        nearest to A (viewpoint.py), unless the request names one.

        Raises UserError (exit 2) for an unknown method and for impossible anchors, (exit 4) for a
        clip without joints or a run without weights, (exit 5) for clips whose skeletons share no
        joints, (exit 10) with `same_only` for clips that clearly show different movements, and the
        errors of extracting poses.
        """
        if self.project is None:
            raise ValueError("clips have names in a project alone")
        request, progress = self.request, self.progress
        pair = prepare_pair(self.project, a, b, request, progress)
        result = self.align(pair, request.anchors)
        judge_movement(result.same_movement, pair.names, request, progress)
        if result.unclear:
            progress.note(result.unclear)
        if hint := hint_of_slow_motion(result, pair.names, self.project.root):
            progress.note(hint)
        return result

    def align(self, pair: PreparedPair, anchors: Sequence[tuple[float, float]] = ()) -> AlignResult:
        """Align two prepared clips, or parts of them. anchors: seconds of A and of B that must
        match. Raises UserError as `find` does."""
        request, reason = self.request, pair.choice.reason
        if reason:
            self.progress.note(reason)
        match = self.match(pair, anchors)
        if match.view != "filmed" and request.view == "auto":
            self.progress.note(f"{pair.names[1]} is compared {IN_WORDS[match.view]}")
        pose_a, pose_b = pair.poses
        own = self._references_of(pair, self._source_of(pair)).described
        same = sameness(own, describe(seen(pose_b, match.view, pose_a)))
        certainty = if_same(match.certainty, same)
        method = request.settings.method
        alignment = dense(match, certainty, pair.poses, pair.choice.kind, method)
        tempo = np.full(len(pose_a), np.nan)
        if is_monotone(match.path):
            tempo = speed_ratio(match.position, pose_a.time, pose_b.time)
        return AlignResult(
            a=pair.clips[0],
            b=pair.clips[1],
            pose_a=pose_a,
            pose_b=pose_b,
            alignment=alignment,
            match=match,
            speed_ratio=tempo,
            run=pair.choice.run(request.run),
            reason=reason,
            settings=request.settings,
            same_movement=same,
            anchors=tuple(anchors),
        )

    def load(self, clips: Sequence[str]) -> None:
        """Compute and store the embeddings of many clips in one batch, for pairs in the form of the
        last one. A clip that cannot be embedded is an error of its pairs."""
        if self._known is not None:
            self._known[1].load(clips, self.progress)

    def match(self, pair: PreparedPair, anchors: Sequence[tuple[float, float]] = ()) -> Match:
        """Match the pair by the chosen features, with B in the view that is nearest (viewpoint.py).

        Where a rival view matches other moments, nobody knows which are right: the intervals then
        hold both, and if that concerns a good part of A, no match is sure.
        """
        settings = self.request.settings
        source = self._source_of(pair)
        failed = source.load(() if pair.part else pair.ids, self.progress)
        for error in failed.values():
            raise error
        references = self._references_of(pair, source)
        names = references.load(pair.ids, self.progress)
        pose_a, pose_b = pair.poses
        for pose, name in zip(pair.poses, pair.names, strict=True):
            check_seen(pose, name)
        choice, moving = compared_views(pair, references.movement, self.request.view)
        a = source.features(pose_a, references.movement, part=pair.part)
        others = references.features(names)
        forced = anchored_frames(anchors, pair)

        def estimates(own: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
            clips = list(others.values())
            if forced:  # a part of A
                paths_a = pairwise_paths(own, clips, settings)
            else:
                paths_a = references.paths(own, others)
            return consensus_estimates(
                own, paths_a, b, pairwise_paths(b, clips, settings), settings
            )

        tolerance = tolerance_of(pose_b)

        def matched(view: View, through: bool) -> Match:
            b = source.features(pose_b, moving[view], view, pose_a, part=pair.part)
            way = estimates if through else None
            return match_features(a, b, settings, way, forced, tolerance)

        chosen = matched(choice.view, bool(others))
        if pair.choice.kind != "pose":
            alone = references.movement, moving[choice.view]
            chosen = checked_by_movement(chosen, alone, settings, tolerance, forced)
        if not forced:
            chosen = repeating(chosen, pose_b, settings, tolerance)
        rivals: dict[View, FloatArray] = {
            view: matched(view, False).position for view in choice.rivals
        }
        left_out = references.strangers(pair.ids)
        chosen = replace(chosen, view=choice.view, references=len(others), strangers=left_out)
        return with_rivals(chosen, rivals, tolerance)

    def _source_of(self, pair: PreparedPair) -> FeatureSource:
        """The features of clips in the form of the pair."""
        kind, pose = pair.choice.kind, pair.poses[0]
        form = kind, pose.skeleton, pose.spatial
        if self._known is None or self._known[0] != form:
            asked = self.request
            self._known = (
                form,
                FeatureSource(self.project, kind, asked.run, pose, asked.settings, asked.device),
            )
            self._references = None
        return self._known[1]

    def _references_of(self, pair: PreparedPair, source: FeatureSource) -> References:
        """The reference clips of the pair's A."""
        pose = pair.poses[0]
        part = pair.ids[0], int(pose.frame[0]), int(pose.frame[-1])
        if self._references is None or self._references[0] != part:
            self._references = part, References(source, pose, self.request.settings)
        return self._references[1]


def judge_movement(
    same: Sameness | None, names: tuple[str, str], request: AlignRequest, progress: Progress
) -> None:
    """Raises UserError (exit 10) with `same_only` for clips that clearly show different movements;
    says so if that is doubtful."""
    if request.same_only:
        check_same_movement(same, names)
    note = doubt(same, names)
    if note:
        progress.note(note)


SLOW_MOTION = 2.5
"""Ratio of durations. At real speed, 1 % of the pairs of golf swings, none of squats and 12 % of
pull-ups (some people take their time) differ by so much; of golf swings at real speed paired with
slow motion, half do."""


def slow_motion(result: AlignResult, names: tuple[str, str]) -> tuple[Video, str, float] | None:
    """The clip that seems to be slow motion compared with the other, if its options do not say so,
    the beginning of a sentence about it, and how many times slower it is; None if there is none.
    names: of A and of B."""
    ratio = moving_ratio(result)
    if np.isnan(ratio) or 1 / SLOW_MOTION < ratio < SLOW_MOTION:
        return None
    slow = 1 if ratio > 1 else 0
    clip = (result.a, result.b)[slow]
    if ClipOptions.from_text(clip.options).slowmo != 1:
        return None
    times = max(ratio, 1 / ratio)
    than = f"{times:.1f} times slower than {names[1 - slow]}"
    return clip, f"{names[slow]} moves {than}: if it was filmed in slow motion, ", times


def hint_of_slow_motion(result: AlignResult, names: tuple[str, str], root: Path) -> str:
    """A sentence with a command if one clip seems to be slow motion (`slow_motion`); otherwise
    empty. names: of A and of B. root: of the project."""
    found = slow_motion(result, names)
    if found is None:
        return ""
    clip, said, times = found
    if Path(clip.path).suffix.lower() in ("", ".webp", *VIDEO_SUFFIXES):
        source = shlex.quote(clip.path)
        extract = f"la2ds extract-poses {source} --slowmo {times:.2g} --overwrite"
        return f"{said}{extract} --project {shlex.quote(str(root))} gives its true times"
    fps = (result.pose_b if clip == result.b else result.pose_a).fps * times
    return f"{said}importing it again with --fps {fps:.4g} gives its true times"


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
