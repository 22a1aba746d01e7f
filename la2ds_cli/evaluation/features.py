"""The feature sets under evaluation, all through the same trims, pairs and arithmetic.

A feature set is one variant (features of a clip and the way to align them) or several, of which
the one with the lowest mean error is reported: a deliberately generous baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.aligners import Aligner, ByConsensus, Views, align_views
from la2ds_cli.evaluation.event_transfer import ViewFunction
from la2ds_cli.features import pose_features

if TYPE_CHECKING:
    from la2ds_cli.embedding.embedder import Embedder

CLOSED = AlignConfig(method="dtw", open_ends=False)
OPEN = AlignConfig(method="dtw", open_ends=True)


@dataclass(frozen=True)
class Variant:
    """views: features of clips. aligner: aligns two clips by them. name says both in words.
    feature: what the first view holds; variants of one feature differ in how they align only."""

    name: str
    views: ViewFunction
    aligner: Aligner
    feature: str


@dataclass(frozen=True)
class FeatureSet:
    """A row of the result table. description: what the features are; alignment: how clips are
    aligned by them, for event transfer; both in words. run: of the model."""

    name: str
    description: str
    alignment: str
    variants: tuple[Variant, ...]
    run: str = ""


def single_view(feature: Callable[[PoseSequence], FloatArray]) -> ViewFunction:
    """Views of a feature that is computed clip by clip."""
    return lambda poses: [(feature(pose),) for pose in poses]


def with_mirror(poses: Sequence[PoseSequence]) -> list[Views]:
    """Raw pose of each clip and of the mirrored person."""
    raw, mirror = pose_features.raw_pose, pose_features.mirror
    return [(raw(pose), raw(mirror(pose))) for pose in poses]


_HOLDS = {"velocity": "raw pose with velocity", "movement": "movement of the joints"}


def raw_variants(
    others: Sequence[PoseSequence] = (), align: AlignConfig = OPEN
) -> tuple[Variant, ...]:
    """Raw pose plain, with velocity, with mirror and as movement, each with closed and with open
    ends; and, where there are other clips, movement by way of them, as `align` does without a
    model."""
    views = {
        "plain": single_view(pose_features.raw_pose),
        "velocity": single_view(pose_features.raw_pose_velocity),
        "mirror": with_mirror,
        "movement": single_view(pose_features.movement),
    }
    variants = [
        Variant(
            f"{name}, {ends} ends",
            view,
            align_views(config),
            _HOLDS.get(name, "raw pose"),
        )
        for name, view in views.items()
        for ends, config in (("closed", CLOSED), ("open", OPEN))
    ]
    if others:
        consensus = ByConsensus(lambda: views["movement"](others), align)
        through = f"movement, {_by_way(others)}"
        variants.append(Variant(through, views["movement"], consensus, _HOLDS["movement"]))
    return tuple(variants)


def _by_way(others: Sequence[PoseSequence]) -> str:
    return f"directly and by way of {len(others)} training clips"


def baseline_sets(
    others: Sequence[PoseSequence] = (), align: AlignConfig = OPEN
) -> list[FeatureSet]:
    """The sets that need no model: raw_pose, raw_pose_best and time_only. others: training clips
    for the variant that aligns by way of them, by the settings `align`."""
    variants = raw_variants(others, align)
    clock = Variant(
        "linear",
        single_view(pose_features.time_only),
        align_views(AlignConfig(method="linear")),
        "time only",
    )
    return [
        FeatureSet(
            "raw_pose",
            "joints, root-centred and in torso lengths",
            "aligned by DTW with closed ends",
            variants[:1],
        ),
        FeatureSet(
            "raw_pose_best",
            "raw pose plain, raw pose with velocity, or the joints' movement, whichever does "
            "best on these very clips, chosen for each metric by itself",
            "for event transfer also to B or to its mirror image, with closed and with open ends"
            + (f", and {_by_way(others)}" if others else ""),
            variants,
        ),
        FeatureSet(
            "time_only",
            "normalised time, 0 to 1 over the clip",
            "clips are stretched onto each other",
            (clock,),
        ),
    ]


def embedder_set(
    name: str,
    description: str,
    embed: Embedder,
    align: AlignConfig,
    others: Sequence[PoseSequence] = (),
    run: str = "",
) -> FeatureSet:
    """The set of a network, aligned as the project's settings say, by way of `others` too."""
    pooled = bool(others) and align.pool

    def views(poses: Sequence[PoseSequence]) -> list[Views]:
        values = embed(poses)
        if not pooled:
            return [(value,) for value in values]
        return [(v, pose_features.movement(p)) for v, p in zip(values, poses, strict=True)]

    ends = "open" if align.open_ends else "closed"
    aligned = f"{align.method}, {ends} ends"
    aligner: Aligner = align_views(align)
    if others:
        aligned += f", {_by_way(others)}" + " by the joints' movement too" * pooled
        aligner = ByConsensus(lambda: views(others), align)
    variant = Variant(aligned, views, aligner, f"{name} {run}".strip())
    return FeatureSet(name, description, f"aligned by {aligned}", (variant,), run)


FEATURE_NAMES = ("model", "raw_pose", "raw_pose_best", "time_only", "untrained")


def check_names(names: Sequence[str]) -> None:
    """UserError (exit 2) for a name that is no feature set, with the nearest known one."""
    for name in names:
        if name not in FEATURE_NAMES:
            near = get_close_matches(name, FEATURE_NAMES, n=1)
            raise UserError(
                f"unknown feature set '{name}'",
                hint=(f"did you mean '{near[0]}'? " if near else "")
                + f"feature sets: {', '.join(FEATURE_NAMES)}",
            )
