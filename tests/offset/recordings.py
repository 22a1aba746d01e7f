"""Films of rendered performers by several cameras, with known clocks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import camera_at, clip_of_joints, joints_seen, random_phase
from la2ds_cli.demo.performer import forward_kinematics, movement, random_body, random_style
from la2ds_cli.features.resample import interpolate, smoothed


@cache
def performed(performer: int, take: int = 0, times: int = 3) -> FloatArray:
    """(T, P, 3) points in metres, 30 a second: a performer does the movement some times, in a take
    at its own tempo."""
    rng = np.random.default_rng(performer)
    body, style = random_body(rng), random_style(rng)
    rng = np.random.default_rng([performer, take])
    parts: list[FloatArray] = []
    for _ in range(times):
        points = forward_kinematics(body, movement(random_phase(rng), style))
        if parts:
            share = np.linspace(0, 1, 25)[:, None, None]
            parts.append(parts[-1][-1:] * (1 - share) + points[:1] * share)
        parts.append(points)
    return np.concatenate(parts)


def film(
    points: FloatArray,
    side: float,
    fps: float = 30.0,
    span: tuple[float, float] = (0.0, 1.0),
    lag: float = 0.0,
    drift: float = 0.0,
) -> PoseSequence:
    """What a camera at `side` degrees sees of a part of the performance (shares of it), with jitter
    of 2 % of the torso. Its clock shows `lag` where the performance begins, and gains `drift`."""
    rng = np.random.default_rng([round(side), round(fps), round(1000 * abs(lag))])
    end = (len(points) - 1) / 30
    shown = np.arange(span[0] * end, span[1] * end, 1 / fps)
    moving = interpolate(points, np.arange(len(points)) / 30, shown)
    xy, world = joints_seen(camera_at(rng, points, np.radians(side)), moving)
    torso = np.linalg.norm(xy[:, 5] - xy[:, 11], axis=1).mean()
    pose = clip_of_joints(xy + 0.02 * torso * rng.normal(size=xy.shape), world)
    return replace(pose, time=shown * (1 + drift) + lag, fps=fps, world=None)


def short_pair(performer: int, angle: float, take: int = 0) -> tuple[PoseSequence, PoseSequence]:
    """1.7 and 1.9 s of one performance, or of it and another take, by two cameras at 60 and 25
    frames per second; the clock of the second is 0.7 s late, and the joints of both have errors
    that last, as those of networks."""
    pair = []
    for number, (side, fps, length) in enumerate([(10, 60.0, 1.7), (10 + angle, 25.0, 1.9)]):
        points = performed(performer, take * number, times=1)
        share = 30 / (len(points) - 1)  # of a second
        span = 0.2, 0.2 + length * share
        pose = film(points, side, fps, span, 0.7 * number)
        rng = np.random.default_rng([performer, number])
        error = smoothed(rng.normal(size=(len(pose), pose.xy[0].size)), 0.15 * fps)
        torso = np.linalg.norm(pose.xy[:, 5] - pose.xy[:, 11], axis=1).mean()
        error *= 0.05 * torso / error.std()
        xy = pose.xy + error.reshape(pose.xy.shape)
        pair.append(replace(pose, xy=xy.astype(np.float32)))
    return pair[0], pair[1]
