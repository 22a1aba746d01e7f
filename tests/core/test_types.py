"""Value types: conversion, checks with expected and actual shape, round trips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import EmbeddingSequence, PoseSequence
from tests.alignments import matched
from tests.movement import pose_of

UNSEEN = np.zeros((3, 13, 2))
UNSEEN[1, 4] = UNSEEN[2, 5, 0] = np.nan  # half a coordinate is none


def pose(frames=3, **changed) -> PoseSequence:
    fields = {
        "xy": np.arange(frames * 26, dtype=float).reshape(frames, 13, 2),
        "score": np.full((frames, 13), 0.5),
        "box": np.zeros((frames, 4)),
        "frame": np.arange(frames),
        "time": np.arange(frames) / 10,
        "fps": 10.0,
        "size": (640, 480),
        "skeleton": "penn13",
    }
    return PoseSequence(**(fields | changed))


def embedding(**changed) -> EmbeddingSequence:
    fields = {"value": np.ones((4, 8)), "frame": np.arange(4), "time": np.arange(4) / 5}
    return EmbeddingSequence(**(fields | changed), model="key")


def alignment(path, n=3, m=2, **changed) -> Alignment:
    return matched(np.zeros(n), pose(n), pose(m), **({"path": np.array(path)} | changed))


@pytest.mark.parametrize(
    ("make", "changed", "message"),
    [
        (pose, {"xy": UNSEEN[:, :5]}, r"xy: expected shape \('any', 13, 2\), got \(3, 5, 2\)"),
        (pose, {"score": np.zeros((2, 13))}, r"score: expected shape \(3, 13\), got \(2, 13\)"),
        (pose, {"box": np.zeros((3, 2))}, r"box: expected shape \(3, 4\), got \(3, 2\)"),
        (pose, {"frame": np.arange(2)}, r"frame: expected shape \(3,\), got \(2,\)"),
        (pose, {"time": np.zeros((3, 1))}, r"time: expected shape \(3,\), got \(3, 1\)"),
        (pose, {"time": np.array([0, 0.1, 0.1])}, "strictly increasing"),
        (pose, {"time": np.array([0, np.nan, 0.1])}, "strictly increasing"),
        (pose, {"world": UNSEEN}, r"world: expected shape \(3, 13, 3\), got \(3, 13, 2\)"),
        (pose, {"fps": 0.0}, r"fps: expected a positive number of at most 1e\+06, got 0.0"),
        (pose, {"fps": np.inf}, "fps: expected a positive number"),
        (pose, {"size": (-1, 5)}, "size: expected pixels of at least 0"),
        (embedding, {"frame": np.arange(3)}, r"frame: expected shape \(4,\), got \(3,\)"),
        (alignment, {"path": [(0, 0), (1, 2)]}, r"side b must lie in 0\.\.1, got 0\.\.2"),
        (alignment, {"path": [(-1, 0), (0, 1)]}, r"side a must lie in 0\.\.2, got -1\.\.0"),
        (alignment, {"path": [(0, 0)], "cost": np.zeros(2)}, r"cost: expected shape \(1,\)"),
        (alignment, {"path": [(0, 0)], "confidence": np.zeros(2)}, r"confidence: .* \(3,\)"),
        (alignment, {"path": [(0, 0)], "speed_ratio": np.zeros(2)}, r"speed_ratio: .* \(3,\)"),
    ],
)
def test_fields_that_do_not_fit_are_refused(make, changed, message):
    with pytest.raises(ValueError, match=message):
        make(**changed)


def test_an_unknown_skeleton_is_refused():
    with pytest.raises(UserError, match="unknown skeleton 'penn14'"):
        pose(skeleton="penn14")


def test_arrays_are_converted():
    clip = pose()
    assert [str(one.dtype) for one in (clip.xy, clip.score, clip.box)] == ["float32"] * 3
    assert (str(clip.frame.dtype), str(clip.time.dtype), len(clip)) == ("int64", "float64", 3)
    assert str(embedding().value.dtype) == "float32"
    assert alignment([(0, 0), (1, 1), (2, 1)]).path.dtype == np.int64


def test_the_score_of_an_unseen_joint_is_zero():
    score = np.full((3, 13), 0.5)
    clip = pose(xy=UNSEEN, score=score)
    assert clip.score[1, 4] == clip.score[2, 5] == 0
    assert (clip.score == 0.5).sum() == 3 * 13 - 2
    assert score[1, 4] == 0.5  # the caller's array is left alone


def test_a_cut_keeps_time_frame_numbers_and_joints_in_metres():
    world = np.arange(5 * 39, dtype=float).reshape(5, 13, 3)
    world[2, 7] = np.nan
    part = pose(5, world=world, info={"subject": 2}).cut(1, 4)
    back = PoseSequence.from_arrays(*part.to_arrays())
    assert back.frame.tolist() == [1, 2, 3]
    np.testing.assert_allclose(back.time, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(back.world, world[1:4])
    assert (back.score[1] == 0.5).all()  # a joint may be seen without its depth
    assert (back.fps, back.size, back.skeleton) == (10.0, (640, 480), "penn13")
    assert back.info == {"subject": 2}
    arrays, _ = pose().cut(0, 2).to_arrays()
    assert sorted(arrays) == ["box", "frame", "score", "time", "xy"]  # nothing else without 3D


def test_joints_as_a_frame_have_a_row_for_each_joint_and_units() -> None:
    xy = np.arange(5 * 13 * 2, dtype=float).reshape(5, 13, 2)
    xy[3, 2] = np.nan
    pose = pose_of(xy, fps=25)
    frame = pose.to_frame()
    assert list(frame.columns) == ["frame", "time", "joint", "x", "y", "score"]
    assert frame.attrs["units"] == {"time": "s", "x": "px", "y": "px"}
    assert len(frame) == 5 * 13
    wrists = frame[frame.joint == "left_wrist"]
    place = get_skeleton("penn13").joints.index("left_wrist")
    np.testing.assert_array_equal(wrists[["x", "y"]], xy[:, place].astype(np.float32))
    np.testing.assert_array_equal(wrists.time, pose.time)
    unseen = frame[frame.x.isna()]
    assert unseen.frame.tolist() == [3]
    assert unseen.score.tolist() == [0]
    deep = replace(pose, world=np.ones((5, 13, 3)), trust=np.full((5, 13), 0.5)).to_frame()
    assert list(deep.columns[6:]) == ["trust", "world_x", "world_y", "world_z"]
    assert deep.attrs["units"]["world_z"] == "m"
