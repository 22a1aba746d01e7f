"""Features of a clip's joints by which two clips are compared, as filmed and mirrored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.trained import run_spread
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.pose_features import mirror, mirrored_movement, movement, raw_pose
from la2ds_cli.features.resample import interpolate, resample_pose, time_grid
from la2ds_cli.features.tempo import DIFFERENT, paced_movement, peak_speed, speed_range, tempo_range

# The mirror image of a symmetric movement may be nearer by chance, and a mirrored B is shown
# flipped: B is mirrored only if that brings the distance below this share of the one as filmed.
CLEARLY_NEARER = 0.9
MOVEMENT_SPREAD = 1.5  # the counterpart of Embedder.spread for paced_movement, in its units


@dataclass(frozen=True)
class JointFeatures:
    """Features of a clip's joints, as filmed or mirrored. movement: (T, 8K), see pose_feature;
    raw: (T, F) raw poses; rate: frames per second; tempo: `peak_speed`."""

    movement: FloatArray
    raw: FloatArray
    rate: float
    tempo: float


def joint_features(
    pose: PoseSequence, movement: FloatArray, *, mirrored: bool, tempo: float | None = None
) -> JointFeatures:
    """Features of the joints of a clip whose `movement`, as filmed or mirrored, is known; tempo:
    its `peak_speed`, if that is known, too."""
    raw = raw_pose(mirror(pose) if mirrored else pose)
    tempo = peak_speed(pose) if tempo is None else tempo
    return JointFeatures(movement, raw, common_rate([pose]), tempo)


@dataclass(frozen=True)
class OneDistance:
    """The parts of the distance between two frames: the embeddings of a network, those of the base
    model, and the movement of the joints. Where one of them is wrong, the others mostly are not.

    spread: `Embedder.spread` of the network; if it is unknown (0), only the embeddings are used.
    movement, base: weights of the two other parts, 0 = without. base_spread: `Embedder.spread` of
    the base model.
    """

    spread: float
    movement: float = 0.0
    base: float = 0.0
    base_spread: float = 1.0

    @classmethod
    def of(cls, spread: float, settings: AlignConfig, base_spread: float = 0.0) -> OneDistance:
        """The distance that the settings ask for; base_spread: 0 = no base model."""
        if not spread:
            return cls(0.0)
        if not base_spread:
            return cls(spread, settings.movement)
        return cls(spread, settings.movement, settings.base, base_spread)

    @classmethod
    def of_run(
        cls, project: Project, run: str, pose: PoseSequence, settings: AlignConfig
    ) -> OneDistance:
        """The distance that the settings ask for, with a run's embeddings of clips like `pose`. The
        base model is left out if it is the run itself, if it does not read the skeleton, and if
        joints are compared in 3D, since it reads joints in the image."""
        with_base = settings.base and run != BASE_RUN and is_body(pose.skeleton)
        with_base = with_base and not pose.spatial
        base_spread = run_spread(project, BASE_RUN) if with_base else 0.0
        return cls.of(run_spread(project, run), settings, base_spread)

    def features(
        self, pose: PoseSequence, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """Features (T, E) float32 whose squared distance is the sum of three: that of `embedding`
        (T, D) in units of its spread, `self.base` times that of the base model's embedding `base`
        in units of its own spread, and `self.movement` times that of the `paced_movement` of
        `pose`. Without the other two parts, the embedding itself. Raises ValueError if `base` is
        missing."""
        return self.joined(paced_movement(pose) if self.movement else None, embedding, base)

    def joined(
        self, moving: FloatArray | None, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """`features` of a clip whose `paced_movement` is known."""
        if not (self.movement or self.base):
            return embedding
        parts = [embedding / self.spread]
        if self.base:
            if base is None:
                raise ValueError("the base model's embedding is part of this distance")
            parts.append(math.sqrt(self.base) / self.base_spread * base)
        if self.movement:
            if moving is None:
                raise ValueError("the movement is part of this distance")
            parts.append(math.sqrt(self.movement) / MOVEMENT_SPREAD * moving)
        return np.concatenate(parts, axis=1).astype(np.float32)


def common_rate(poses: list[PoseSequence]) -> float:
    """The lowest median frame rate of the clips, frames per second."""
    rates = [1 / float(np.median(np.diff(p.time))) for p in poses if len(p) > 1]
    return min(rates, default=poses[0].fps)


def velocity_rate(
    poses: Sequence[PoseSequence], tempos: Sequence[float] | None = None
) -> float | None:
    """The number of frames per second at which velocities of the clips are compared: their
    `common_rate`; None if one is slow motion compared with another, so that each is compared at its
    own pace. tempos: their `peak_speed`, if that is known."""
    apart = tempo_range(poses) if tempos is None else speed_range(tempos)
    return None if apart > DIFFERENT else common_rate(list(poses))


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
    """Pose features of a clip and of its mirror image, because a left-hander may do the same
    movement."""
    filmed = pose_feature(b, fps, name)
    if b.spatial:
        return filmed, pose_feature(mirror(b), fps, name)
    return filmed, mirrored_movement(filmed, get_skeleton(b.skeleton))


def nearest_view(a: FloatArray, views: Sequence[FloatArray], margin: float = 1.0) -> int:
    """Index of the view of B with the lowest mean distance to A along the DTW path; the first one
    if no other is below `margin` times its distance."""
    return nearest_views(a, [views], margin)[0]


def nearest_views(
    a: FloatArray, views: Sequence[Sequence[FloatArray]], margin: float = 1.0
) -> list[int]:
    """`nearest_view` of several clips.

    The ends are closed here: with open ends the mean would favour the view that leaves out more
    frames.
    """
    closed = AlignConfig(method="dtw", open_ends=False)
    every = [view for of_clip in views for view in of_clip]
    paths = align_each(a, every, closed)
    mean = iter(
        pair_distance(a, view, path).mean() for view, path in zip(every, paths, strict=True)
    )
    chosen = []
    for of_clip in views:
        means = [next(mean) for _ in of_clip]
        best = int(np.argmin(means))
        chosen.append(best if means[best] < margin * means[0] else 0)
    return chosen
