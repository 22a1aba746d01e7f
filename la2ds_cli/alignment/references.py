"""The reference clips of one clip A: which they are, in which views, and A's paths to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np

from la2ds_cli.alignment.clip_features import FeatureSource
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    MOST_CANDIDATES,
    PairwisePath,
    choose_references,
    pairwise_paths,
)
from la2ds_cli.alignment.same_movement import Described, describe, likeliest, sameness
from la2ds_cli.alignment.viewpoint import choose_views
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import as_skeleton, holds
from la2ds_cli.features.pose_features import known_in_3d
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements, possible_views, seen

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

    def strangers(self, pair: Sequence[str]) -> int:
        """How many clips other than the pair were left out, since they show another movement."""
        return sum(not same for video, same in self._shows.items() if video not in pair)

    def load(self, pair: tuple[str, str], progress: Progress) -> list[str]:
        """Ids of the references of a pair, once their embeddings are computed. A clip that cannot
        be embedded is replaced by another."""
        while True:
            chosen = self._chosen(pair)
            failed = self._source.load(chosen, progress)
            if not failed:
                return chosen
            self._usable |= dict.fromkeys(failed, False)

    def _chosen(self, pair: tuple[str, str]) -> list[str]:
        """At most config.reference_clips clips that training uses, evenly spaced among their ids,
        excluding the pair and clips that clearly show another movement than A; none for methods
        other than DTW and for a clip aligned with itself. A clip that cannot be read or compared is
        skipped. At most MOST_CANDIDATES clips are considered, and at most JUDGED times as many
        judged as are used."""
        project, settings = self._source.project, self._settings
        if project is None or not settings.uses_references or pair[0] == pair[1]:
            return []
        from la2ds_cli.training.clips import some_training_videos

        read = lru_cache(MOST_CANDIDATES)(lambda video: project.read_pose(video)[0])
        listed = some_training_videos(project, MOST_CANDIDATES)
        names = sorted(video.id for video in listed if video.id not in pair)
        for video in names:
            if video not in self._usable:
                with suppress(UserError):  # which stays False
                    self._usable[video] = False
                    self._usable[video] = self._comparable(read(video))
        usable = [video for video in names if self._usable[video]]
        if len(usable) < FEWEST_REFERENCES:
            return []
        fitting: list[str] = []
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
        return chosen

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
