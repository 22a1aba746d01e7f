"""Features of a clip's joints by which two clips are compared, as filmed and mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import mirror, mirrored_movement, movement, raw_pose
from la2ds_cli.features.resample import at_rate, interpolate
from la2ds_cli.features.tempo import (
    DIFFERENT,
    SPEED_RATE,
    paced_movement,
    peak_speed,
    speed_range,
    tempo_range,
)

# The mirror image of a symmetric movement may be nearer by chance, and a mirrored B is shown
# flipped: B is mirrored only if that brings the distance below this share of the one as filmed.
CLEARLY_NEARER = 0.9


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


def common_rate(poses: list[PoseSequence]) -> float:
    """The lowest median frame rate of the clips, frames per second."""
    rates = [1 / float(np.median(np.diff(p.time))) for p in poses if len(p) > 1]
    return min(rates, default=poses[0].fps)


def common_speed_rate(poses: Sequence[PoseSequence]) -> float:
    """`common_rate`, at most SPEED_RATE, since a velocity is a difference over a few frames."""
    return min(common_rate(list(poses)), SPEED_RATE)


def velocity_rate(
    poses: Sequence[PoseSequence], tempos: Sequence[float] | None = None
) -> float | None:
    """The number of frames per second at which velocities of the clips are compared: their
    `common_speed_rate`; None if one is slow motion compared with another, so that each is compared
    at its own pace. tempos: their `peak_speed`, if that is known."""
    apart = tempo_range(poses) if tempos is None else speed_range(tempos)
    return None if apart > DIFFERENT else common_speed_rate(poses)


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
    sampled = at_rate(pose, fps)
    return interpolate(movement(sampled), sampled.time, pose.time)


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
