"""The four moments of a repetition, where they are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.alignment.repetition_moments import find_moments, moments_of_repetition
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.time_axis import TimeAxis
from tests.movement import figure, pose_of

WAYS = st.floats(0.4, 2.0)
RESTS = st.floats(0.0, 1.5)
RATES = st.sampled_from([25.0, 30.0, 60.0])


def squat(time: FloatArray, moments: FloatArray, jitter: float = 0.0) -> FloatArray:
    """Joints (T, 13, 2) of a squat whose four moments are at these seconds."""
    share = np.interp(time, moments, [0.0, 1.0, 1.0, 2.0])
    depth = (1 - np.cos(np.pi * share)) / 2
    joints = figure(np.zeros(1)) + depth[:, None, None] * (
        figure(np.full(1, 0.25)) - figure(np.zeros(1))
    )
    return joints + np.random.default_rng(0).normal(0, jitter, joints.shape)


def film(moments: FloatArray, after: float, fps: float, jitter: float = 0.0):
    time = np.arange(0, moments[-1] + after + 1e-9, 1 / fps)
    return pose_of(squat(time, moments, jitter), fps=fps)


@given(before=RESTS, out=WAYS, hold=st.sampled_from([0.5, 1.0, 2.0]), back=WAYS, after=RESTS)
def test_a_held_repetition_has_four_moments(before, out, hold, back, after):
    true = before + np.cumsum([0, out, hold, back])
    for fps in (25.0, 30.0, 60.0):
        found = moments_of_repetition(film(true, after, fps, jitter=0.6))
        assert found is not None
        moments = (found.start, found.turn, found.back, found.end)
        assert np.abs(np.array(moments) - true).max() < 0.12


@given(before=RESTS, out=WAYS, back=WAYS, after=RESTS, fps=RATES)
def test_without_a_hold_the_turn_is_one_moment(before, out, back, after, fps):
    true = before + np.cumsum([0, out, 0, back])
    found = moments_of_repetition(film(true, after, fps, jitter=0.6))
    assert found is not None
    assert found.hold < 0.12
    middle = (found.turn + found.back) / 2
    assert abs(middle - true[1]) < 0.03 * (out + back) + abs(out - back) * 0.1
    assert found.start <= found.turn <= found.back <= found.end


def test_a_camera_that_pauses_changes_no_moment():
    true = np.array([0.5, 1.5, 2.3, 3.5])
    time = np.delete(np.arange(0, 4, 1 / 30), slice(28, 36))  # while the body goes down
    found = moments_of_repetition(pose_of(squat(time, true), time=time))
    assert found is not None
    assert np.abs(np.array([found.start, found.turn, found.back, found.end]) - true).max() < 0.12


def test_named_rows_are_frames_of_the_clip():
    true = np.array([1.0, 2.0, 3.0, 4.0])
    pose = film(true, 1.0, 25.0)
    found = moments_of_repetition(pose)
    assert found is not None
    named = found.named_rows(pose.axis)
    assert [each.name for each in named] == ["start", "turn", "way back", "end"]
    assert [each.row for each in named] == pytest.approx([25, 50, 75, 100], abs=2)
    assert found.named_rows(TimeAxis.even(3, 1.0))[-1].row == 2  # never outside the clip


def test_each_repetition_of_a_clip_has_its_moments():
    one = squat(np.arange(0, 2.4, 1 / 30), np.array([0.2, 1.2, 1.2, 2.2]))
    found = find_moments(pose_of(np.concatenate([one] * 4), fps=30.0))
    assert len(found) == 4
    turns = [each.turn for each in found if each]
    assert turns == pytest.approx([1.2 + 2.4 * n for n in range(4)], abs=0.08)


def test_what_does_not_come_back_or_move_has_no_moments():
    still = pose_of(squat(np.arange(0, 2, 1 / 30), np.array([5.0, 6.0, 6.0, 7.0])), fps=30.0)
    down = pose_of(squat(np.arange(0, 2, 1 / 30), np.array([0.2, 1.8, 9.0, 10.0])), fps=30.0)
    bowed = pose_of(figure(np.linspace(0, 0.5, 40)), fps=20.0)  # one way, on a curve
    unseen = pose_of(np.full((30, 13, 2), np.nan), fps=30.0, score=np.zeros((30, 13)))
    assert [moments_of_repetition(each) for each in (still, down, bowed, unseen)] == [None] * 4
    assert find_moments(still) == [None]
    assert moments_of_repetition(still.cut(0, 2)) is None
