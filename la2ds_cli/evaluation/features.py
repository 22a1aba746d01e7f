"""The feature sets to evaluate, all with the same trims, pairs and arithmetic.

A feature set has one or more variants (features of a clip, and settings for aligning by them). The
best variant is reported for each figure separately, which is deliberately generous to baselines.
Clips are aligned by `alignment.align`, as in `la2ds align`, with or without reference clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import (
    ClipFeatures,
    Embedding,
    FeatureKind,
    PosedClip,
    network_features,
)
from la2ds_cli.alignment.project_aligner import EXAMINED
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable, UserError, check_choice
from la2ds_cli.core.memo import Memo
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import ViewName
from la2ds_cli.features import pose_features
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.frame_features import frame_feature_reader
from la2ds_cli.features.pose_features import in_3d
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.network.embedder import Embedder, EmbeddingStatistics
from la2ds_cli.network.load_network import light_embedder, untrained_embedder
from la2ds_cli.network.run_weights import checkpoint_path, has_model, run_header, trained_runs

T = TypeVar("T")
CENTRED_ON = 40  # training clips, at most, whose mean frame centres an untrained network
CLOSED = AlignConfig(method="dtw", open_ends=False)
OPEN = AlignConfig(method="dtw", open_ends=True)

ByFrame = Callable[[Sequence[PoseSequence]], list[FloatArray]]
"""Features (T, D) of clips as filmed, for metrics without alignment."""


class OncePerClip(Generic[T]):
    """Cache the result of a function for each clip object, since feature sets, variants, draws and
    metrics use the same clips repeatedly."""

    def __init__(self, compute: Callable[[Sequence[PoseSequence]], list[T]]) -> None:
        self._compute = compute
        # By id() of a clip; the clip itself is kept so that its id is not reused.
        self._cached: dict[int, tuple[PoseSequence, T]] = {}

    def __call__(self, poses: Sequence[PoseSequence]) -> list[T]:
        new = [pose for pose in poses if id(pose) not in self._cached]
        for pose, value in zip(new, self._compute(new) if new else (), strict=True):
            self._cached[id(pose)] = pose, value
        return [self._cached[id(pose)][1] for pose in poses]


def _unchanged(poses: Sequence[PoseSequence]) -> list[PoseSequence]:
    return list(poses)


@dataclass(frozen=True)
class FeatureVariant:
    """Features of clips, and the settings for aligning by them.

    name: the features and how they are aligned. content: the features alone; variants with the same
    content differ only in how they align. uses: what an event transfer uses, in words. features: of
    a clip in a view. by_frame: see ByFrame. settings: of the alignment. view: the view in which B
    is compared. references: candidates for reference clips. form: converts clips before they are
    compared, for example to 3D.
    """

    name: str
    content: str
    uses: str
    features: ClipFeatures
    by_frame: ByFrame
    settings: AlignConfig
    view: ViewName = "auto"
    references: Sequence[PoseSequence] = ()
    form: Callable[[Sequence[PoseSequence]], list[PoseSequence]] = _unchanged

    def align(self, a: PoseSequence, b: PoseSequence) -> Alignment:
        """Align two clips, or parts of them."""
        a, b = self.form([a, b])
        references = self.form(self.references)
        return align(a, b, references, self.features, self.settings, view=self.view)


@dataclass(frozen=True)
class FeatureSet:
    """A feature set of the result table. run: whose model it is, empty for baselines."""

    name: str
    variants: tuple[FeatureVariant, ...]
    run: str = ""


@dataclass(frozen=True)
class SharedClips:
    """What all feature sets share: candidates for reference clips, settings, and cached values.

    spatial: joints are compared in 3D.
    """

    references: Sequence[PoseSequence] = ()
    align: AlignConfig = OPEN
    spatial: bool = False
    memo: Memo = field(default_factory=Memo)

    @cached_property
    def form(self) -> Callable[[Sequence[PoseSequence]], list[PoseSequence]]:
        """Return the conversion of clips: to joints in metres if `spatial`, each only once."""
        return OncePerClip(in_3d) if self.spatial else _unchanged

    @property
    def through(self) -> str:
        """Return how clips are aligned by consensus, in words."""
        return f"directly and through at most {self.align.reference_clips} training clips"


Raw = Callable[[PoseSequence], FloatArray]
_RAW: dict[str, tuple[str, Raw | None, ViewName]] = {  # name -> content, feature, view
    "plain": ("raw pose", pose_features.raw_pose, "filmed"),
    "velocity": ("raw pose with velocity", pose_features.raw_pose_velocity, "filmed"),
    "movement": ("movement of the joints", pose_features.movement, "filmed"),
    "view": ("raw pose", pose_features.raw_pose, "auto"),
    "paced": ("movement of the joints at its own pace", None, "auto"),
}


def _raw_features(feature: Raw | None, shared: SharedClips) -> tuple[ClipFeatures, ByFrame]:
    """Return features that are computed for each clip alone; None = `paced_movement`."""

    def compute(clip: PosedClip, features: ClipFeatures) -> FloatArray:
        return features.movement(clip) if feature is None else feature(clip.seen())

    features = ClipFeatures(compute, memo=shared.memo)
    return features, lambda poses: [features(PosedClip(pose)) for pose in shared.form(poses)]


def raw_variants(shared: SharedClips | None = None) -> tuple[FeatureVariant, ...]:
    """Return the variants of raw pose: plain, with velocity, in the nearest view, as movement, and
    as movement at its own pace.

    Each is aligned with closed and with open ends and, for both kinds of movement, through the
    reference clips if there are any. The last variant is what `align` does without a network.
    """
    shared = shared or SharedClips()
    direct, through = [], []
    for name, (content, feature, view) in _RAW.items():
        features, by_frame = _raw_features(feature, shared)
        variant = FeatureVariant(
            *("", content, f"{content}, no other clips", features, by_frame, OPEN, view),
            form=shared.form,
        )
        for ends, settings in (("closed", CLOSED), ("open", OPEN)):
            direct.append(replace(variant, name=f"{name}, {ends} ends", settings=settings))
        if shared.references and name in ("movement", "paced"):
            through.append(
                replace(
                    variant,
                    name=f"{name}, {shared.through}",
                    uses=f"{content} + at most {shared.align.reference_clips} other clips",
                    settings=shared.align,
                    references=shared.references,
                )
            )
    return (*direct, *through)


def baseline_sets(shared: SharedClips | None = None) -> list[FeatureSet]:
    """Return the sets that need no model: raw_pose, raw_pose_best and time_only."""
    shared = shared or SharedClips()
    variants = raw_variants(shared)
    features, by_frame = _raw_features(pose_features.time_only, shared)
    linear = AlignConfig(method="linear")
    clock = FeatureVariant(
        *("linear", "time only", "clock, no other clips", features, by_frame, linear, "filmed"),
        form=shared.form,
    )
    return [
        FeatureSet("raw_pose", variants[:1]),
        FeatureSet("raw_pose_best", variants),
        FeatureSet("time_only", (clock,)),
    ]


FEATURE_NAMES = ("model", "base", "raw_pose", "raw_pose_best", "time_only", "untrained")


def check_names(project: StoredProject, features: Sequence[str], runs: Sequence[str]) -> None:
    """Raise UserError (exit 2) for an unknown feature set, an invalid run name, or a repeated
    run."""
    for name in features:
        check_choice("feature set", name, FEATURE_NAMES)
    for run in runs:
        project.run_dir(run)
    distinct = dict.fromkeys(runs)
    if len(distinct) < len(runs):
        raise UserError("a run is named twice", hint=f"name each once: {', '.join(distinct)}")


@dataclass(frozen=True)
class FeatureRequest:
    """Which feature sets to make.

    names: from FEATURE_NAMES, None = all. runs: scored as `model`. pose: of any scored clip; all
    have the same skeleton. training: poses of all training clips. optional: leave out a single run
    without weights, with a warning.
    """

    project: StoredProject
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
    def spatial(self) -> bool:
        """Return whether joints are compared in metres, as `align` does for these runs; the same
        for all feature sets, so that they stay comparable."""
        wanted = self.config.align.joints
        if wanted == "auto" and self.wants("model"):
            return self._reads_3d and self.pose.world is not None
        return wanted == "3d" and self.pose.spatial

    @property
    def _reads_3d(self) -> bool:
        return any(run_header(self.project, run).input == "joints3d" for run in self.runs)

    @cached_property
    def shared(self) -> SharedClips:
        """Return what all feature sets share."""
        settings = self.config.align
        if settings.joints == "3d" and not self.spatial:
            settings = replace(settings, joints="2d")
        count = EXAMINED * settings.reference_clips if settings.uses_references else 0
        return SharedClips(evenly_spaced(self.training, count), settings, self.spatial)

    @cached_property
    def base(self) -> Embedder:
        """Return the base model, for its own row and for the networks of all runs."""
        return light_embedder(self.project, BASE_RUN, self.device)

    @cached_property
    def base_embedding(self) -> Embedding:
        """Return the base model as part of features; a single object, so that each clip is embedded
        once."""
        return _embedding(self.base)


def feature_sets(request: FeatureRequest, warnings: list[str]) -> list[FeatureSet]:
    """Return the requested feature sets in the order of FEATURE_NAMES, `model` once for each run.

    If an optional run has no weights, the untrained network has the settings of the request.
    Raises UserError (exit 4) if a run that is not optional has no weights, or if no set is left.
    """
    sets = baseline_sets(request.shared)
    if request.wants("model", "untrained"):
        sets += _network_sets(request, warnings)
    if request.wants("base"):
        if request.names is not None or is_body(request.pose.skeleton):
            sets.append(network_set(request, "base", request.base))
        else:
            warnings.append("the base model was left out: it works on body skeletons only")
    chosen = [s for s in sets if request.wants(s.name)]
    if not chosen:
        raise Unusable(
            f"run {request.runs[0]} has no model, so there is nothing to evaluate",
            hint=f"la2ds train, or ask for {', '.join(FEATURE_NAMES[1:])}",
        )
    return sorted(chosen, key=lambda s: FEATURE_NAMES.index(s.name))


def network_set(
    request: FeatureRequest, name: str, embed: Embedder, run: str = "", *, with_base: bool = False
) -> FeatureSet:
    """Return the feature set of a network, aligned by the settings of the request.

    Parameters
    ----------
    name: a name from FEATURE_NAMES.
    run: whose network it is.
    with_base: combine it with the base model in one distance, if the settings allow.
    """
    shared = request.shared
    settings, references = shared.align, shared.references
    # The base model always reads joints in the image.
    spatial = shared.spatial and name != "base"
    network = request.base_embedding if name == "base" else _embedding(embed)
    base = request.base_embedding if with_base and not spatial else None
    kind: FeatureKind = "base" if name == "base" else "model"
    features = network_features(network, settings, base, kind=kind, run=run, memo=shared.memo)
    parts = ["network"]
    parts += ["base model"] * bool(base and settings.base and embed.spread)
    parts += ["raw movement of the joints"] * bool(settings.movement and embed.spread)
    aligned = f"{settings.method}, {'open' if settings.open_ends else 'closed'} ends"
    if len(parts) > 1:
        beside = " and the ".join(parts[1:]).replace("raw movement of the joints", "movement")
        aligned += f", one distance with the {beside}"
    uses = " + ".join(parts)
    if shared.spatial and not spatial:
        uses += " (joints in the image; the other sets compare joints in 3D)"
    if references:
        aligned += f", {shared.through}"
        uses += f" + at most {settings.reference_clips} other clips"
    else:
        uses += ", no other clips"
    form = shared.form if spatial else _unchanged
    variant = FeatureVariant(
        *(aligned, f"{name} {run}".strip(), uses, features),
        by_frame=lambda poses: [
            features.embedding(network, PosedClip(pose)) for pose in form(poses)
        ],
        settings=settings,
        references=references,
        form=form,
    )
    return FeatureSet(name, (variant,), run)


def _embedding(embed: Embedder) -> Embedding:
    """Return a network as part of features; networks of video frames see the clips as filmed."""
    as_filmed = embed.config.model.input == "rgb"
    return Embedding(lambda clip: embed([clip.pose if as_filmed else clip.seen()])[0], embed.spread)


def _network_sets(request: FeatureRequest, warnings: list[str]) -> list[FeatureSet]:
    project, runs = request.project, request.runs
    embedders: dict[str, Embedder] = {}
    if not request.optional or has_model(project, runs[0]):
        embedders = {run: light_embedder(project, run, request.device) for run in runs}
        warnings += _differences(project, runs)
    else:
        trained = trained_runs(project)
        hint = f"; --run NAME selects another: {', '.join(trained)}" if trained else ""
        warnings.append(f"no run was evaluated, since run {runs[0]} has no model{hint}")
    with_base = bool(request.config.align.base) and is_body(request.pose.skeleton)
    sets = [
        network_set(request, "model", embedder, run, with_base=with_base)
        for run, embedder in embedders.items()
    ]
    if request.wants("untrained"):
        sets.append(_untrained_set(request, embedders.get(runs[0])))
    return sets


def _untrained_set(request: FeatureRequest, trained: Embedder | None) -> FeatureSet:
    """Return the feature set of a network with random weights and the settings of the first run (or
    of the request)."""
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
    # Trained networks are centred on the mean frame of the training clips, too.
    if clips := evenly_spaced(request.training, CENTRED_ON):
        frames = np.concatenate(untrained(clips))[:, : settings.model.width]
        untrained.statistics = EmbeddingStatistics(frames.mean(axis=0, dtype=np.float64))
    return network_set(request, "untrained", untrained)


def _differences(project: StoredProject, runs: Sequence[str]) -> list[str]:
    """Return warnings about runs that a mean should not mix: those that differ in more than their
    seed, and those with the same seed, which do not show the spread over seeds."""
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
                f"runs {runs[0]} and {run} differ not only in their seed: {', '.join(names)}"
            )
    return notes + [
        f"runs {', '.join(same)} have the same seed (train.seed={seed})"
        for seed, same in by_seed.items()
        if len(same) > 1
    ]
