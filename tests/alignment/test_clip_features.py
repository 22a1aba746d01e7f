"""Features of clips: frame rates, mirrors, choice of model or poses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import clip_features
from la2ds_cli.alignment.clip_features import (
    MOVEMENT_SPREAD,
    OneDistance,
    common_rate,
    nearest_view,
    pose_feature,
    velocity_rate,
    views_of_b,
)
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.features.pose_features import mirror, movement
from la2ds_cli.features.tempo import paced_movement
from tests.movement import in_space, sequence, warped_phase


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


def test_one_distance_adds_base_and_movement_to_the_embedding_in_units_of_their_spreads() -> None:
    pose = sequence(warped_phase(30, 1))
    rng = np.random.default_rng(0)
    embedding, base = (rng.normal(size=(30, d)).astype(np.float32) for d in (5, 7))
    joined = OneDistance(2.0, movement=0.5, base=3.0, base_spread=4.0).features(
        pose, embedding, base
    )
    moved = paced_movement(pose) / MOVEMENT_SPREAD
    for a, b in ((0, 7), (3, 29)):
        apart = ((embedding[a] - embedding[b]) ** 2).sum() / 4
        apart += 3 * ((base[a] - base[b]) ** 2).sum() / 16
        apart += 0.5 * ((moved[a] - moved[b]) ** 2).sum()
        assert ((joined[a] - joined[b]) ** 2).sum() == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize(("spread", "weight"), [(0.0, 1.0), (2.0, 0.0)])
def test_an_embedding_of_unknown_spread_or_without_weights_stays_alone(
    spread: float, weight: float
) -> None:
    distance = OneDistance.of(spread, AlignConfig(movement=weight, base=weight), base_spread=3.0)
    embedding = np.ones((30, 5), np.float32)
    assert distance.features(sequence(warped_phase(30, 1)), embedding) is embedding


def test_the_base_model_stands_beside_other_runs_of_bodies(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    settings, pose = AlignConfig(movement=1.0, base=1.0), sequence(warped_phase(30, 1))
    untold = OneDistance.of_run(project, "default", pose, settings)
    assert (untold.base, untold.movement) == (0, 0)  # no weights, whose spread is unknown
    base = OneDistance.of_run(project, BASE_RUN, pose, settings)
    assert (base.base, base.movement) == (0, 1)  # not beside itself
    assert base.spread > 0
    assert OneDistance.of(2.0, settings, base.spread).base == 1
    with pytest.raises(ValueError, match="base model"):
        OneDistance.of(2.0, settings, base.spread).features(pose, np.ones((30, 5), np.float32))


def test_the_base_model_which_reads_the_image_is_left_out_in_3d(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_features, "run_spread", lambda project, run: 2.0)
    project, settings = Project.create(tmp_path), AlignConfig(movement=1.0, base=1.0)
    pose = in_space(warped_phase(30, 1))
    for spatial, base in ((False, 1.0), (True, 0.0)):
        distance = OneDistance.of_run(project, "run", replace(pose, spatial=spatial), settings)
        assert (distance.base, distance.movement) == (base, 1.0)
