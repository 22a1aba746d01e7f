"""Aligns many clips with many: features, and the paths to references, are computed once per clip.

The result is that of `align` for each pair, except for two things that make it cheap: the
reference clips are chosen once for all pairs, without the pair itself and those that clearly show
another movement than A; and the view of a clip is chosen by comparing it with one clip instead of
each of its partners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from la2ds_cli.alignment.clip_features import FeatureSource, frame_rate
from la2ds_cli.alignment.confidence import tolerance_of
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    PairwisePath,
    choose_references,
    consensus_estimates,
    pairwise_paths,
)
from la2ds_cli.alignment.match import checked_by_movement, match_features
from la2ds_cli.alignment.request import AlignRequest, ChosenKind, wants_3d
from la2ds_cli.alignment.same_movement import Described, Sameness, describe, if_same, sameness
from la2ds_cli.alignment.viewpoint import choose_view
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.spatial import in_3d
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements, possible_views, seen
from la2ds_cli.labels.vote import Correspondence


@dataclass(frozen=True)
class ClipFeatures:
    """What clips are compared by, by id of the clip.

    kind: of the features.
    features: (T, D), each clip in the view that is nearest to the first one.
    movement: (T, 8K) `paced_movement` of each clip in that view.
    rate: of each clip, frames per second.
    tolerance: `tolerance_of` a match in each clip, frames.
    described: by which is judged whether they show the same movement, None = that is not known.
    views: those views.
    problems: clips whose features could not be computed.
    """

    kind: ChosenKind
    features: dict[str, FloatArray]
    movement: dict[str, FloatArray]
    rate: dict[str, float]
    tolerance: dict[str, float]
    described: dict[str, Described | None]
    views: dict[str, View]
    problems: dict[str, UserError]


def compute_features(
    project: Project,
    poses: Mapping[str, PoseSequence],
    kind: ChosenKind,
    request: AlignRequest,
    progress: Progress,
) -> ClipFeatures:
    """Features of the clips `poses` (id -> joints, one skeleton, each with at least one joint).
    Missing embeddings are computed and stored."""
    if wants_3d(project, request, kind):
        poses = dict(zip(poses, in_3d(list(poses.values())), strict=True))
    reference = next(iter(poses.values()))
    source = FeatureSource(project, request, kind, reference)
    problems = source.load(list(poses), progress)
    if problems and len(problems) == len(poses):  # it is the run
        raise next(iter(problems.values()))
    first = paced_movement(reference)
    found = ClipFeatures(kind, {}, {}, {}, {}, {}, {}, problems)
    for clip, pose in poses.items():
        moving: Mapping[View, FloatArray] = {"filmed": first}
        if pose is not reference:
            moving = movements(pose, possible_views(pose, reference), reference)
        view = choose_view(first, moving).view
        found.views[clip] = view
        shown = seen(pose, view, reference)
        found.movement[clip] = moving[view]
        found.rate[clip], found.tolerance[clip] = frame_rate(shown), tolerance_of(shown)
        found.described[clip] = describe(shown)
        if clip not in problems:
            found.features[clip] = source.features(pose, moving[view], view, reference)
    return found


class PairAlignments:
    """Alignments between clips, each computed once. references: ids of clips with features that may
    serve as reference clips; at most config.reference_clips are used, never those of the pair
    itself.
    """

    def __init__(
        self, features: ClipFeatures, references: Sequence[str], settings: AlignConfig
    ) -> None:
        self.features = features
        self.settings = settings
        usable = [clip for clip in references if clip in features.features]
        self.references = choose_references(usable, settings)
        self._paths: dict[str, list[PairwisePath]] = {}
        self._correspondences: dict[tuple[str, str], Correspondence] = {}
        self._sameness: dict[tuple[str, str], Sameness | None] = {}

    def sameness(self, a: str, b: str) -> Sameness | None:
        """How sure it is that two clips show the same movement, None = it cannot be judged."""
        pair = min(a, b), max(a, b)
        if pair not in self._sameness:
            described = self.features.described
            self._sameness[pair] = sameness(described[a], described[b])
        return self._sameness[pair]

    def correspondence(self, a: str, b: str) -> Correspondence:
        """The position in clip `b` of each frame of clip `a`."""
        if (a, b) not in self._correspondences:
            self._correspondences[a, b] = self._align(a, b)
        return self._correspondences[a, b]

    def forget(self, clip: str) -> None:
        """Free the cache of a clip whose alignments are done, since a long list has many clips."""
        self._paths.pop(clip, None)
        self._correspondences = {
            pair: value for pair, value in self._correspondences.items() if clip not in pair
        }

    def _align(self, a: str, b: str) -> Correspondence:
        known = self.features
        others = [
            n
            for n, clip in enumerate(self.references)
            if clip not in (a, b) and not ((same := self.sameness(a, clip)) and same.refused)
        ]

        def estimates(own: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
            through_a, through_b = (
                [self._pairwise_paths(clip)[n] for n in others] for clip in (a, b)
            )
            return consensus_estimates(own, through_a, other, through_b, self.settings)

        match = match_features(
            known.features[a],
            known.features[b],
            self.settings,
            estimates if len(others) >= FEWEST_REFERENCES else None,
            tolerance=known.tolerance[b],
        )
        if known.kind != "pose":
            moving = known.movement[a], known.movement[b]
            match = checked_by_movement(match, moving, self.settings, known.tolerance[b])
        sure = if_same(match.certainty, self.sameness(a, b))
        return Correspondence(
            position=match.position,
            low=sure.low,
            high=sure.high,
            confidence=sure.confidence,
            length=len(match.b),
            step=known.rate[b] / known.rate[a],
        )

    def _pairwise_paths(self, clip: str) -> list[PairwisePath]:
        """To all references."""
        if clip not in self._paths:
            known = self.features.features
            clips = [known[one] for one in self.references]
            self._paths[clip] = pairwise_paths(known[clip], clips, self.settings)
        return self._paths[clip]
