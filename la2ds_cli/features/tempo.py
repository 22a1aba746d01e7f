"""The tempo of a clip: how fast it moves, as a share of its own movement.

Slow motion shows in many frames what real speed shows in few. A network that sees both at one rate
sees two different movements; sampled by their tempo they look alike.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import both_movements, centre_and_scale, fill_gaps
from la2ds_cli.features.resample import frame_period

SMOOTHING = 1.5  # frames, standard deviation: estimated joints jitter, which is no movement
FAST = 95  # percentile of the speeds that is the clip's tempo; rests say nothing about it
LEAST_FRAMES = 24  # a clip is not thinned below so many frames
LOWEST_RATE = 2.0  # frames per second


def peak_speed(pose: PoseSequence) -> float:
    """How fast the clip moves where it is fast, in units of its own movement per second
    (`both_movements`); 0 for a clip of one frame. Gaps are interpolated."""
    from scipy.ndimage import gaussian_filter1d

    if len(pose) < 2:
        return 0.0
    joints = fill_gaps(pose.xy)
    about_root, torso = centre_and_scale(joints, get_skeleton(pose.skeleton))
    movement = both_movements(joints, about_root, torso)
    smooth = gaussian_filter1d(movement, SMOOTHING, axis=0, mode="nearest")
    step: FloatArray = np.linalg.norm(np.gradient(smooth, axis=0), axis=1)
    return float(np.percentile(step, FAST)) / frame_period(pose.time, pose.fps)


def sampling_rate(pose: PoseSequence, train: TrainConfig) -> float:
    """Frames per second at which a network sees the clip: `train.fps`, and with `train.tempo` fewer
    for a clip that moves slower than that share of its movement from one such frame to the next."""
    if not train.tempo or len(pose) < 2:
        return train.fps
    duration = float(pose.time[-1] - pose.time[0])
    least = max(LOWEST_RATE, LEAST_FRAMES / duration)
    return min(train.fps, max(least, peak_speed(pose) / train.tempo))
