"""The script that measures pose backends: which frames it calls plausible."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence

AT = get_skeleton("coco17").index
# A standing person with a torso of 100 pixels and limbs of usual lengths.
PLACES = {
    "shoulder": (20, 0),
    "elbow": (20, 60),
    "wrist": (20, 110),
    "hip": (15, 100),
    "knee": (15, 185),
    "ankle": (15, 270),
}


@pytest.fixture
def script() -> Iterator[ModuleType]:
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module("backends")
    finally:
        sys.path.remove(folder)
        sys.modules.pop("backends", None)


def standing(frames: int, fps: float = 30.0) -> PoseSequence:
    """Walks to the right at 30 pixels per second."""
    time = np.arange(frames) / fps
    xy = np.zeros((frames, 17, 2))
    for name, (x, y) in PLACES.items():
        xy[:, AT(f"left_{name}")] = (200 + x, 100 + y)
        xy[:, AT(f"right_{name}")] = (200 - x, 100 + y)
    xy[..., 0] += 30 * time[:, None]
    return changed(xy, np.ones((frames, 17)), time, fps)


def changed(xy: FloatArray, score: FloatArray, time: FloatArray, fps: float) -> PoseSequence:
    box = np.tile([100, 50, 300, 400], (len(xy), 1))
    return PoseSequence(xy, score, box, np.arange(len(xy)), time, fps, (640, 480), "coco17")


def test_a_body_is_plausible_and_the_face_is_not_asked_for(script: ModuleType) -> None:
    pose = standing(20)
    pose.xy[3, AT("nose")] = np.nan
    pose.score[3, AT("nose")] = 0
    assert script.plausible(pose).all()


def test_a_missing_joint_a_long_bone_and_a_leap_are_not(script: ModuleType) -> None:
    pose = standing(20)
    pose.score[2, AT("left_ankle")] = 0  # interpolated
    pose.xy[5:9, AT("right_wrist")] += (0, 60)  # a forearm of 110 pixels
    pose.xy[14, AT("left_knee")] += (35, 0)  # the bones stay short enough
    assert np.flatnonzero(~script.plausible(pose)).tolist() == [2, 5, 6, 7, 8, 14]


def test_a_leap_is_told_over_a_thirtieth_of_a_second(script: ModuleType) -> None:
    """Of 35 pixels for 1/30 s: one frame at 30 Hz, four at 120 Hz, whose next ones moved too."""
    for fps, rows in ((30.0, [8]), (120.0, [8, 9, 10, 11])):
        pose = standing(20, fps)
        pose.xy[rows, AT("left_knee")] += (35, 0)
        assert np.flatnonzero(~script.plausible(pose)).tolist() == rows


def test_nobody_is_not_plausible(script: ModuleType) -> None:
    pose = standing(5)
    pose.xy[:] = np.nan
    pose.score[:] = 0
    assert not script.plausible(pose).any()
