"""Aligns many clips with many: features, and the paths to references, are computed once per clip.

The result is that of `align` for each pair, except for three things that make it cheap: the
reference clips are chosen once for all pairs, without the pair itself; a mirrored clip is
recognised by comparing it with one clip instead of each of its partners; and velocities are at the
lowest frame rate of all clips, or each at its own pace, not as for the pair alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from la2ds_cli.alignment.clip_features import (
    CLEARLY_NEARER,
    JointFeatures,
    joint_features,
    nearest_view,
    velocity_rate,
    views_of_b,
)
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    Consensus,
    PairwisePath,
    choose_references,
)
from la2ds_cli.alignment.match import match_features
from la2ds_cli.alignment.one_distance import OneDistance
from la2ds_cli.alignment.pair_features import rows_to_align
from la2ds_cli.alignment.request import AlignRequest, ChosenKind, wants_3d
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embed import ensure_embeddings
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.spatial import in_3d
from la2ds_cli.labels.vote import Correspondence


@dataclass(frozen=True)
class ClipFeatures:
    """By id of the clip. kind: of the features. values: features (T, D), frame by frame,
    used to compare clips. joints: used to decide what two clips both show. mirrored: clips that fit
    the first one clearly better as their mirror image. problems: clips whose features could not be
    computed."""

    kind: ChosenKind
    values: dict[str, FloatArray]
    joints: dict[str, JointFeatures]
    mirrored: frozenset[str]
    problems: dict[str, UserError]


def compute_features(
    project: Project,
    poses: Mapping[str, PoseSequence],
    kind: ChosenKind,
    request: AlignRequest,
    progress: Progress,
) -> ClipFeatures:
    """Features of the clips `poses` (id -> joints, one skeleton, each with at least one joint): the
    embeddings of a run with the additional features of the settings, or only the movement. Other
    clips may be mirrored to match the first one. Missing embeddings are computed and stored."""
    settings = request.settings
    if wants_3d(project, request, kind):
        poses = dict(zip(poses, in_3d(list(poses.values())), strict=True))
    problems: dict[str, UserError] = {}
    values: dict[str, FloatArray] = {}
    distance = OneDistance(0.0)
    base: dict[str, FloatArray] = {}
    if kind != "pose":
        run, device = request.run, request.device
        values, problems = _embeddings(project, run, list(poses), device, progress)
        distance = OneDistance.of_run(project, run, next(iter(poses.values())), settings)
        if distance.base:
            base, failed = _embeddings(project, BASE_RUN, list(values), device, progress)
            problems |= failed
            values = {clip: values[clip] for clip in base}
    fps = velocity_rate(list(poses.values()))
    reference = next(iter(poses))
    first = views_of_b(poses[reference], fps, reference)[0]
    joints: dict[str, JointFeatures] = {}
    mirrored = set()
    for clip, pose in poses.items():
        views = views_of_b(pose, fps, clip)
        chosen = 0 if clip == reference else nearest_view(first, views, CLEARLY_NEARER)
        if chosen:
            mirrored.add(clip)
        joints[clip] = joint_features(pose, views[chosen], mirrored=bool(chosen))
        if kind == "pose":
            values[clip] = views[chosen]
        elif clip in values:
            shown = mirror(pose) if chosen else pose
            beside = base[clip] if distance.base else None
            values[clip] = distance.features(shown, values[clip], beside)
    return ClipFeatures(kind, values, joints, frozenset(mirrored), problems)


def _embeddings(
    project: Project, run: str, clips: Sequence[str], device: DeviceName, progress: Progress
) -> tuple[dict[str, FloatArray], dict[str, UserError]]:
    try:
        embeddings = ensure_embeddings(project, run, clips, device, progress)
        return {clip: one.value for clip, one in zip(clips, embeddings, strict=True)}, {}
    except UserError:  # one by one, so that a clip that cannot be embedded costs itself only
        values: dict[str, FloatArray] = {}
        problems: dict[str, UserError] = {}
        for clip in clips:
            try:
                values[clip] = ensure_embeddings(project, run, [clip], device)[0].value
            except UserError as problem:
                problems[clip] = problem
        if not values:  # it is the run
            raise
        return values, problems


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
        usable = [clip for clip in references if clip in features.values]
        self.references = choose_references(usable, settings)
        self._consensus = Consensus([features.values[clip] for clip in self.references], settings)
        self._paths: dict[str, list[PairwisePath]] = {}
        self._correspondences: dict[tuple[str, str], Correspondence] = {}

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
        joints = self.features.joints
        rows = rows_to_align(joints[a], joints[b], self.settings)
        others = [n for n, clip in enumerate(self.references) if clip not in (a, b)]

        def estimates(values_a: FloatArray, values_b: FloatArray) -> FloatArray:
            paths_a = self._pairwise_paths(a, values_a, len(rows.a) < rows.length_a)
            paths_b = self._pairwise_paths(b, values_b, len(rows.b) < rows.length_b)
            paths_a, paths_b = ([paths[n] for n in others] for paths in (paths_a, paths_b))
            return self._consensus.estimates(values_a, paths_a, values_b, paths_b)

        match = match_features(
            self.features.values[a],
            self.features.values[b],
            rows,
            self.settings,
            estimates if len(others) >= FEWEST_REFERENCES else None,
        )
        sure = match.certainty
        step = joints[b].rate / joints[a].rate
        bounds = sure.low, sure.high
        return Correspondence(match.position, *bounds, sure.confidence, rows.length_b, step)

    def _pairwise_paths(self, clip: str, values: FloatArray, part: bool) -> list[PairwisePath]:
        """To all references; cached if the clip is aligned in full."""
        if part:
            return self._consensus.pairwise_paths(values)
        if clip not in self._paths:
            self._paths[clip] = self._consensus.pairwise_paths(values)
        return self._paths[clip]
