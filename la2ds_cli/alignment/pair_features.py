"""A pair and its reference clips as they are compared: in which views, at which rows, by what.

The movement of the joints decides in which view B and every reference clip is compared with A
(viewpoint.py), and which rows of the pair are matched (gaps.py). The features come from a
FeatureSource (clip_features.py). What several alignments to A share is kept in their
AlignmentCache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.clip_features import FeatureSource, JointFeatures, check_seen
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    MOST_CANDIDATES,
    choose_references,
    evenly_spaced,
)
from la2ds_cli.alignment.gaps import (
    CLEAR,
    SharedRows,
    all_rows,
    frames_of_like_tempo,
    shared_rows,
)
from la2ds_cli.alignment.request import AlignRequest, PreparedPair
from la2ds_cli.alignment.same_movement import Described, describe, likeliest, sameness
from la2ds_cli.alignment.viewpoint import IN_WORDS, ViewChoice, choose_view, choose_views
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.body_joints import as_skeleton, holds
from la2ds_cli.features.spatial import known_in_3d
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements, possible_views, seen


@dataclass(frozen=True)
class SeenPair:
    """A pair, and B in each of the views in which it may be compared.

    pair: the clips.
    choice: the view of B that is compared, and its rivals.
    a: (N, 8K) `paced_movement` of A.
    b: that of B, (M, 8K), in each view.
    """

    pair: PreparedPair
    choice: ViewChoice
    a: FloatArray
    b: Mapping[View, FloatArray]

    @classmethod
    def of(cls, pair: PreparedPair, request: AlignRequest) -> SeenPair:
        """The pair with the nearest view of B, or the requested one.

        Raises UserError (exit 4) for a clip without joints, and (exit 5) for a requested view that
        the clips cannot be compared in.
        """
        for pose, name in zip(pair.poses, pair.names, strict=True):
            check_seen(pose, name)
        pose_a, pose_b = pair.paced
        a = paced_movement(pose_a)
        if request.view != "auto":
            if request.view not in possible_views(pose_b, pose_a):
                raise UserError(
                    f"{pair.names[1]} cannot be compared {IN_WORDS[request.view]}",
                    hint="turning needs joints in metres of both clips, and by joints in metres "
                    "(align.joints) only --view filmed and mirrored differ",
                    exit_code=ExitCode.MISMATCH,
                )
            views = (request.view,)
            return cls(pair, ViewChoice(request.view), a, movements(pose_b, views, pose_a))
        if pair.ids[0] == pair.ids[1]:  # a clip, or parts of it, by one camera
            return cls(pair, ViewChoice(), a, movements(pose_b, ("filmed",)))
        b = movements(pose_b, possible_views(pose_b, pose_a), pose_a)
        return cls(pair, choose_view(a, b), a, b)

    @property
    def shown_b(self) -> PoseSequence:
        """B at its tempo, in the view that is compared."""
        pose_a, pose_b = self.pair.paced
        return seen(pose_b, self.choice.view, pose_a)

    def rows(self, settings: AlignConfig) -> SharedRows:
        """The rows that both clips show."""
        a, b = (
            JointFeatures.of(pose, moving, tempo)
            for pose, moving, tempo in zip(
                (self.pair.paced[0], self.shown_b),
                (self.a, self.b[self.choice.view]),
                self.pair.tempos,
                strict=True,
            )
        )
        return rows_to_align(a, b, settings)

    def features_of_b(self, source: FeatureSource, view: View) -> FloatArray:
        """Features (M, E) of B in a view."""
        pose_a, pose_b = self.pair.poses
        return source.features(pose_b, self.b[view], view, pose_a, part=self.pair.part)

    def features_of_a(self, source: FeatureSource) -> FloatArray:
        """Features (N, E) of A."""
        return source.features(self.pair.poses[0], self.a, part=self.pair.part)


def rows_to_align(a: JointFeatures, b: JointFeatures, settings: AlignConfig) -> SharedRows:
    """The rows that both clips show; all rows if the settings turn gaps off.

    Gaps are found by the movement and by the raw poses, since a foreign span may move so much that
    the rest hardly seems to move in comparison.
    """
    if not settings.gaps or settings.method != "dtw":
        return all_rows(len(a.movement), len(b.movement))
    rates = a.rate, b.rate
    most = frames_of_like_tempo((len(a.movement), len(b.movement)), rates, (a.tempo, b.tempo))
    by_movement = shared_rows(a.movement, b.movement, rates, most=most)
    return by_movement.common(shared_rows(a.raw, b.raw, rates, CLEAR, most))


# --- reference clips ------------------------------------------------------------------------------


def reference_clips(
    project: Project, pair: PreparedPair, settings: AlignConfig, cache: AlignmentCache
) -> dict[str, PoseSequence]:
    """Poses of at most config.reference_clips clips that training uses, evenly spaced among their
    ids, excluding the pair and clips that clearly show another movement than A; none for methods
    other than DTW and for a clip aligned with itself. A clip that cannot be read or compared is
    skipped. At most MOST_CANDIDATES clips are considered, and at most JUDGED times as many judged
    as are used."""
    from la2ds_cli.training.data import some_training_videos

    a, b = pair.ids
    if not settings.uses_references or a == b:
        return {}
    listed = some_training_videos(project, MOST_CANDIDATES)
    names = sorted(video.id for video in listed if video.id not in pair.ids)
    skeleton, spatial = pair.poses[0].skeleton, pair.poses[0].spatial
    read: dict[str, PoseSequence] = {}  # poses of the clips that are not used are not cached

    def pose_of(video: str) -> PoseSequence:
        if video not in read:
            read[video] = project.read_pose(video)[0]
        return read[video]

    for video in names:
        if video in cache.usable:
            continue
        try:
            pose = pose_of(video)
            shown = not np.isnan(pose.xy).all() and holds(pose.skeleton, skeleton)
            cache.usable[video] = shown and (not spatial or known_in_3d(pose))
        except UserError:
            cache.usable[video] = False
    usable = [video for video in names if cache.usable[video]]
    if len(usable) < FEWEST_REFERENCES:
        return {}
    if not cache.judges:
        own = pair.poses[0]
        cache.judges = [describe(seen(own, view, own)) for view in possible_views(own, own)]

    def of_the_movement(count: int) -> list[str]:
        judged = evenly_spaced(usable, count)
        for video in judged:
            if video not in cache.shows:
                cache.shows[video] = _may_show(cache.judges, pose_of(video))
        return [video for video in judged if cache.shows[video]]

    fitting = of_the_movement(settings.reference_clips)
    if len(fitting) < settings.reference_clips:
        fitting = of_the_movement(JUDGED * settings.reference_clips)
    chosen = choose_references(fitting, settings)
    for video in chosen:
        if video not in cache.poses:
            cache.poses[video] = replace(as_skeleton(pose_of(video), skeleton), spatial=spatial)
    return {video: cache.poses[video] for video in chosen}


JUDGED = 2


def _may_show(judges: Sequence[Described | None], pose: PoseSequence) -> bool:
    """Whether a clip may show the movement of a clip that was described in several views; True if
    that cannot be judged."""
    described = describe(pose)
    found = likeliest(sameness(judge, described) for judge in judges)
    return found is None or not found.refused


def load_features(
    project: Project,
    pair: PreparedPair,
    source: FeatureSource,
    settings: AlignConfig,
    cache: AlignmentCache,
    progress: Progress,
) -> dict[str, PoseSequence]:
    """The reference clips, once what the features of the pair and of them need is computed.
    References that cannot be embedded are left out and replaced by others.

    Raises UserError if a clip of the pair cannot be embedded.
    """
    failed = source.load(() if pair.part else pair.ids, progress)
    for error in failed.values():
        raise error
    while True:
        references = reference_clips(project, pair, settings, cache)
        failed = source.load(list(references), progress)
        if not failed:
            return references
        cache.usable |= dict.fromkeys(failed, False)


def reference_features(
    seen_pair: SeenPair,
    references: Mapping[str, PoseSequence],
    source: FeatureSource,
    cache: AlignmentCache,
) -> list[FloatArray]:
    """Features (T, E) of the reference clips, each in the view that is nearest to A."""
    a, towards = seen_pair.a, seen_pair.pair.poses[0]
    new = [video for video in references if video not in cache.features]
    views = [
        movements(references[video], possible_views(references[video], towards), towards)
        for video in new
    ]
    for video, moving, choice in zip(new, views, choose_views(a, views), strict=True):
        pose, view = references[video], choice.view
        cache.features[video] = source.features(pose, moving[view], view, towards)
    return [cache.features[video] for video in references]
