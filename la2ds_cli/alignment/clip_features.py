"""Features of a clip's joints by which two clips are compared, as filmed and mirrored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.trained import run_spread
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.pose_features import mirror, movement, raw_pose
from la2ds_cli.features.resample import interpolate, resample_pose, time_grid
from la2ds_cli.features.tempo import DIFFERENT, paced_movement, peak_speed, tempo_range

# Symmetric movements are as near to their mirror image by chance, and a mirrored B is shown
# flipped: its mirror image must be nearer than this share of the distance as filmed.
CLEARLY_NEARER = 0.9
MOVEMENT_SPREAD = 1.5  # what Embedder.spread is for paced_movement, whose own units make it so


@dataclass(frozen=True)
class JointFeatures:
    """Features of a clip's joints, as filmed or mirrored. movement: (T, 8K), see pose_feature;
    raw: (T, F) raw poses; rate: frames per second; tempo: `peak_speed`."""

    movement: FloatArray
    raw: FloatArray
    rate: float
    tempo: float


def joint_features(pose: PoseSequence, movement: FloatArray, *, mirrored: bool) -> JointFeatures:
    """Features of the joints of a clip whose `movement`, as filmed or mirrored, is known."""
    raw = raw_pose(mirror(pose) if mirrored else pose)
    return JointFeatures(movement, raw, common_rate([pose]), peak_speed(pose))


@dataclass(frozen=True)
class OneDistance:
    """What the distance of two frames is made of: a network's embeddings, and beside them those of
    the base model and the movement of the joints. Where one of them errs the others mostly do not.

    spread: `Embedder.spread` of the network; where it is unknown (0), nothing is beside its
    embeddings. movement, base: weights of the two beside it, 0 = without. base_spread: that of the
    base model.
    """

    spread: float
    movement: float = 0.0
    base: float = 0.0
    base_spread: float = 1.0

    @classmethod
    def of(cls, spread: float, settings: AlignConfig, base_spread: float = 0.0) -> OneDistance:
        """By the settings, for networks of these spreads; base_spread: 0 = no base model."""
        if not spread:
            return cls(0.0)
        if not base_spread:
            return cls(spread, settings.movement)
        return cls(spread, settings.movement, settings.base, base_spread)

    @classmethod
    def of_run(
        cls, project: Project, run: str, pose: PoseSequence, settings: AlignConfig
    ) -> OneDistance:
        """By the settings, for a run's embeddings of clips like `pose`. The base model is left out
        where it is the run, for a skeleton that it does not read, and where joints are compared in
        3D: it reads those of the image."""
        with_base = settings.base and run != BASE_RUN and is_body(pose.skeleton)
        with_base = with_base and not pose.spatial
        base_spread = run_spread(project, BASE_RUN) if with_base else 0.0
        return cls.of(run_spread(project, run), settings, base_spread)

    def features(
        self, pose: PoseSequence, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """Features (T, E) float32 whose squared distance is that of the `embedding` (T, D) in units
        of its spread, plus `self.base` times that of the embedding `base` of the base model in
        units of its own, plus `self.movement` times that of the `paced_movement` of `pose`; the
        embedding itself where nothing is beside it. Raises ValueError where `base` is missing."""
        if not (self.movement or self.base):
            return embedding
        parts = [embedding / self.spread]
        if self.base:
            if base is None:
                raise ValueError("the base model's embedding is part of this distance")
            parts.append(math.sqrt(self.base) / self.base_spread * base)
        if self.movement:
            parts.append(math.sqrt(self.movement) / MOVEMENT_SPREAD * paced_movement(pose))
        return np.concatenate(parts, axis=1).astype(np.float32)


def common_rate(poses: list[PoseSequence]) -> float:
    """The lowest median frame rate of the clips, frames per second."""
    rates = [1 / float(np.median(np.diff(p.time))) for p in poses if len(p) > 1]
    return min(rates, default=poses[0].fps)


def velocity_rate(poses: Sequence[PoseSequence]) -> float | None:
    """At how many frames per second velocities of the clips are compared: their `common_rate`; None
    where one is slow motion beside another, so that each has to be taken at its own pace."""
    return None if tempo_range(poses) > DIFFERENT else common_rate(list(poses))


def pose_feature(pose: PoseSequence, fps: float | None, name: str) -> FloatArray:
    """(T, 8K) float64: movement and its velocity at every frame, the velocity at `fps` frames per
    second, so that clips of different frame rates can be compared; None = at the clip's own pace
    (`paced_movement`). Gaps are interpolated.

    Raises UserError (exit 4) for a clip in which no joint was ever seen.
    """
    if np.isnan(pose.xy).all():
        raise UserError(
            f"no joint was seen in {name}",
            hint="look at it with la2ds extract-poses --overlay sheet.png; a stronger --pose, or a "
            "lower joint_threshold under [poses] in project.toml, may see more",
            exit_code=ExitCode.UNUSABLE,
        )
    if fps is None:
        return paced_movement(pose)
    grid = time_grid(pose.time, fps)
    sampled = pose if len(grid) == len(pose) else resample_pose(pose, grid)
    return interpolate(movement(sampled), grid, pose.time)


def views_of_b(b: PoseSequence, fps: float | None, name: str) -> tuple[FloatArray, FloatArray]:
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
