"""The feature sets under evaluation, all with the same trims, pairs and arithmetic.

A feature set has one variant (features of a clip and the way to align them) or several, of which
the best is reported for each figure separately: a deliberately generous baseline. Clips are aligned
directly, or also through reference clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from la2ds_cli.alignment.clip_features import OneDistance
from la2ds_cli.alignment.consensus import choose_references
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, check_choice
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embedder import Moments
from la2ds_cli.evaluation.aligners import (
    Aligner,
    Direct,
    InNearestView,
    InOneView,
    SeenClip,
    ThroughClips,
)
from la2ds_cli.features import pose_features
from la2ds_cli.features.body_joints import is_body, joint_sources
from la2ds_cli.features.frame_features import frame_feature_reader
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.spatial import in_3d
from la2ds_cli.features.tempo import paced_movement

if TYPE_CHECKING:
    from la2ds_cli.embedding.embedder import Embedder


T = TypeVar("T")
ViewFunction = Callable[[Sequence[PoseSequence]], list[Any]]
"""What an aligner prepares of clips: features (T, D), or SeenClips."""


CENTRED_ON = 40  # training clips, at most, about whose mean frame an untrained network is centred
CLOSED = AlignConfig(method="dtw", open_ends=False)
OPEN = AlignConfig(method="dtw", open_ends=True)


@dataclass(frozen=True)
class Uses:
    """What an event transfer uses. features: the features of the two clips, in words. base: whether
    the base model's embeddings are used. movement: whether the joints' movement is used, in one
    distance or with separate paths. other_clips: number of reference clips used."""

    features: str
    movement: bool = False
    other_clips: int = 0
    base: bool = False

    def __str__(self) -> str:
        parts = [self.features, *["base model"] * self.base]
        parts += ["raw movement of the joints"] * self.movement
        parts.append(f"{self.other_clips or 'no'} other clips")
        return " + ".join(parts[:-1]) + (" + " if self.other_clips else ", ") + parts[-1]


@dataclass(frozen=True)
class Variant:
    """name: describes the features and the aligner. views: what the aligner prepares of clips.
    aligner: aligns two clips by them. feature: the content of the features; variants of one feature
    differ only in how they align. by_frame: features (T, D) as filmed, for metrics without
    alignment."""

    name: str
    views: ViewFunction
    aligner: Aligner
    feature: str
    uses: Uses
    by_frame: Callable[[Sequence[PoseSequence]], list[FloatArray]]


@dataclass(frozen=True)
class FeatureSet:
    """A feature set of the result table. run: of the model."""

    name: str
    variants: tuple[Variant, ...]
    run: str = ""


class OncePerClip(Generic[T]):
    """A function of clips that caches its result per clip object: sets, variants, draws and metrics
    of one evaluation use the same clips repeatedly."""

    def __init__(self, compute: Callable[[Sequence[PoseSequence]], list[T]]) -> None:
        self._compute = compute
        # By id() of a clip; the clip itself is stored, too, so that its id is not reused.
        self._known: dict[int, tuple[PoseSequence, T]] = {}

    def __call__(self, poses: Sequence[PoseSequence]) -> list[T]:
        new = [pose for pose in poses if id(pose) not in self._known]
        for pose, value in zip(new, self._compute(new) if new else (), strict=True):
            self._known[id(pose)] = pose, value
        return [self._known[id(pose)][1] for pose in poses]


class EmbedsOnce(OncePerClip[FloatArray]):
    """An embedder that embeds each clip once. config, spread, frame_features: of the embedder."""

    def __init__(self, embed: Embedder) -> None:
        super().__init__(embed)
        self._embed = embed
        self.config, self.spread = embed.config, embed.spread
        self.frame_features = embed.frame_features

    def centre_on(self, clips: Sequence[PoseSequence]) -> None:
        """Centre all embeddings on the mean frame of these clips, as a trained network does. Call
        this before any other clip is embedded."""
        if not clips:
            return
        values, width = self(clips), self.config.model.width
        centre = np.concatenate(values)[:, :width].mean(axis=0, dtype=np.float64)
        for value in values:  # in place, since they are cached
            value[:, :width] -= centre.astype(value.dtype)
        self._embed.moments = Moments(centre)


def each(feature: Callable[[PoseSequence], FloatArray]) -> ViewFunction:
    """A feature that is computed clip by clip."""
    return lambda poses: [feature(pose) for pose in poses]


def in_any_view(feature: Callable[[PoseSequence], FloatArray]) -> ViewFunction:
    """A feature that is computed clip by clip, in any view."""
    return lambda poses: [SeenClip(pose, feature) for pose in poses]


_HOLDS = {
    "velocity": "raw pose with velocity",
    "movement": "movement of the joints",
    "paced": "movement of the joints at its own pace",
}
_IN_VIEWS = {"view": pose_features.raw_pose, "paced": paced_movement}
_AS_FILMED = {
    "plain": pose_features.raw_pose,
    "velocity": pose_features.raw_pose_velocity,
    "movement": pose_features.movement,
}


def raw_variants(
    references: Sequence[PoseSequence] = (), align: AlignConfig = OPEN
) -> tuple[Variant, ...]:
    """Raw pose plain, with velocity, in the nearest view, as movement and as movement at its own
    pace, each with closed and with open ends. With reference clips, also both kinds of movement
    aligned through them; the last is what `align` does without a network."""
    by_frame = {
        name: OncePerClip(each(feature)) for name, feature in (_AS_FILMED | _IN_VIEWS).items()
    }
    views: dict[str, ViewFunction] = dict(by_frame)
    views |= {name: OncePerClip(in_any_view(feature)) for name, feature in _IN_VIEWS.items()}
    variants = [
        Variant(
            f"{name}, {ends} ends",
            view,
            InNearestView(config) if name in _IN_VIEWS else Direct(config),
            _HOLDS.get(name, "raw pose"),
            Uses(_HOLDS.get(name, "raw pose")),
            by_frame[name],
        )
        for name, view in views.items()
        for ends, config in (("closed", CLOSED), ("open", OPEN))
    ]
    for name in ("movement", "paced") if references else ():
        view, holds = views[name], _HOLDS[name]
        kind = InOneView if name in _IN_VIEWS else ThroughClips
        aligner = kind(lambda view=view: view(references), align)
        said, uses = (
            f"{name}, {through_clips(references)}",
            Uses(holds, other_clips=len(references)),
        )
        variants.append(Variant(said, view, aligner, holds, uses, by_frame[name]))
    return tuple(variants)


def through_clips(references: Sequence[PoseSequence]) -> str:
    """How clips are aligned by consensus, in words."""
    return f"directly and by way of {len(references)} training clips"


def baseline_sets(
    references: Sequence[PoseSequence] = (), align: AlignConfig = OPEN
) -> list[FeatureSet]:
    """The sets that need no model: raw_pose, raw_pose_best and time_only. references: training
    clips for the variants that align through them, with the settings `align`."""
    variants = raw_variants(references, align)
    clock = Variant(
        "linear",
        each(pose_features.time_only),
        Direct(AlignConfig(method="linear")),
        "time only",
        Uses("clock"),
        each(pose_features.time_only),
    )
    return [
        FeatureSet("raw_pose", variants[:1]),
        FeatureSet("raw_pose_best", variants),
        FeatureSet("time_only", (clock,)),
    ]


FEATURE_NAMES = ("model", "base", "raw_pose", "raw_pose_best", "time_only", "untrained")


def check_names(names: Sequence[str]) -> None:
    """Raise UserError (exit 2) for a name that is not a feature set."""
    for name in names:
        check_choice("feature set", name, FEATURE_NAMES)


def check_runs(project: Project, runs: Sequence[str]) -> tuple[str, ...]:
    """The runs as a tuple; UserError (exit 2) for an invalid name, or one that occurs twice."""
    for run in runs:
        project.run_dir(run)
    if len(set(runs)) < len(runs):
        raise UserError("a run is named twice", hint=f"name each once: {', '.join(set(runs))}")
    return tuple(runs)


@dataclass(frozen=True)
class FeatureRequest:
    """Which feature sets are wanted. names: of FEATURE_NAMES, None = all. runs: those of the
    feature set `model`. pose: of a clip under test; all have its skeleton, and are compared in 3D
    if it is `spatial`. training: poses of all training clips. optional: a single run without
    weights is left out with a warning."""

    project: Project
    names: Sequence[str] | None
    runs: Sequence[str]
    config: Config
    device: DeviceName
    pose: PoseSequence
    training: Sequence[PoseSequence]
    optional: bool = False

    def wants(self, *names: str) -> bool:
        return self.names is None or not set(names).isdisjoint(self.names)

    @cached_property
    def align(self) -> AlignConfig:
        """The settings of the alignment, in 2D if the clips have no joints in 3D."""
        flat = self.config.align.joints == "3d" and not self.pose.spatial
        return replace(self.config.align, joints="2d") if flat else self.config.align

    @cached_property
    def references(self) -> list[PoseSequence]:
        """The training clips through which the networks and some variants of raw poses align."""
        return choose_references(self.training, self.align)

    @cached_property
    def base(self) -> EmbedsOnce:
        """The base model, for its own row and for the networks of all runs. Raises UserError for a
        skeleton that it does not read."""
        from la2ds_cli.embedding.trained import load_embedder

        joint_sources(self.pose.skeleton)
        return EmbedsOnce(load_embedder(self.project, BASE_RUN, self.device))


def feature_sets(request: FeatureRequest, warnings: list[str]) -> list[FeatureSet]:
    """The wanted sets in the order of FEATURE_NAMES, `model` once for each run.

    If an optional run has no weights, the untrained network has the settings of the request.
    Raises UserError (exit 4) if a run that is not optional has no weights, or if no set is left.
    """
    sets = baseline_sets(request.references, request.align)
    if request.wants("model", "untrained"):
        sets += _network_sets(request, warnings)
    if request.wants("base"):
        sets += _base_set(request, warnings)
    chosen = [s for s in sets if request.wants(s.name)]
    if not chosen:
        raise UserError(
            f"run {request.runs[0]} has no model, so there is nothing to evaluate",
            hint=f"la2ds train, or ask for {', '.join(FEATURE_NAMES[1:])}",
            exit_code=ExitCode.UNUSABLE,
        )
    return sorted(chosen, key=lambda s: FEATURE_NAMES.index(s.name))


def embedder_set(
    request: FeatureRequest,
    name: str,
    embed: EmbedsOnce,
    run: str = "",
    base: EmbedsOnce | None = None,
) -> FeatureSet:
    """The set of a network, aligned by the settings of the request, also through its references.
    run: the one whose network it is. base: the embedder of the base model, which may be combined
    with the network in one distance."""
    align, references = request.align, request.references
    spatial = align.joints == "auto" and embed.config.model.input == "joints3d"
    base = None if spatial or align.joints == "3d" else base  # it reads joints in the image
    distance = OneDistance.of(embed.spread, align, base.spread if base is not None else 0.0)

    def feature(pose: PoseSequence) -> FloatArray:
        beside = base([pose])[0] if base is not None and distance.base else None
        return distance.features(paced_movement(pose), embed([pose])[0], beside)

    def views(poses: Sequence[PoseSequence]) -> list[Any]:
        poses = in_3d(poses) if spatial else poses
        if sees_frames:
            return [feature(pose) for pose in poses]
        return [SeenClip(pose, feature) for pose in poses]

    sees_frames = embed.config.model.input == "rgb"  # it sees every clip as filmed
    ends = "open" if align.open_ends else "closed"
    aligned = f"{align.method}, {ends} ends"
    besides = ["the base model"] * bool(distance.base) + ["the movement"] * bool(distance.movement)
    if besides:
        aligned += f", one distance with {' and '.join(besides)}"
    aligner: Aligner = Direct(align) if sees_frames else InNearestView(align)
    if references:
        aligned += f", {through_clips(references)}"
        kind = ThroughClips if sees_frames else InOneView
        aligner = kind(lambda: views(references), align)
    uses = Uses("network", bool(distance.movement), len(references), bool(distance.base))
    variant = Variant(aligned, views, aligner, f"{name} {run}".strip(), uses, embed)
    return FeatureSet(name, (variant,), run)


def _network_sets(request: FeatureRequest, warnings: list[str]) -> list[FeatureSet]:
    from la2ds_cli.embedding.trained import has_model, load_embedder, trained_runs

    project, runs = request.project, request.runs
    embedders = {}
    if not request.optional or has_model(project, runs[0]):
        embedders = {run: EmbedsOnce(load_embedder(project, run, request.device)) for run in runs}
        warnings += _differences(project, runs)
    else:
        trained = trained_runs(project)
        hint = f"; --run NAME selects another: {', '.join(trained)}" if trained else ""
        warnings.append(f"run {runs[0]} has no model: only baselines were evaluated{hint}")
    base = request.base if request.align.base and is_body(request.pose.skeleton) else None
    sets = [
        embedder_set(request, "model", embedder, run, base) for run, embedder in embedders.items()
    ]
    if request.wants("untrained"):
        sets.append(_untrained_set(request, embedders.get(runs[0])))
    return sets


def _base_set(request: FeatureRequest, warnings: list[str]) -> list[FeatureSet]:
    """The base model's set; none, with a warning, for a skeleton that it does not read, unless the
    set was requested by name."""
    try:
        base = request.base
    except UserError as error:
        if request.names is not None:
            raise
        warnings.append(f"{error.message}: evaluated without it")
        return []
    return [embedder_set(request, "base", base)]


def _untrained_set(request: FeatureRequest, trained: EmbedsOnce | None) -> FeatureSet:
    """The network of the first run, or of the settings if there is none, with random weights."""
    from la2ds_cli.embedding.trained import untrained_embedder

    config = request.config
    if trained is not None:
        settings, frame_features = trained.config, trained.frame_features
    else:
        settings = config
        frame_features = frame_feature_reader(request.project, settings, device=request.device)
    untrained = untrained_embedder(
        settings,
        request.pose.skeleton,
        seed=config.evaluate.seed,
        device=request.device,
        frame_features=frame_features,
    )
    embed = EmbedsOnce(untrained)
    # Whatever the settings of the alignment are, since metrics without alignment depend on it.
    embed.centre_on(evenly_spaced(request.training, CENTRED_ON))
    return embedder_set(request, "untrained", embed)


def _differences(project: Project, runs: Sequence[str]) -> list[str]:
    """Warnings about runs that differ in more than their seed, since a mean over them mixes these
    differences, and about runs with the same seed, which do not show the spread over seeds."""
    from la2ds_cli.embedding.trained import checkpoint_path

    notes, by_seed = [], {}
    recipes = {run: artifact.read_header(checkpoint_path(project, run))[0] for run in runs}
    first = recipes[runs[0]]
    for run, recipe in recipes.items():
        settings = dict(recipe.config)
        by_seed.setdefault(settings.pop("train.seed", None), []).append(run)
        names = sorted(n for n, value in settings.items() if first.config.get(n) != value)
        names += ["the training clips"] * (recipe.inputs.get("clips") != first.inputs.get("clips"))
        if names:
            notes.append(
                f"runs {runs[0]} and {run} differ in more than the seed: {', '.join(names)}"
            )
    return notes + [
        f"runs {', '.join(same)} have the same seed (train.seed={seed})"
        for seed, same in by_seed.items()
        if len(same) > 1
    ]
