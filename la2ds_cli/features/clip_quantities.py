"""The quantities of one clip in every frame: angles of joints and posture, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.body_quantities import DEGREES, UNITS, body_quantities
from la2ds_cli.features.pose_features import foreshortened, in_3d, joint_angles


@dataclass(frozen=True)
class ClipQuantities:
    """Angles and posture of a clip.

    frame: (T,) int64, of the video. time: (T,) float64 seconds. values: quantity -> (T,) float64 in
    the unit that `unit_of` gives, NaN = not known. spatial: whether they are measured in 3D, not in
    the image.
    """

    frame: IntArray
    time: FloatArray
    values: Mapping[str, FloatArray]
    spatial: bool

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each frame of the clip.

        The columns are `frame`, `time` and one for each quantity; `attrs["units"]` has their units.
        Raises UserError (exit 6) without pandas.
        """
        units = {"time": "s"} | {name: unit_of(name) for name in self.values}
        return make_data_frame({"frame": self.frame, "time": self.time, **self.values}, units)


def measure_clip(pose: PoseSequence) -> ClipQuantities:
    """Measure the angles of a clip, and what body_quantities.py has, in every frame.

    In 3D if the clip has joints in metres. An angle is NaN where a joint is not seen, and where a
    limb points at the camera.
    """
    (pose,) = in_3d([pose])
    names, angles = joint_angles(pose)
    angles = np.where(foreshortened(pose), np.nan, angles)
    values = dict(zip(names, angles.T, strict=True)) | body_quantities(pose)
    return ClipQuantities(pose.frame, pose.time, values, pose.spatial)


def unit_of(quantity: str) -> str:
    """Return the unit of a quantity; that of a joint's angle is degrees."""
    return UNITS.get(quantity, DEGREES)
