"""Pose sequences for tests of files: moving joints, holes, odd times."""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence

SIZE = (640, 480)


def sample(
    skeleton: str = "coco17", frames: int = 12, *, uneven: bool = True, first: int = 0
) -> PoseSequence:
    """Joints on a grid that moves right; joint 1 is missing in frames 2 and 3, all in frame 5.

    uneven: time stamps of a variable frame rate.
    """
    joints = len(get_skeleton(skeleton).joints)
    t, k = np.mgrid[:frames, :joints]
    rng = np.random.default_rng(0)
    xy = np.stack([100.25 + 9 * (k % 5) + 3 * t, 80.5 + 30 * (k // 5) + 0.125 * t], axis=-1)
    xy = xy + rng.uniform(0, 1, xy.shape)
    xy[2:4, 1] = np.nan
    xy[5] = np.nan
    score = np.where(np.isnan(xy[..., 0]), 0, rng.uniform(0.3, 1, xy.shape[:2]))
    box = np.column_stack([np.nanmin(xy[:5], axis=(0, 1)) + np.zeros((frames, 2)) - 5,
                           np.nanmax(xy[:5], axis=(0, 1)) + np.zeros((frames, 2)) + 5])  # fmt: skip
    box[5] = np.nan
    time = (np.arange(frames) + first) / 25
    if uneven:
        time = time + 0.003 * np.sin(np.arange(frames))
    return PoseSequence(
        xy=xy,
        score=score,
        box=box,
        frame=np.arange(frames) + first,
        time=time,
        fps=25.0,
        size=SIZE,
        skeleton=skeleton,
    )


def add(project: StoredProject, name: str, pose: PoseSequence) -> None:
    """Put a sequence into a project as an imported clip would be."""
    project.write_pose(name, pose, Recipe("import", 1, {"format": "test"}, {"labels": name}))
    project.add_videos([Video(name, f"{name}.mat", "0" * 64, len(pose), pose.fps, *pose.size)])


def person_in_metres(frames: int = 6) -> FloatArray:
    """(T, 17, 3) metres, x right, y down, z away: somebody who faces the camera and walks to it."""
    world = np.random.default_rng(1).uniform(-0.05, 0.05, (frames, 17, 3))
    for k, joint in enumerate(get_skeleton("coco17").joints):
        world[:, k, 0] += 0.2 if joint.startswith("left") else -0.2 if "right" in joint else 0
        height = {"nose": 1.6, "shoulder": 1.4, "elbow": 1.1, "wrist": 0.9, "hip": 0.9, "knee": 0.5}
        world[:, k, 1] -= next((h for name, h in height.items() if name in joint), 0.1)
    world[..., 2] += 3 - 0.1 * np.arange(frames)[:, None]
    return world
