"""Features by which two clips are compared: learned embeddings, or raw poses without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import mirror, movement
from la2ds_cli.features.resample import interpolate, resample_pose, time_grid

FeatureKind = Literal["auto", "model", "pose"]


@dataclass(frozen=True)
class FeatureChoice:
    """reason: one line for the user why raw poses are used, empty when they were asked for or the
    model is used. warning: one line when the model is not to be relied on, else empty."""

    kind: Literal["model", "pose"]
    reason: str
    warning: str = ""


def choose_features(project: Project, run: str, wanted: FeatureKind) -> FeatureChoice:
    """`auto` takes the model where the run has one. UserError (exit 4) for a missing model that
    was asked for, or for a run other than the default one that does not exist."""
    from la2ds_cli.embedding.embed import has_model, weakness

    if wanted == "pose":
        return FeatureChoice("pose", "")
    if has_model(project, run):
        return FeatureChoice("model", "", weakness(project, run))
    if wanted == "model" or run != DEFAULT_RUN:
        raise UserError(
            f"run '{run}' has no trained model",
            hint=f"la2ds train --run {run} trains it; --features pose needs no model",
            exit_code=ExitCode.UNUSABLE,
        )
    return FeatureChoice("pose", "no trained model: aligned on raw poses")


def check_skeletons(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> None:
    """UserError (exit 5) when two clips have different skeletons."""
    if a.skeleton != b.skeleton:
        raise UserError(
            f"{names[0]} has the skeleton {a.skeleton} and {names[1]} has {b.skeleton}",
            hint="extract or import both with the same skeleton",
            exit_code=ExitCode.MISMATCH,
        )


def common_rate(poses: list[PoseSequence]) -> float:
    """The lowest median frame rate of the clips, frames per second."""
    rates = [1 / float(np.median(np.diff(p.time))) for p in poses if len(p) > 1]
    return min(rates, default=poses[0].fps)


def pose_feature(pose: PoseSequence, fps: float, name: str) -> FloatArray:
    """(T, 8K) float64: movement and its velocity at every frame, the velocity at `fps` frames per
    second, so that clips of different frame rates can be compared. Gaps are interpolated.

    UserError (exit 4) for a clip in which no joint was ever seen.
    """
    if np.isnan(pose.xy).all():
        raise UserError(
            f"no joint was seen in {name}",
            hint="look at it with la2ds extract-poses --overlay sheet.png; a stronger --pose, or a "
            "lower joint_threshold under [poses] in project.toml, may see more",
            exit_code=ExitCode.UNUSABLE,
        )
    grid = time_grid(pose.time, fps)
    sampled = pose if len(grid) == len(pose) else resample_pose(pose, grid)
    return interpolate(movement(sampled), grid, pose.time)


def views_of_b(b: PoseSequence, fps: float, name: str) -> tuple[FloatArray, FloatArray]:
    """Pose features of a clip and of its mirror image: a left-hander may serve like that."""
    return pose_feature(b, fps, name), pose_feature(mirror(b), fps, name)


def nearest_view(a: FloatArray, views: Sequence[FloatArray], margin: float = 1.0) -> int:
    """Index of the view of B with the lowest mean distance to A along the DTW path; the first one
    where no other is below `margin` times its distance.

    The ends are closed for this: with open ends the mean would favour the view that leaves out
    more frames.
    """
    closed = AlignConfig(method="dtw", open_ends=False)
    means = [pair_distance(a, b, align_features("dtw", a, b, closed)).mean() for b in views]
    best = int(np.argmin(means))
    return best if means[best] < margin * means[0] else 0
