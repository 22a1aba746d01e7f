"""Many clips aligned with many: features made once per clip, legs to the other clips made once too.

The result is that of `align` for each pair, but for two things that make it cheap: the other clips
that have a say are chosen once for all pairs, less the pair itself, and a mirrored clip is
recognised by comparing it with one reference clip instead of with each of its partners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from la2ds_cli.alignment.clip_features import common_rate, nearest_view, views_of_b
from la2ds_cli.alignment.confidence import certainty
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.alignment.routes import (
    FEWEST,
    Kinds,
    Leg,
    Routes,
    agree,
    choose_others,
    disagreement,
    path_through,
)
from la2ds_cli.config_sections import AlignConfig
from la2ds_cli.device import DeviceName
from la2ds_cli.embedding import ensure_embeddings
from la2ds_cli.errors import UserError
from la2ds_cli.progress import Progress
from la2ds_cli.project import Project
from la2ds_cli.transfer.carry import Correspondence
from la2ds_cli.types import PoseSequence


@dataclass(frozen=True)
class ClipFeatures:
    """kinds: of every clip (id -> features (T, D), frame by frame). mirrored: clips that were
    compared as their mirror image. problems: clips that could not be made ready."""

    kinds: dict[str, Kinds]
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
    embeddings: dict[str, Kinds] = {}
    if kind == "model":
        embeddings, problems = _embeddings(project, run, list(poses), device, progress)
    if kind == "model" and not (settings.by_routes and settings.pool):
        return ClipFeatures(embeddings, frozenset(), problems)
    fps = common_rate(list(poses.values()))
    kinds, mirrored = {}, set()
    first = views_of_b(poses[reference], fps, reference)[0]
    for clip, pose in poses.items():
        if clip in problems:
            continue
        views = views_of_b(pose, fps, clip)
        chosen = 0 if clip == reference else nearest_view(first, views)
        if chosen:
            mirrored.add(clip)
        kinds[clip] = (*embeddings.get(clip, ()), views[chosen])
    return ClipFeatures(kinds, frozenset(() if kind == "model" else mirrored), problems)


def _embeddings(
    project: Project, run: str, clips: Sequence[str], device: DeviceName, progress: Progress
) -> tuple[dict[str, Kinds], dict[str, UserError]]:
    try:
        found = ensure_embeddings(project, run, clips, device, progress)
        return {clip: (one.value,) for clip, one in zip(clips, found, strict=True)}, {}
    except UserError:  # one by one, so that a clip that cannot be embedded costs itself only
        kinds: dict[str, Kinds] = {}
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
    """Alignments between the clips of `features`, each made once. others: ids among them that may
    have a say, of which at most config.routes do, never those of the pair itself. kind: what the
    first kind of features is."""

    def __init__(
        self,
        features: Mapping[str, Kinds],
        others: Sequence[str],
        settings: AlignConfig,
        kind: Literal["model", "pose"],
    ) -> None:
        self.features = features
        self.settings = settings
        self.kind = kind
        self.others = choose_others([clip for clip in others if clip in features], settings)
        self._routes = Routes([features[clip] for clip in self.others], settings)
        self._legs: dict[str, list[list[Leg]]] = {}
        self._found: dict[tuple[str, str], Correspondence] = {}

    def find(self, a: str, b: str) -> Correspondence:
        """Where in clip `b` each frame of clip `a` lies."""
        if (a, b) not in self._found:
            self._found[a, b] = self._align(a, b)
        return self._found[a, b]

    def _align(self, a: str, b: str) -> Correspondence:
        kinds_a, kinds_b = self.features[a], self.features[b]
        first_a, first_b = kinds_a[0], kinds_b[0]
        asked = [n for n, clip in enumerate(self.others) if clip not in (a, b)]
        if len(asked) < FEWEST:
            path = align_features(self.settings.method, first_a, first_b, self.settings)
            position, apart = smooth_match(path, len(first_a)), None
        else:
            legs = [[[kind[n] for n in asked] for kind in self._legs_of(clip)] for clip in (a, b)]
            votes = self._routes.votes(kinds_a, legs[0], kinds_b, legs[1])
            position, apart = agree(votes[0], votes, len(first_b)), disagreement(votes)
            path = path_through(position)
        sure = certainty(first_a, first_b, path, position, kind=self.kind, votes=apart)
        return Correspondence(position, sure.low, sure.high, sure.confidence, len(first_b))

    def _legs_of(self, clip: str) -> list[list[Leg]]:
        if clip not in self._legs:
            self._legs[clip] = self._routes.legs(self.features[clip])
        return self._legs[clip]
