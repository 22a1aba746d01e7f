"""The feature sets under evaluation, all with the same trims, pairs and arithmetic.

A feature set has one variant (features of a clip and the way to align them) or several, of which
the best is reported for each figure separately: a deliberately generous baseline. Clips are aligned
directly, or also through reference clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from la2ds_cli.alignment.clip_features import OneDistance
from la2ds_cli.alignment.consensus import choose_references
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable, UserError, check_choice
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.aligner import Aligner, Clips, Direct, SeenClip, ThroughClips
from la2ds_cli.features import pose_features
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.frame_features import frame_feature_reader
from la2ds_cli.features.pose_features import in_3d
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.network.embedder import EmbeddingStatistics
from la2ds_cli.network.run_weights import checkpoint_path, has_model, trained_runs
from la2ds_cli.network.trained import load_embedder, untrained_embedder

if TYPE_CHECKING:
    from la2ds_cli.network.embedder import Embedder


T = TypeVar("T")
CENTRED_ON = 40  # training clips, at most, about whose mean frame an untrained network is centred
CLOSED = AlignConfig(method="dtw", open_ends=False)
OPEN = AlignConfig(method="dtw", open_ends=True)


@dataclass(frozen=True)
class Variant:
    """name: describes the features and the aligner. feature: the content of the features; variants
    of one feature differ only in how they align. uses: what an event transfer uses, in words.
    by_frame: features (T, D) as filmed, for metrics without alignment."""

    name: str
    feature: str
    uses: str
    aligner: Aligner
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
        self.config, self.spread = embed.config, embed.spread
        self.frame_features = embed.frame_features


def raw_feature(
    feature: Callable[[PoseSequence], FloatArray], *, filmed: bool = True
) -> tuple[Clips, Callable[[Sequence[PoseSequence]], list[FloatArray]]]:
    """Clips with a feature that is computed clip by clip, as filmed alone or in any view, and their
    features as filmed."""
    clips = OncePerClip(lambda poses: [SeenClip(pose, feature, filmed=filmed) for pose in poses])
    return clips, lambda poses: [clip.features() for clip in clips(poses)]


_RAW = {  # name -> what it holds, feature, whether it is compared as filmed alone
    "plain": ("raw pose", pose_features.raw_pose, True),
    "velocity": ("raw pose with velocity", pose_features.raw_pose_velocity, True),
    "movement": ("movement of the joints", pose_features.movement, True),
    "view": ("raw pose", pose_features.raw_pose, False),
    "paced": ("movement of the joints at its own pace", paced_movement, False),
}


def raw_variants(
    references: Sequence[PoseSequence] = (), align: AlignConfig = OPEN
) -> tuple[Variant, ...]:
    """Raw pose plain, with velocity, in the nearest view, as movement and as movement at its own
    pace, each with closed and with open ends. With reference clips, also both kinds of movement
    aligned through them; the last is what `align` does without a network."""
    direct, through = [], []
    for name, (holds, feature, filmed) in _RAW.items():
        clips, by_frame = raw_feature(feature, filmed=filmed)
        for ends, config in (("closed", CLOSED), ("open", OPEN)):
            aligner = Direct(clips, config)
            uses = f"{holds}, no other clips"
            direct.append(Variant(f"{name}, {ends} ends", holds, uses, aligner, by_frame))
        if references and name in ("movement", "paced"):
            said, uses = through_clips(references), f"{holds} + {len(references)} other clips"
            aligner = ThroughClips(clips, align, references)
            through.append(Variant(f"{name}, {said}", holds, uses, aligner, by_frame))
    return (*direct, *through)


def through_clips(references: Sequence[PoseSequence]) -> str:
    """How clips are aligned by consensus, in words."""
    return f"directly and by way of {len(references)} training clips"


def baseline_sets(
    references: Sequence[PoseSequence] = (), align: AlignConfig = OPEN
) -> list[FeatureSet]:
    """The sets that need no model: raw_pose, raw_pose_best and time_only. references: training
    clips for the variants that align through them, with the settings `align`."""
    variants = raw_variants(references, align)
    clips, by_frame = raw_feature(pose_features.time_only)
    linear = Direct(clips, AlignConfig(method="linear"))
    clock = Variant("linear", "time only", "clock, no other clips", linear, by_frame)
    return [
        FeatureSet("raw_pose", variants[:1]),
        FeatureSet("raw_pose_best", variants),
        FeatureSet("time_only", (clock,)),
    ]


FEATURE_NAMES = ("model", "base", "raw_pose", "raw_pose_best", "time_only", "untrained")


def check_names(project: Project, features: Sequence[str], runs: Sequence[str]) -> None:
    """Raise UserError (exit 2) for a name that is not a feature set, or no name of a run, and for a
    run that occurs twice."""
    for name in features:
        check_choice("feature set", name, FEATURE_NAMES)
    for run in runs:
        project.run_dir(run)
    once = dict.fromkeys(runs)  # in their order
    if len(once) < len(runs):
        raise UserError("a run is named twice", hint=f"name each once: {', '.join(once)}")


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
        """The base model, for its own row and for the networks of all runs."""
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
        if request.names is not None or is_body(request.pose.skeleton):
            sets.append(embedder_set(request, "base", request.base))
        else:
            warnings.append("the base model reads bodies: evaluated without it")
    chosen = [s for s in sets if request.wants(s.name)]
    if not chosen:
        raise Unusable(
            f"run {request.runs[0]} has no model, so there is nothing to evaluate",
            hint=f"la2ds train, or ask for {', '.join(FEATURE_NAMES[1:])}",
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
    filmed = embed.config.model.input == "rgb"  # it sees every clip as filmed

    def feature(pose: PoseSequence) -> FloatArray:
        beside = base([pose])[0] if base is not None and distance.base else None
        return distance.features(paced_movement(pose), embed([pose])[0], beside)

    def clips(poses: Sequence[PoseSequence]) -> list[SeenClip]:
        poses = in_3d(poses) if spatial else poses
        return [SeenClip(pose, feature, filmed=filmed) for pose in poses]

    aligned = f"{align.method}, {'open' if align.open_ends else 'closed'} ends"
    besides = ["base model"] * bool(distance.base) + ["movement"] * bool(distance.movement)
    if besides:
        aligned += f", one distance with the {' and the '.join(besides)}"
    uses = " + ".join(["network", *besides]).replace("movement", "raw movement of the joints")
    aligner: Aligner = Direct(clips, align)
    if references:
        aligned += f", {through_clips(references)}"
        aligner = ThroughClips(clips, align, references)
    uses += f" + {len(references)} other clips" if references else ", no other clips"
    variant = Variant(aligned, f"{name} {run}".strip(), uses, aligner, embed)
    return FeatureSet(name, (variant,), run)


def _network_sets(request: FeatureRequest, warnings: list[str]) -> list[FeatureSet]:
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


def _untrained_set(request: FeatureRequest, trained: EmbedsOnce | None) -> FeatureSet:
    """The network of the first run, or of the settings if there is none, with random weights."""
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
    # Centred on the mean frame of training clips, as a trained network is.
    if clips := evenly_spaced(request.training, CENTRED_ON):
        frames = np.concatenate(untrained(clips))[:, : settings.model.width]
        untrained.statistics = EmbeddingStatistics(frames.mean(axis=0, dtype=np.float64))
    return embedder_set(request, "untrained", EmbedsOnce(untrained))


def _differences(project: Project, runs: Sequence[str]) -> list[str]:
    """Warnings about runs that differ in more than their seed, since a mean over them mixes these
    differences, and about runs with the same seed, which do not show the spread over seeds."""
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
