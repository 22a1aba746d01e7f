"""Value types: conversion, checks with expected and actual shape, round trips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import Alignment, EmbeddingSequence, PoseSequence


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


def test_arrays_are_converted():
    clip = pose()
    assert clip.xy.dtype == clip.score.dtype == clip.box.dtype == np.float32
    assert clip.frame.dtype == np.int64
    assert clip.time.dtype == np.float64
    assert len(clip) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"xy": np.zeros((3, 17, 2))}, r"xy: expected shape \('any', 13, 2\), got \(3, 17, 2\)"),
        ({"score": np.zeros((2, 13))}, r"score: expected shape \(3, 13\), got \(2, 13\)"),
        ({"box": np.zeros((3, 2))}, r"box: expected shape \(3, 4\), got \(3, 2\)"),
        ({"frame": np.arange(2)}, r"frame: expected shape \(3,\), got \(2,\)"),
        ({"time": np.zeros((3, 1))}, r"time: expected shape \(3,\), got \(3, 1\)"),
        ({"time": np.array([0, 0.1, 0.1])}, "strictly increasing"),
        ({"time": np.array([0, np.nan, 0.1])}, "strictly increasing"),
        ({"world": np.zeros((3, 13, 2))}, r"world: expected shape \(3, 13, 3\), got \(3, 13, 2\)"),
        ({"fps": 0.0}, r"fps: expected a positive number of at most 1e\+06, got 0.0"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        pose(**changed)


def test_unknown_skeleton_is_refused():
    with pytest.raises(UserError, match="unknown skeleton 'penn14'"):
        pose(skeleton="penn14")


def test_score_of_an_unseen_joint_is_zero():
    xy = np.zeros((3, 13, 2))
    xy[1, 4] = np.nan
    xy[2, 5, 0] = np.nan  # half a coordinate is none
    score = np.full((3, 13), 0.5)
    clip = pose(xy=xy, score=score)
    assert clip.score[1, 4] == clip.score[2, 5] == 0
    assert (clip.score == 0.5).sum() == 3 * 13 - 2
    assert score[1, 4] == 0.5  # the caller's array is left alone


def test_cut_keeps_time_and_frame_numbers():
    part = pose(5).cut(2, 4)
    assert part.frame.tolist() == [2, 3]
    np.testing.assert_allclose(part.time, [0.2, 0.3])
    np.testing.assert_array_equal(part.xy, pose(5).xy[2:4])
    assert part.size == (640, 480)


def test_pose_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        pose().fps = 3.0  # pyright: ignore[reportAttributeAccessIssue]


def test_pose_round_trip():
    clip = pose(info={"subject": 2})
    back = PoseSequence.from_arrays(*clip.to_arrays())
    for name in ("xy", "score", "box", "frame", "time"):
        np.testing.assert_array_equal(getattr(back, name), getattr(clip, name))
    assert (back.fps, back.size, back.skeleton) == (10.0, (640, 480), "penn13")
    assert back.info == {"subject": 2}


def test_joints_in_metres_are_kept_beside_the_others():
    world = np.arange(5 * 39, dtype=float).reshape(5, 13, 3)
    world[2, 7] = np.nan
    clip = pose(5, world=world)
    arrays, facts = clip.cut(1, 4).to_arrays()
    back = PoseSequence.from_arrays(arrays, facts)
    assert back.world is not None
    assert back.world.dtype == np.float32
    np.testing.assert_array_equal(back.world, world[1:4])
    assert (back.score[1] == 0.5).all()  # a joint may be seen without its depth


def test_clips_without_3d_are_stored_as_before():
    arrays, facts = pose().to_arrays()
    assert sorted(arrays) == ["box", "frame", "score", "time", "xy"]
    assert PoseSequence.from_arrays(arrays, facts).world is None
    assert pose().cut(0, 2).world is None


def test_embedding_checks_and_round_trip():
    embedding = EmbeddingSequence(np.ones((4, 8)), np.arange(4), np.arange(4) / 5, "key")
    assert embedding.value.dtype == np.float32
    back = EmbeddingSequence.from_arrays(*embedding.to_arrays())
    np.testing.assert_array_equal(back.value, embedding.value)
    assert (len(back), back.model) == (4, "key")
    with pytest.raises(ValueError, match=r"frame: expected shape \(4,\), got \(3,\)"):
        EmbeddingSequence(np.ones((4, 8)), np.arange(3), np.arange(4), "key")


def alignment(path, n=3, m=2, **changed) -> Alignment:
    fields = {
        "path": np.array(path),
        "position": np.zeros(n),
        "cost": np.zeros(len(path)),
        "confidence": np.ones(n),
        "low": np.zeros(n),
        "high": np.zeros(n),
        "time_a": np.arange(n) / 10,
        "time_b": np.arange(m) / 10,
        "frame_a": np.arange(n),
        "frame_b": np.arange(m),
        "features": "pose",
        "method": "dtw",
    }
    return Alignment(**(fields | changed))


def test_alignment_path_must_lie_in_both_clips():
    assert alignment([(0, 0), (1, 1), (2, 1)]).path.dtype == np.int64
    with pytest.raises(ValueError, match=r"side b must lie in 0\.\.1, got 0\.\.2"):
        alignment([(0, 0), (1, 2)])
    with pytest.raises(ValueError, match=r"side a must lie in 0\.\.2, got -1\.\.0"):
        alignment([(-1, 0), (0, 1)])
    with pytest.raises(ValueError, match=r"cost: expected shape \(1,\)"):
        alignment([(0, 0)], cost=np.zeros(2))
    with pytest.raises(ValueError, match=r"confidence: expected shape \(3,\)"):
        alignment([(0, 0)], confidence=np.zeros(2))
