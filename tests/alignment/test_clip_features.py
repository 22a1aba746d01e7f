"""Features of clips: frame rates, mirrors, choice of model or poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.clip_features import (
    common_rate,
    nearest_view,
    pose_feature,
    velocity_rate,
    views_of_b,
)
from la2ds_cli.features.pose_features import mirror, movement
from la2ds_cli.features.resample import interpolate, resample_pose
from la2ds_cli.features.tempo import paced_movement
from tests.movement import sequence, warped_phase


def test_a_clip_at_the_common_rate_is_left_alone() -> None:
    pose = sequence(np.linspace(0, 1, 41))
    np.testing.assert_allclose(pose_feature(pose, 20.0, "a"), movement(pose))


def test_velocity_does_not_depend_on_the_frame_rate() -> None:
    slow = sequence(np.linspace(0, 1, 41), fps=20.0)
    fast = sequence(np.linspace(0, 1, 121), fps=60.0)
    assert common_rate([slow, fast]) == pytest.approx(20.0)
    feature = pose_feature(fast, 20.0, "fast")
    assert feature.shape == (121, 104)
    reference = pose_feature(slow, 20.0, "slow")
    spread = float(reference.std())
    np.testing.assert_allclose(feature[::3], reference, atol=0.05 * spread)
    # Per frame of its own, the fast clip moves a third as far.
    assert np.abs(movement(fast)[::3] - reference).max() > spread


@pytest.mark.parametrize("rates", [(240.0, 240.0), (120.0, 240.0)])
def test_velocities_of_clips_at_high_rates_are_those_at_sixty(rates: tuple[float, float]) -> None:
    """At 240 frames per second, the joints hardly move over the few frames of a velocity."""
    phases = warped_phase(473, 4), warped_phase(389, 5)
    coarse = [sequence(phase[::4], fps=60.0) for phase in phases]
    fine = [
        sequence(phase[:: round(240 / fps)], fps=fps)
        for phase, fps in zip(phases, rates, strict=True)
    ]
    assert velocity_rate(coarse) == pytest.approx(60)
    assert velocity_rate(fine) == pytest.approx(60)
    for one, other, fps in zip(fine, coarse, rates, strict=True):
        feature = pose_feature(one, velocity_rate(fine), "a")[:: round(fps / 60)]
        reference = pose_feature(other, 60.0, "b")
        np.testing.assert_allclose(feature, reference, atol=0.05 * float(reference.std()))


def test_a_varying_rate_with_as_many_frames_as_a_regular_one_is_sampled_anew() -> None:
    """41 frames in 2 s, as many as at 20 per second: 10 in the first second and 31 in the other."""
    regular = sequence(np.linspace(0, 1, 41), fps=20.0)
    at = np.concatenate([np.arange(0, 1, 0.1), np.linspace(1, 2, 31)])
    varying = resample_pose(regular, at)
    true = interpolate(pose_feature(regular, 20.0, "a"), regular.time, at)
    spread = float(true.std())
    np.testing.assert_allclose(pose_feature(varying, 20.0, "b"), true, atol=0.5 * spread)


def test_the_mirrored_view_undoes_a_mirror() -> None:
    pose = sequence(np.linspace(0, 1, 30))
    plain = pose_feature(pose, 20.0, "a")
    as_filmed, mirrored = views_of_b(mirror(pose), 20.0, "b")
    np.testing.assert_allclose(mirrored, plain, atol=1e-5)
    assert np.abs(as_filmed - plain).max() > 0.5
    assert nearest_view(plain, (as_filmed, mirrored)) == 1
    assert nearest_view(plain, (plain, mirrored)) == 0


def test_the_nearer_view_is_that_of_the_lower_mean_whatever_the_length_of_its_path() -> None:
    a = 10.0 * np.arange(10)[:, None]
    short, long = a + 1, np.repeat(a + 0.8, 2, axis=0)  # sums 10 and 16
    assert nearest_view(a, (short, long)) == 1
    assert nearest_view(a, (short, long), 0.75) == 0


def test_a_pause_of_the_camera_is_no_frame_rate() -> None:
    """Half of the frames come 10 s later; all others 1/20 s after the one before."""
    pose = sequence(np.linspace(0, 1, 40))
    paused = replace(pose, time=pose.time + 10 * (np.arange(40) >= 20))
    assert common_rate([paused, sequence(np.linspace(0, 1, 90), fps=30.0)]) == pytest.approx(20)


def test_slow_motion_beside_real_speed_is_compared_at_its_own_pace() -> None:
    real = sequence(warped_phase(60, 1), fps=30.0)
    alike, slow = (replace(real, time=real.time * factor) for factor in (1.2, 4.0))
    assert velocity_rate([real, alike]) == pytest.approx(25)
    assert velocity_rate([real, slow]) is None
    np.testing.assert_allclose(pose_feature(slow, None, "b"), paced_movement(slow))
    np.testing.assert_allclose(pose_feature(slow, None, "b"), pose_feature(real, None, "a"))


def test_single_frames_have_a_rate() -> None:
    assert common_rate([sequence(np.array([0.5])), sequence(np.array([0.2]))]) == 20.0
