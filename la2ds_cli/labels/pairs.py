"""Many clips aligned with many: features made once per clip, legs to the other clips made once too.

The result is that of `align` for each pair, but for three things that make it cheap: the other
clips that have a say are chosen once for all pairs, less the pair itself; a mirrored clip is
recognised by comparing it with one reference clip instead of with each of its partners; and
velocities are at the lowest frame rate of all clips instead of at that of the pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from la2ds_cli.alignment.align import match_features, rows_to_align
from la2ds_cli.alignment.clip_features import (
    CLEARLY_NEARER,
    JointFeatures,
    common_rate,
    joint_features,
    nearest_view,
    views_of_b,
)
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    Consensus,
    Modalities,
    PairwisePath,
    choose_references,
)
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embed import ensure_embeddings
from la2ds_cli.labels.carry import Correspondence


@dataclass(frozen=True)
class ClipFeatures:
    """By id. kinds: features (T, D), frame by frame, by which clips are compared. joints: by which
    it is told what two clips both show. mirrored: clips that fit the reference clearly better as
    their mirror image. problems: clips that could not be made ready."""

    kinds: dict[str, Modalities]
    joints: dict[str, JointFeatures]
    mirrored: frozenset[str]
    problems: dict[str, UserError]


def make_features(
    project: Project,
    poses: Mapping[str, PoseSequence],
    reference: str,
    *,
    kind: Literal["model", "pose"],
    run: str,
    settings: AlignConfig,
    device: DeviceName,
    progress: Progress,
) -> ClipFeatures:
    """Features of the clips `poses` (id -> joints, one skeleton, each with a joint somewhere): the
    embeddings of a run, with the movement of the joints beside them where routes pool both, or the
    movement alone. Embeddings that are missing are made and stored."""
    problems: dict[str, UserError] = {}
    kinds: dict[str, Modalities] = {}
    if kind == "model":
        kinds, problems = _embeddings(project, run, list(poses), device, progress)
    pooled = settings.uses_references and settings.pool
    fps = common_rate(list(poses.values()))
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
            kinds[clip] = (views[chosen],)
        elif pooled and clip in kinds:
            kinds[clip] = (*kinds[clip], views[chosen])
    return ClipFeatures(kinds, joints, frozenset(mirrored), problems)


def _embeddings(
    project: Project, run: str, clips: Sequence[str], device: DeviceName, progress: Progress
) -> tuple[dict[str, Modalities], dict[str, UserError]]:
    try:
        found = ensure_embeddings(project, run, clips, device, progress)
        return {clip: (one.value,) for clip, one in zip(clips, found, strict=True)}, {}
    except UserError:  # one by one, so that a clip that cannot be embedded costs itself only
        kinds: dict[str, Modalities] = {}
        problems: dict[str, UserError] = {}
        for clip in clips:
            try:
                kinds[clip] = (ensure_embeddings(project, run, [clip], device)[0].value,)
            except UserError as problem:
                problems[clip] = problem
        if not kinds:  # it is the run
            raise
        return kinds, problems


class Pairs:
    """Alignments between clips, each made once. others: ids of clips with features that may have a
    say, of which at most config.reference_clips do, never those of the pair itself. kind: what the
    first kind of features is."""

    def __init__(
        self,
        features: ClipFeatures,
        others: Sequence[str],
        settings: AlignConfig,
        kind: Literal["model", "pose"],
    ) -> None:
        self.features = features
        self.settings = settings
        self.kind: Literal["model", "pose"] = kind
        self.others = choose_references([c for c in others if c in features.kinds], settings)
        self._consensus = Consensus([features.kinds[clip] for clip in self.others], settings)
        self._paths: dict[str, list[list[PairwisePath]]] = {}
        self._found: dict[tuple[str, str], Correspondence] = {}

    def find(self, a: str, b: str) -> Correspondence:
        """Where in clip `b` each frame of clip `a` lies."""
        if (a, b) not in self._found:
            self._found[a, b] = self._align(a, b)
        return self._found[a, b]

    def forget(self, clip: str) -> None:
        """Free what is kept of a clip whose alignments are done: a long list holds many."""
        self._paths.pop(clip, None)
        self._found = {pair: found for pair, found in self._found.items() if clip not in pair}

    def _align(self, a: str, b: str) -> Correspondence:
        joints = self.features.joints
        rows = rows_to_align(joints[a], joints[b], self.settings)
        asked = [n for n, clip in enumerate(self.others) if clip not in (a, b)]

        def estimates(kinds_a: Modalities, kinds_b: Modalities) -> FloatArray:
            paths_a = self._paths_of(a, kinds_a, len(rows.a) < rows.length_a)
            paths_b = self._paths_of(b, kinds_b, len(rows.b) < rows.length_b)
            paths_a, paths_b = (
                [[kind[n] for n in asked] for kind in paths] for paths in (paths_a, paths_b)
            )
            return self._consensus.estimates(kinds_a, paths_a, kinds_b, paths_b)

        match = match_features(
            self.features.kinds[a],
            self.features.kinds[b],
            rows,
            self.settings,
            self.kind,
            estimates if len(asked) >= FEWEST_REFERENCES else None,
        )
        sure = match.certainty
        return Correspondence(match.position, sure.low, sure.high, sure.confidence, rows.length_b)

    def _paths_of(self, clip: str, kinds: Modalities, part: bool) -> list[list[PairwisePath]]:
        """To all other clips; kept for a whole clip."""
        if part:
            return self._consensus.pairwise_paths(kinds)
        if clip not in self._paths:
            self._paths[clip] = self._consensus.pairwise_paths(kinds)
        return self._paths[clip]
