"""Whether a body that is not upright in the picture lies down, or the picture is rotated.

A camera rotated by 90 degrees shows people who stand on a line, move along it, and are often seen
from the front. An upright camera films people who lie down from their side: shoulders and hips are
behind each other, arms reach across the body to the ground or up from it, and movement is up and
down, across the body. Scores say little: networks that rotate their crop with the body are as sure
of a rotated picture as of an upright one.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence

# Log odds that the picture is turned, fitted to turned joints of eleven upright movements (Penn
# Action, people's golf, squats and pull-ups, yoga, rendered performers) and to lying ones: people's
# push-ups, bench presses, and rendered performers in nine exercises on the ground. With each
# movement left out in turn the area under the ROC curve is 0.98 (docs/results/real-footage.md).
_TURNED = -1.9
_PER_DEGREE = -0.125  # off 90: people stand straighter than they lie
_PER_WIDTH = 9.5  # torso lengths between the shoulders, and between the hips, across the body
_PER_HAND = -2.0  # torso lengths of the hands off the line of the shoulders, across the body
_PER_RISE = -1.3  # log of the shoulders' range across the body over that along it
_MOST_DEGREES, _MOST_WIDTH, _MOST_HAND, _LEAST_RANGE = 30.0, 0.8, 1.0, 0.1
_UPSIDE_DOWN = 135.0  # degrees; beyond, a turned picture or a handstand
_REACH = 0.5  # torso lengths of both hands beyond the shoulders, as those that carry the body


def turned_probability(pose: PoseSequence, seen: BoolArray, tilt: float) -> float | None:
    """Probability that the picture is rotated, rather than the person lying down, for a clip whose
    body is tilted `tilt` degrees from upright, 60 or more; None if the deciding joints are never
    seen.

    seen: (T, K). If the body is upside down, the hands decide: the picture is rotated by 180
    degrees, unless the arms reach beyond the head in most frames, as in a handstand or a pull-up,
    which may be either: 0.5.
    """
    skeleton = get_skeleton(pose.skeleton)
    names = [f"{side}_{joint}" for joint in _JOINTS for side in ("left", "right")]
    if not set(names) <= set(skeleton.joints):
        return None
    at = [skeleton.joints.index(name) for name in names]
    rows = seen[:, at].all(axis=1)
    if not rows.any():
        return None
    joints = np.asarray(pose.xy[rows][:, at], np.float64)
    shoulders, hips, ankles, wrists = (joints[:, 2 * n : 2 * n + 2] for n in range(len(_JOINTS)))
    torso = np.percentile(np.linalg.norm((shoulders - hips).mean(axis=1), axis=1), 80)
    if not torso > 0:
        return None
    along = np.array([np.sin(np.radians(tilt)), -np.cos(np.radians(tilt))]) / torso
    across = np.array([-along[1], along[0]])
    beyond = ((wrists - shoulders) @ along > _REACH).all(axis=1)
    if abs(tilt) > _UPSIDE_DOWN:
        return 0.5 if beyond.mean() > 0.5 else 0.95
    line = (shoulders - ankles.mean(axis=1, keepdims=True)).mean(axis=1)
    rise = (_range(line @ across) + _LEAST_RANGE) / (_range(line @ along) + _LEAST_RANGE)
    width = sum(np.median(np.abs(np.diff(pair @ across, axis=1))) for pair in (shoulders, hips))
    hand = abs(np.median((wrists - shoulders.mean(axis=1, keepdims=True)) @ across))
    odds = (
        _TURNED
        + _PER_DEGREE * min(abs(abs(tilt) - 90), _MOST_DEGREES)
        + _PER_WIDTH * min(float(width), _MOST_WIDTH)
        + _PER_HAND * min(float(hand), _MOST_HAND)
        + _PER_RISE * float(np.log(rise))
    )
    return float(1 / (1 + np.exp(-odds)))


_JOINTS = ("shoulder", "hip", "ankle", "wrist")


def _range(value: FloatArray) -> float:
    low, high = np.percentile(value, (5, 95))
    return float(high - low)
