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
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import mirror, movement, raw_pose
from la2ds_cli.features.resample import interpolate, resample_pose, time_grid
from la2ds_cli.features.tempo import paced_movement

# Symmetric movements are as near to their mirror image by chance, and a mirrored B is shown
# flipped: its mirror image must be nearer than this share of the distance as filmed.
CLEARLY_NEARER = 0.9
MOVEMENT_SPREAD = 1.5  # what Embedder.spread is for paced_movement, whose own units make it so


@dataclass(frozen=True)
class JointFeatures:
    """Features of a clip's joints, as filmed or mirrored. movement: (T, 8K), see pose_feature;
    raw: (T, F) raw poses; rate: frames per second."""

    movement: FloatArray
    raw: FloatArray
    rate: float


def joint_features(pose: PoseSequence, movement: FloatArray, *, mirrored: bool) -> JointFeatures:
    """Features of the joints of a clip whose `movement`, as filmed or mirrored, is known."""
    raw = raw_pose(mirror(pose) if mirrored else pose)
    return JointFeatures(movement, raw, common_rate([pose]))


def with_movement(
    embedding: FloatArray, pose: PoseSequence, spread: float, weight: float
) -> FloatArray:
    """Features (T, D + 8K) float32 whose squared distance is that of the embeddings (T, D), in
    units of their `spread`, plus `weight` times that of the `paced_movement` of the joints.

    Where the network errs the joints' movement mostly does not, and the other way about. The
    embeddings alone for a weight of 0, and where their spread is unknown (0).
    """
    if not weight or not spread:
        return embedding
    beside = math.sqrt(weight) / MOVEMENT_SPREAD * paced_movement(pose)
    return np.concatenate([embedding / spread, beside], axis=1).astype(np.float32)


def common_rate(poses: list[PoseSequence]) -> float:
    """The lowest median frame rate of the clips, frames per second."""
    rates = [1 / float(np.median(np.diff(p.time))) for p in poses if len(p) > 1]
    return min(rates, default=poses[0].fps)


def pose_feature(pose: PoseSequence, fps: float, name: str) -> FloatArray:
    """(T, 8K) float64: movement and its velocity at every frame, the velocity at `fps` frames per
    second, so that clips of different frame rates can be compared. Gaps are interpolated.

    Raises UserError (exit 4) for a clip in which no joint was ever seen.
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
