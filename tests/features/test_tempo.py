"""Clips are sampled by their tempo, so that slow motion has as many frames as real speed."""

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import movement
from la2ds_cli.features.resample import interpolate, resample_pose
from la2ds_cli.features.tempo import (
    LEAST_FRAMES,
    movement_and_course,
    paced_movement,
    sampling_rate,
    speed,
    travel,
)
from tests.movement import cycle, sequence, warped_phase


def fast(pose: PoseSequence) -> float:
    """How fast a clip moves where it is fast."""
    return float(np.percentile(speed(pose), 95))


def test_slow_motion_has_a_lower_peak_speed_by_its_factor() -> None:
    real = sequence(warped_phase(60, seed=1), fps=30.0)
    slow = replace(real, time=real.time * 4)
    assert fast(slow) == pytest.approx(fast(real) / 4)


def test_jitter_of_the_joints_is_no_tempo_at_a_high_frame_rate() -> None:
    """One movement of 2 s at 30 and at 240 frames per second, whose joints jitter by 2 % of the
    torso: the two differ by less than clips of which one is slow motion."""
    ratios = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        phase = warped_phase(481, seed)
        fine = sequence(phase, fps=240.0)
        coarse = sequence(phase[::8], fps=30.0)
        shaky = [replace(p, xy=p.xy + rng.normal(0, 1.2, p.xy.shape)) for p in (fine, coarse)]
        ratios.append(fast(shaky[0]) / fast(shaky[1]))
        assert max(ratios[-1], 1 / ratios[-1]) < 1.5
        # How far it moves in all frames together is the same, too.
        assert travel(shaky[0]).sum() == pytest.approx(travel(shaky[1]).sum(), rel=0.25)
    assert np.median(ratios) == pytest.approx(1, abs=0.1)


def test_one_movement_at_two_tempos_is_sampled_in_as_many_frames() -> None:
    real = sequence(warped_phase(90, seed=3), fps=30.0)
    slow = sequence(np.interp(np.linspace(0, 89, 540), np.arange(90), warped_phase(90, seed=3)))
    slow = replace(slow, time=np.arange(540) / 30.0, fps=30.0)
    train = TrainConfig(fps=20.0, tempo=0.4)
    frames = [len(pose.axis.grid(sampling_rate(pose, train))) for pose in (real, slow)]
    assert frames[1] == pytest.approx(frames[0], rel=0.15)
    assert frames[0] < 60  # fewer than at train.fps


def test_rate_lies_between_the_least_frames_and_fps() -> None:
    pose = sequence(warped_phase(60, seed=1))
    assert sampling_rate(pose, TrainConfig(fps=20.0)) == 20.0
    assert sampling_rate(pose, TrainConfig(fps=20.0, tempo=1e-6)) == 20.0
    still = replace(pose, xy=np.repeat(pose.xy[:1], 60, axis=0))
    rate = sampling_rate(still, TrainConfig(fps=20.0, tempo=0.4))
    assert len(still.axis.grid(rate)) == LEAST_FRAMES + 1


def test_paced_movement_is_the_same_in_slow_motion() -> None:
    phase = warped_phase(60, seed=4)
    real = sequence(phase, fps=30.0)
    slow = sequence(np.interp(np.linspace(0, 59, 240), np.arange(60), phase), fps=30.0)
    fast, slowed = paced_movement(real), paced_movement(slow)
    at = np.interp(np.arange(60), np.linspace(0, 59, 240), np.arange(240))
    matched = slowed[np.rint(at).astype(int)]
    inner = slice(4, -4)  # velocities are held at the ends
    error = np.sqrt(((matched - fast)[inner] ** 2).sum(axis=1))
    spread = np.sqrt(fast.var(axis=0).sum())
    assert np.median(error) < 0.15 * spread
    # The velocity per frame, which `movement` has, is a quarter.
    blocks = movement(slow).shape[1] // 2
    quarter = np.abs(movement(slow)[:, blocks:]).max() / np.abs(movement(real)[:, blocks:]).max()
    assert quarter < 0.4


def test_movement_in_the_image_counts_less_where_a_camera_follows() -> None:
    phase = warped_phase(60, seed=5)
    still = sequence(phase)
    followed = replace(still, xy=still.xy + np.linspace(0, 6000, 60)[:, None, None])
    in_image = 2 * 13
    assert np.ptp(paced_movement(followed)[:, :in_image], axis=0).max() < 0.1
    assert np.ptp(paced_movement(still)[:, :in_image], axis=0).max() > 0.3


def halves(phase: np.ndarray, first: float, second: float) -> PoseSequence:
    """A movement of 121 frames at 60 per second, filmed at `first` and then at `second`."""
    fine = sequence(phase, fps=60.0)
    at = np.concatenate([np.arange(0, 1, 1 / first), np.arange(1, 2 + 1e-9, 1 / second)])
    return resample_pose(fine, at)


def test_frames_of_a_varying_rate_are_no_regular_ones_even_if_they_are_as_many() -> None:
    """61 frames in 2 s, as many as at 30 per second: 15 in the first and 46 in the other."""
    phase = warped_phase(121, seed=7)
    regular, varying = halves(phase, 30.0, 30.0), halves(phase, 15.0, 45.0)
    assert len(regular) == len(varying) == 61
    # The median rate is 45 per second, above the highest one of 30.
    true = interpolate(paced_movement(regular), regular.time, varying.time)
    spread = np.sqrt(true.var(axis=0).sum())
    error = np.sqrt(((paced_movement(varying) - true) ** 2).sum(axis=1))
    assert error.max() < 0.3 * spread
    assert fast(varying) == pytest.approx(fast(regular), rel=0.15)


def course(pose: PoseSequence) -> np.ndarray:
    """The second half of `movement_and_course`."""
    return np.split(movement_and_course(pose), 2, axis=1)[1]


@pytest.mark.parametrize(("count", "fps"), [(90, 45.0), (360, 30.0), (50, 25.0), (960, 240.0)])
def test_the_course_depends_neither_on_the_rate_nor_on_slow_motion(count: int, fps: float) -> None:
    usual, other = course(sequence(cycle(60), fps=30.0)), course(sequence(cycle(count), fps=fps))
    at = interpolate(other, np.arange(count) / count, np.arange(60) / 60)
    unit = np.linalg.norm(usual, axis=1).max()
    assert np.abs(at - usual)[3:-3].max() < 0.1 * unit


def test_the_course_of_a_clip_played_backwards_is_opposite() -> None:
    pose = sequence(warped_phase(70, 2), fps=25.0)
    backwards = replace(pose, xy=pose.xy[::-1])
    np.testing.assert_allclose(course(backwards)[::-1], -course(pose), atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_nobody_who_stands_still_has_a_course(count: int) -> None:
    pose = sequence(np.full(count, 0.3))
    assert movement_and_course(pose).shape == (count, 8 * 13)
    np.testing.assert_allclose(course(pose), 0, atol=1e-9)
