"""The posture of a body besides its joint angles: lean of the trunk, width of the stance, heights
of hips, hands and head.

Lengths are in torso lengths, the median distance over the clip from the middle of the hips to the
middle of the shoulders, so that people of any size at any distance can be compared. They are
measured in the image, where the camera has to be level and only lengths parallel to the picture
have their true size; those of a `spatial` pose are measured in 3D.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints, is_body
from la2ds_cli.features.pose_features import compared_joints

UNITS = {
    "trunk_lean": "degrees",
    "stance_width": "torso lengths",
    "hip_height": "torso lengths",
    "left_hand_height": "torso lengths",
    "right_hand_height": "torso lengths",
    "head_height": "torso lengths",
}
_SHORT = 0.5  # of its usual length: a trunk that points at the camera has no lean in the image


def body_quantities(pose: PoseSequence) -> dict[str, FloatArray]:
    """Measure the quantities of UNITS in every frame of a clip.

    trunk_lean: between the trunk and the vertical, 0 = upright. stance_width: between the ankles,
    along the ground. hip_height: of the middle of the hips over the lower ankle. left_hand_height,
    right_hand_height, head_height: of the wrists and the head over the middle of the hips.

    Returns
    -------
    dict: name to (T,) float64 in the unit and order of UNITS; NaN where a joint is missing. Empty
        for a skeleton that is no body, such as a hand.
    """
    if not is_body(pose.skeleton):
        return {}
    body = body_joints(pose)
    names, joints = get_skeleton(body.skeleton).joints, compared_joints(body)
    place = {name: joints[:, k] for k, name in enumerate(names)}
    hips = (place["left_hip"] + place["right_hip"]) / 2
    trunk = (place["left_shoulder"] + place["right_shoulder"]) / 2 - hips
    length = np.linalg.norm(trunk, axis=1)
    lengths = length[length > 0]
    torso = float(np.median(lengths)) if len(lengths) else np.nan
    lean = np.degrees(np.arctan2(_along_ground(trunk), -trunk[:, 1]))  # y points down
    seen = pose.spatial | (length >= _SHORT * torso)
    ankles = place["left_ankle"], place["right_ankle"]
    values = (
        np.where(seen, lean, np.nan),
        _along_ground(ankles[0] - ankles[1]) / torso,
        (np.maximum(ankles[0][:, 1], ankles[1][:, 1]) - hips[:, 1]) / torso,
        (hips[:, 1] - place["left_wrist"][:, 1]) / torso,
        (hips[:, 1] - place["right_wrist"][:, 1]) / torso,
        (hips[:, 1] - place["head"][:, 1]) / torso,
    )
    return dict(zip(UNITS, values, strict=True))


def _along_ground(vector: FloatArray) -> FloatArray:
    """Return (T,) lengths of vectors (T, 2) or (T, 3) without their height."""
    return np.linalg.norm(np.delete(vector, 1, axis=1), axis=1)
