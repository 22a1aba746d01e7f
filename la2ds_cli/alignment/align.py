"""Step: find which frame of one clip shows the same moment as which frame of another.

Read this file from the top. Both clips are prepared (pair.py), seen in the view that is nearest
(viewpoint.py) and given features (clip_features.py). They are matched (consensus.py) by a method
(methods/) or, by several paths through reference clips (references.py), by consensus. Every frame
of A then gets its confidence and its interval, which other matches that are as good make doubtful
(confidence.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.alignment.clip_features import FeatureSource, check_seen
from la2ds_cli.alignment.confidence import (
    DOUBTFUL,
    a_repetition_away,
    certainty,
    differs,
    doubted,
    tolerance_of,
)
from la2ds_cli.alignment.consensus import located
from la2ds_cli.alignment.pair import PreparedPair, anchored_frames, prepare_pair
from la2ds_cli.alignment.path import speed_ratio
from la2ds_cli.alignment.references import References
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult, dense, overall_ratio
from la2ds_cli.alignment.same_movement import (
    Sameness,
    check_same_movement,
    describe,
    doubt,
    if_same,
    sameness,
)
from la2ds_cli.alignment.viewpoint import IN_WORDS, compared_views
from la2ds_cli.core.clip import ClipOptions
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
        if slow := slow_motion(result, pair.names):
            progress.note(
                f"{slow} --slowmo of extract-poses, or --fps of import, gives its true times"
            )
        return result

    def align(self, pair: PreparedPair, anchors: Sequence[tuple[float, float]] = ()) -> AlignResult:
        """Align two prepared clips, or parts of them. anchors: seconds of A and of B that must
        match. Raises UserError as `find` does."""
        request, settings, (pose_a, pose_b) = self.request, self.request.settings, pair.poses
        if pair.choice.reason:
            self.progress.note(pair.choice.reason)
        # the features of A, of the reference clips, and of B in the view that is nearest
        source = self._source_of(pair)
        for error in source.load(() if pair.part else pair.ids, self.progress).values():
            raise error
        references = self._references_of(pair, source)
        names = references.load(pair.ids, self.progress)
        for pose, name in zip(pair.poses, pair.names, strict=True):
            check_seen(pose, name)
        choice, moving = compared_views(pair, references.movement, request.view)
        if choice.view != "filmed" and request.view == "auto":
            self.progress.note(f"{pair.names[1]} is compared {IN_WORDS[choice.view]}")
        a = source.features(pose_a, references.movement, part=pair.part)
        others = references.features(names)

        def seen_in(view: View) -> FloatArray:
            return source.features(pose_b, moving[view], view, pose_a, part=pair.part)

        # the path
        forced = anchored_frames(anchors, pair)
        b, through = seen_in(choice.view), list(others.values())
        found = located(a, b, settings, forced, through, references.paths(a, others))

        # how sure it is, beside other matches of the same clips
        position, tolerance = found.position, tolerance_of(pose_b)
        doubts: list[FloatArray] = []
        repeats = None
        if pair.choice.kind != "pose":
            moving_b = moving[choice.view]
            doubts.append(located(references.movement, moving_b, settings, forced).position)
        for seconds, other in () if forced else a_repetition_away(a, b, pose_b, settings):
            if differs(position, other, tolerance):
                doubts.append(other)
                repeats = seconds
        rivals: dict[View, FloatArray] = {
            view: located(a, seen_in(view), settings, forced).position for view in choice.rivals
        }
        unclear: list[View] = [
            view for view, other in rivals.items() if differs(position, other, tolerance)
        ]
        sure = certainty(a, b, position, tolerance)
        sure = doubted(sure, position, [*doubts, *rivals.values()], tolerance)
        if unclear:
            sure = sure._replace(confidence=np.minimum(sure.confidence, np.float32(DOUBTFUL)))
        same = sameness(references.described, describe(seen(pose_b, choice.view, pose_a)))
        sure = if_same(sure, same)

        return AlignResult(
            a=pair.clips[0],
            b=pair.clips[1],
            pose_a=pose_a,
            pose_b=pose_b,
            alignment=dense(
                found, sure, pair.poses, (a, b), pair.choice.kind, settings.method, choice.view
            ),
            features=(a, b),
            speed_ratio=speed_ratio(position, pose_a.time, pose_b.time),
            overall_ratio=overall_ratio(found, pose_a.time, pose_b.time),
            run=pair.choice.run(request.run),
            reason=pair.choice.reason,
            settings=settings,
            same_movement=same,
            anchors=tuple(anchors),
            unclear_views=tuple(unclear),
            repeats=repeats,
            references=len(others),
            strangers=references.strangers(pair.ids),
        )

    def load(self, clips: Sequence[str]) -> None:
        """Compute and store the embeddings of many clips in one batch, for pairs in the form of the
        last one. A clip that cannot be embedded is an error of its pairs."""
        if self._known is not None:
            self._known[1].load(clips, self.progress)

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


def slow_motion(result: AlignResult, names: tuple[str, str]) -> str:
    """The beginning of a sentence if one clip seems to be slow motion compared with the other, and
    its options do not say so; otherwise empty. names: of A and of B."""
    ratio = result.speed_ratio
    known = np.flatnonzero(ratio > 0)  # False for NaN
    order = known[np.argsort(ratio[known])]
    # Frames count by how far the joints move in them, because the duration of rests is arbitrary.
    passed = np.cumsum(travel(result.pose_a)[order])
    if not len(passed) or passed[-1] == 0:
        return ""
    usual = float(ratio[order][np.searchsorted(passed, passed[-1] / 2)])
    slow = 1 if usual > 1 else 0
    told = ClipOptions.from_text((result.a, result.b)[slow].options).slowmo != 1
    if told or 1 / SLOW_MOTION < usual < SLOW_MOTION:
        return ""
    than = f"{max(usual, 1 / usual):.1f} times slower than {names[1 - slow]}"
    return f"{names[slow]} moves {than}: if it was filmed in slow motion,"
