"""The tempo of a clip: how fast it moves, relative to its own movement.

Slow motion has many frames where real speed has few. A network that samples both at the same rate
sees two different movements; sampled by their tempo, they look alike.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import (
    amplitude,
    joints_for_features,
    movement_of,
    movement_without_velocity,
    value_range,
    with_velocity,
)
from la2ds_cli.features.resample import at_rate, interpolate, smoothed

SMOOTHING = 1.5  # frames, standard deviation: jitter of estimated joints is not movement
FAST = 95  # percentile of the speeds that is the clip's tempo, so that rests do not count
LEAST_FRAMES = 24  # a clip is not thinned below this number of frames
LOWEST_RATE = 2.0  # frames per second
# Frames per second at which speeds are measured, at most: jitter grows with the rate, and at 240
# frames per second, that of 2 % of the torso would be two thirds as fast as the movement.
SPEED_RATE = 60.0


def speed(pose: PoseSequence) -> FloatArray:
    """Return the speed (T,) of a clip, in units of its own movement per second; 0 for one frame."""
    return travel(pose) / np.gradient(pose.time) if len(pose) > 1 else np.zeros(len(pose))


def travel(pose: PoseSequence) -> FloatArray:
    """Return (T,) how far a clip moves per frame, in units of its own movement (`both_movements`).

    Jitter is smoothed over SMOOTHING frames, at a rate of at most SPEED_RATE. 0 for one frame.
    """
    if len(pose) < 2:
        return np.zeros(len(pose))
    fast = 1 / pose.axis.usual_step > SPEED_RATE
    sampled = at_rate(pose, SPEED_RATE) if fast else pose
    smooth = smoothed(movement_without_velocity(sampled), SMOOTHING)
    moved = np.linalg.norm(np.gradient(smooth, axis=0), axis=1)
    if sampled is pose:
        return moved
    fast = interpolate(moved / np.gradient(sampled.time), sampled.time, pose.time)
    return fast * np.gradient(pose.time)


def sampling_rate(pose: PoseSequence, train: TrainConfig) -> float:
    """Return the frames per second at which a network samples the clip.

    It is `train.fps` or, with `train.tempo`, less for a clip that moves by less than that share of
    its movement from one such frame to the next.
    """
    if not train.tempo or len(pose) < 2:
        return train.fps
    duration = float(pose.time[-1] - pose.time[0])
    least = max(LOWEST_RATE, LEAST_FRAMES / duration)
    in_image = replace(pose, spatial=False)  # one rate, whether clips are compared in 2D or 3D
    fastest = float(np.percentile(speed(in_image), FAST))
    return min(train.fps, max(least, fastest / train.tempo))


TRAVEL = 2.0  # torso lengths; if a body travels farther, a camera probably follows it
REACH = 2  # frames on each side of a frame over which a velocity is measured
JITTER = 1.0  # frames, standard deviation of the smoothing
LEAST_VELOCITY = 1e-3  # units of the movement; a still clip is not amplified
HIGHEST_RATE = 30.0  # frames per second; higher rates show no additional movement
# Chosen on golf swings of half of the players (docs/how-to/retrieve.md).
COURSE = 1.0  # units of the movement
COURSE_WEIGHT = 1.5  # of a course beside a position
LONGEST_COURSE = 1 / 8  # of the clip


def paced_movement(pose: PoseSequence) -> FloatArray:
    """Return (T, 8K) float64: `both_movements` and their velocity, independent of the tempo.

    The velocity is in units of the clip's own velocities; in `pose_features.movement` it is per
    frame. Joints are smoothed over a frame, and gaps are interpolated. The farther the body travels
    across the image beyond TRAVEL, the less its movement in the image counts, since it is then
    mostly the camera's.
    """
    sampled, position = _paced_position(pose)
    velocity = with_velocity(position, 1.0, REACH)[:, position.shape[1] :]
    unit = max(amplitude(value_range(velocity)), LEAST_VELOCITY)
    moving = np.concatenate([position, velocity / unit], axis=1)
    return interpolate(moving, sampled.time, pose.time)


def movement_and_course(pose: PoseSequence) -> FloatArray:
    """Return (T, 8K) float64: the positions of `paced_movement`, and their course, which is the way
    from before each frame to after it.

    A pose that is passed twice, out and back, has one position and two courses; a pose that is held
    has none. Before and after are as far away in time as the clip needs, at its tempo, to move by
    COURSE. A performance in slow motion therefore has the courses of one at real speed, and jitter,
    which the velocity from frame to frame shows, is small beside them.
    """
    sampled, position = _paced_position(pose)
    frame = np.arange(len(position), dtype=np.float64)
    reach = _course_reach(position)
    even = smoothed(position, max(reach, JITTER))
    course = interpolate(even, frame, frame + reach) - interpolate(even, frame, frame - reach)
    moving = np.concatenate([position, COURSE_WEIGHT * course], axis=1)
    return interpolate(moving, sampled.time, pose.time)


def _course_reach(position: FloatArray) -> float:
    """Return the frames in which positions (T, D) move by COURSE at their tempo, but at least one
    and at most LONGEST_COURSE of all."""
    if len(position) < 2:
        return 0.0
    moved = np.linalg.norm(np.gradient(smoothed(position, SMOOTHING), axis=0), axis=1)
    tempo = max(float(np.percentile(moved, FAST)), LEAST_VELOCITY)
    return max(1.0, min(COURSE / tempo, LONGEST_COURSE * len(position)))


def _paced_position(pose: PoseSequence) -> tuple[PoseSequence, FloatArray]:
    """Return a clip at HIGHEST_RATE or less, and its positions (G, 4K) in `paced_movement`."""
    rate = 1 / pose.axis.usual_step
    sampled = at_rate(pose, min(rate, HIGHEST_RATE))
    smooth = partial(smoothed, deviation=JITTER)
    joints, about_root, torso = joints_for_features(sampled, smooth)
    skeleton = get_skeleton(pose.skeleton)
    root = (joints / torso)[:, list(skeleton.root)].mean(axis=1)
    travelled = float(np.linalg.norm(value_range(root)))
    in_image = min(1.0, TRAVEL / max(travelled, TRAVEL)) * movement_of(joints / torso)
    return sampled, np.concatenate([in_image, movement_of(about_root)], axis=1)
