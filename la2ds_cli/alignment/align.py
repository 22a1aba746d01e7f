"""Step: find which frame of one clip shows the same moment as which frame of another.

Read this file from the top. Both clips are prepared (pair.py), seen in the view that is nearest
there and given features (clip_features.py). They are matched (consensus.py) by a method
(methods/) or, by several paths through the reference clips of A, by consensus. Every frame
of A then gets its confidence and its interval, which other matches that are as good make doubtful
(confidence.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np

from la2ds_cli.alignment.clip_features import FeatureSource, check_seen
from la2ds_cli.alignment.confidence import (
    DOUBTFUL,
    a_repetition_away,
    certainty,
    differs,
    doubted,
    if_seen,
    tolerance_of,
)
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    MOST_CANDIDATES,
    PairwisePath,
    choose_references,
    located,
    pairwise_paths,
)
from la2ds_cli.alignment.pair import (
    IN_WORDS,
    PreparedPair,
    anchored_frames,
    choose_views,
    compared_views,
    prepare_pair,
)
from la2ds_cli.alignment.path import speed_ratio
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult, dense, overall_ratio
from la2ds_cli.alignment.same_movement import (
    Described,
    Sameness,
    check_same_movement,
    describe,
    doubt,
    if_same,
    likeliest,
    sameness,
)
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.body_joints import as_skeleton, holds
from la2ds_cli.features.camera_views import movements, possible_views, seen
from la2ds_cli.features.pose_features import known_in_3d
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.tempo import paced_movement, travel
from la2ds_cli.network.training_clips import some_training_videos


def find_alignment(
    project: Project, a: str, b: str, request: AlignRequest, progress: Progress = SILENT
) -> AlignResult:
    """Align clip `b` to clip `a`; see PairAligner.find."""
    return PairAligner(project, request, progress).find(a, b)


class PairAligner:
    """Aligns pairs of clips by one request.

    What the pairs share is computed once: the embeddings of clips and, as long as A stays the same,
    its reference clips and the paths to them. No result depends on which pairs came before.
    """

    def __init__(
        self, project: Project | None, request: AlignRequest, progress: Progress = SILENT
    ) -> None:
        """project: None = prepared pairs of clips in memory."""
        self.project, self.request = project, request
        self.progress = progress
        self._known: tuple[object, FeatureSource] | None = None
        self._references: tuple[object, References] | None = None

    def find(self, a: str, b: str) -> AlignResult:
        """Align clip `b` to clip `a`; missing poses and embeddings are computed first.

        a, b: video files, or names of clips of the project. B is compared in the view that is
        nearest to A, unless the request names one.

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
        for pose, name in zip(pair.poses, pair.names, strict=True):
            check_seen(pose, name)
        # the features of A, of the reference clips, and of B in the view that is nearest
        source = self._source_of(pair)
        for error in source.load(() if pair.part else pair.ids, self.progress).values():
            raise error
        references = self._references_of(pair, source)
        names, strangers = list[str](), 0
        if not np.array_equal(pose_a.xy, pose_b.xy, equal_nan=True):  # one clip, under two names
            names, strangers = references.load(pair.ids, self.progress)
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
        sure = if_seen(sure, position, pose_a, pose_b)
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
            strangers=strangers,
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
    known = np.flatnonzero(ratio > 1e-6)  # False for NaN, and where B rests but for rounding
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


# --- the reference clips of A ---------------------------------------------------------------------

JUDGED = 2


class References:
    """What alignments to one clip, or to one part of it, share; none of it changes a result."""

    def __init__(self, source: FeatureSource, pose: PoseSequence, settings: AlignConfig) -> None:
        """source: of features. pose: of A, in the form in which all clips are compared."""
        self._source, self._pose, self._settings = source, pose, settings
        self._usable: dict[str, bool] = {}  # whether a clip can be compared with A
        self._shows: dict[str, bool] = {}  # whether it may show the movement of A
        self._poses: dict[str, PoseSequence] = {}
        self._features: dict[str, FloatArray] = {}  # each in the view that is nearest to A
        self._paths: dict[str, PairwisePath] = {}  # from A

    @cached_property
    def movement(self) -> FloatArray:
        """(N, 8K) `paced_movement` of A."""
        return paced_movement(self._pose)

    @cached_property
    def described(self) -> Described | None:
        """A as it is compared with other clips, to judge whether they show the same movement."""
        return describe(self._pose)

    def load(self, pair: tuple[str, str], progress: Progress) -> tuple[list[str], int]:
        """Ids of the references of a pair, once their embeddings are computed, and how many clips
        were left out for another movement. A clip that cannot be embedded is replaced by
        another."""
        while True:
            chosen, strangers = self._chosen(pair, progress)
            failed = self._source.load(chosen, progress)
            if not failed:
                return chosen, strangers
            self._usable |= dict.fromkeys(failed, False)

    def _chosen(self, pair: tuple[str, str], progress: Progress) -> tuple[list[str], int]:
        """At most config.reference_clips clips that training uses, evenly spaced among their ids,
        excluding the pair and clips that clearly show another movement than A; none for methods
        other than DTW. A clip that cannot be read or compared is skipped. At most MOST_CANDIDATES
        clips are considered, and at most JUDGED times as many judged as are used. Also the number
        of clips left out for another movement."""
        project, settings = self._source.project, self._settings
        if project is None or not settings.uses_references:
            return [], 0

        read = lru_cache(MOST_CANDIDATES)(lambda video: project.read_pose(video)[0])
        listed = some_training_videos(project, MOST_CANDIDATES)
        names = sorted(video.id for video in listed if video.id not in pair)
        for video in names:
            if video not in self._usable:
                try:
                    self._usable[video] = self._comparable(read(video))
                except UserError as error:
                    self._usable[video] = False
                    progress.note_once(f"{video} is no reference clip: {error.message}")
        usable = [video for video in names if self._usable[video]]
        if len(usable) < FEWEST_REFERENCES:
            return [], 0
        fitting, judged = list[str](), list[str]()
        for count in (settings.reference_clips, JUDGED * settings.reference_clips):
            if len(fitting) < settings.reference_clips:
                judged = evenly_spaced(usable, count)
                new = (video for video in judged if video not in self._shows)
                self._shows |= {video: self._may_show(read(video)) for video in new}
                fitting = [video for video in judged if self._shows[video]]
        chosen = choose_references(fitting, settings)
        for video in chosen:
            if video not in self._poses:
                pose = as_skeleton(read(video), self._pose.skeleton)
                self._poses[video] = replace(pose, spatial=self._pose.spatial)
        return chosen, len(judged) - len(fitting)

    def _comparable(self, pose: PoseSequence) -> bool:
        shown = not np.isnan(pose.xy).all() and holds(pose.skeleton, self._pose.skeleton)
        return shown and (not self._pose.spatial or known_in_3d(pose))

    def _may_show(self, pose: PoseSequence) -> bool:
        """Whether a clip may show the movement of A, in whatever view; True if that cannot be
        judged."""
        described = describe(pose)
        found = likeliest(sameness(judge, described) for judge in self._judges)
        return found is None or not found.refused

    @cached_property
    def _judges(self) -> list[Described | None]:
        own = self._pose
        others = possible_views(own, own)[1:]  # the first is as filmed
        return [self.described, *(describe(seen(own, view, own)) for view in others)]

    def features(self, names: Sequence[str]) -> dict[str, FloatArray]:
        """Features (T, E) of references, by id, each in the view that is nearest to A."""
        new = [video for video in names if video not in self._features]
        towards = self._pose
        views = [
            movements(self._poses[one], possible_views(self._poses[one], towards), towards)
            for one in new
        ]
        for video, moving, choice in zip(
            new, views, choose_views(self.movement, views), strict=True
        ):
            pose, view = self._poses[video], choice.view
            self._features[video] = self._source.features(pose, moving[view], view, towards)
        return {video: self._features[video] for video in names}

    def paths(self, a: FloatArray, references: Mapping[str, FloatArray]) -> list[PairwisePath]:
        """`pairwise_paths` of A, with features a (N, E), to references."""
        new = [video for video in references if video not in self._paths]
        paths = pairwise_paths(a, [references[video] for video in new], self._settings)
        self._paths |= dict(zip(new, paths, strict=True))
        return [self._paths[video] for video in references]
