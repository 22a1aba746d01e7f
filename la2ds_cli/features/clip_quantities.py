"""The quantities of one clip in every frame: angles of joints and posture, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from la2ds_cli.core.config import Config
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.body_quantities import body_quantities, unit_of
from la2ds_cli.features.pose_features import in_3d, seen_angles
from la2ds_cli.poses.ready import ensure_poses


@dataclass(frozen=True)
class ClipQuantities:
    """Angles and posture of a clip.

    frame: (T,) int64, of the video. time: (T,) float64 seconds. angles: names (J,) of the angles.
    values: quantity -> (T,) float64 in the unit that `unit_of` gives, angles first, NaN = not
    known. foreshortened: (T, J) whether an angle is not known because a limb points at the camera.
    spatial: whether they are measured in 3D, not in the image.
    """

    frame: IntArray
    time: FloatArray
    angles: tuple[str, ...]
    values: Mapping[str, FloatArray]
    foreshortened: BoolArray
    spatial: bool

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each frame of the clip.

        The columns are `frame`, `time` and one for each quantity; `attrs["units"]` has their units.
        Raises UserError (exit 6) without pandas.
        """
        units = {"time": "s"} | {name: unit_of(name) for name in self.values}
        return make_data_frame({"frame": self.frame, "time": self.time, **self.values}, units)


def measure_clip(pose: PoseSequence, *, in_space: bool = False) -> ClipQuantities:
    """Measure the angles of a clip, and what body_quantities.py has, in every frame.

    An angle is NaN where a joint is not seen, and where a limb points at the camera.

    Parameters
    ----------
    pose: the clip, measured in the image, or in 3D if it is `spatial`.
    in_space: measure in 3D if the clip has joints in metres.
    """
    if in_space:
        (pose,) = in_3d([pose])
    names, angles, hidden = seen_angles(pose)
    values = dict(zip(names, angles.T, strict=True)) | body_quantities(pose)
    return ClipQuantities(pose.frame, pose.time, names, values, hidden, pose.spatial)


def measure_named(
    project: StoredProject, name: str, config: Config, device: DeviceName, progress: Progress
) -> ClipQuantities:
    """Measure a clip of a project, or a video file, as `measure_clip` does; missing poses are
    extracted first.

    In 3D if the setting `align.joints` is `3d` and the clip has joints in metres. Raises UserError
    as the extraction of poses does.
    """
    ids = ensure_poses(project, [name], config.poses, device, progress)
    pose, _ = project.read_pose(ids[0])
    return measure_clip(pose, in_space=config.align.joints == "3d")
