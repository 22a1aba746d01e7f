"""Worse joints: exactly those, exactly that much, and a project that is read through them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.clips import clip_generator
from la2ds_cli.experiments.corruption import (
    CorruptedProject,
    DroppedLimb,
    JointNoise,
    add_noise,
    drop_limb_at_test,
)
from tests.movement import sequence, without
from tests.small_runs import six_clips

PENN = get_skeleton("penn13")
POSE = sequence(np.linspace(0, 1, 400))


def _drop(probability: float, seed: int = 0) -> np.ndarray:
    """Mask (T, K) of the joints that are gone."""
    dropped = drop_limb_at_test(POSE, probability, np.random.default_rng(seed))
    gone = np.asarray(np.isnan(dropped.xy).any(axis=-1))
    np.testing.assert_array_equal(dropped.score, np.where(gone, 0, POSE.score))
    np.testing.assert_array_equal(dropped.xy[~gone], POSE.xy[~gone])
    return gone


def test_the_probability_is_the_share_of_frames() -> None:
    assert not _drop(0.0).any()
    assert _drop(0.25).any(axis=1).mean() == pytest.approx(0.25, abs=0.06)
    low, high = _drop(0.25, seed=3), _drop(0.75, seed=3)
    assert np.all(high[low])  # more of the same draw
    assert high.sum() > low.sum()


@pytest.mark.parametrize("skeleton", ["penn13", "hand21"])
def test_one_limb_goes_in_a_frame_without_its_pivot_and_every_limb_in_turn(skeleton: str) -> None:
    known = get_skeleton(skeleton)
    joints = len(known.joints)
    pose = replace(
        POSE, skeleton=skeleton, xy=np.zeros((400, joints, 2)), score=np.ones((400, joints))
    )
    dropped = drop_limb_at_test(pose, 1.0, np.random.default_rng(0))
    limbs = [set(chain[1:]) for chain in known.chains.values()]
    gone = np.asarray(np.isnan(dropped.xy).any(axis=-1))
    seen = [set(np.flatnonzero(row).tolist()) for row in gone]
    assert all(row in limbs for row in seen)
    assert min(seen.count(limb) for limb in limbs) > 50  # 400 frames, 4 limbs or 5 fingers


def test_noise_is_measured_in_cells_of_the_crop() -> None:
    xy = POSE.xy.copy()
    xy[:, 0] = [0, 0]
    xy[:, 1] = [300, 90]  # the longer side of the box is 300 pixels, a cell 10
    pose = replace(POSE, xy=xy)
    heatmap = HeatmapConfig(size=30, crop="smallest", padding=0.0)
    noisy = add_noise(pose, 1.5, np.random.default_rng(0), heatmap)
    assert (noisy.xy - pose.xy).std() == pytest.approx(15.0, rel=0.03)
    finer = add_noise(pose, 1.5, np.random.default_rng(0), replace(heatmap, size=60))
    np.testing.assert_allclose(finer.xy - pose.xy, (noisy.xy - pose.xy) / 2, atol=1e-3)


def test_noise_keeps_scores_and_unseen_joints() -> None:
    pose = without(POSE, slice(5, 9), 3)
    noisy = add_noise(pose, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(np.isnan(noisy.xy), np.isnan(pose.xy))
    np.testing.assert_array_equal(noisy.score, pose.score)
    np.testing.assert_array_equal(add_noise(pose, 0.0, np.random.default_rng(0)).xy, pose.xy)
    unseen = without(pose)
    assert add_noise(unseen, 1.0, np.random.default_rng(0)) is unseen


def test_the_generator_of_a_clip_is_its_own() -> None:
    first = clip_generator("a", 0).random(3)
    np.testing.assert_array_equal(first, clip_generator("a", 0).random(3))
    assert not np.array_equal(first, clip_generator("b", 0).random(3))
    assert not np.array_equal(first, clip_generator("a", 1).random(3))


def test_joints_in_metres_lose_the_same_limbs_and_get_the_same_noise() -> None:
    """A torso of 100 pixels that is half a metre long: 1 pixel is 5 mm."""
    rng = np.random.default_rng(5)
    xy = np.array(POSE.xy)
    hips, shoulders = (
        [PENN.index(f"{side}_{j}") for side in ("left", "right")] for j in ("hip", "shoulder")
    )
    xy[:, hips], xy[:, shoulders] = xy[:, shoulders] + [0, 100], xy[:, shoulders]
    world = np.concatenate([xy / 200, rng.normal(size=(*xy.shape[:2], 1))], axis=2)
    world[:, hips, 2] = world[:, shoulders, 2]
    deep = replace(POSE, xy=xy, world=world)
    assert deep.world is not None
    dropped = drop_limb_at_test(deep, 0.5, np.random.default_rng(0))
    assert dropped.world is not None
    gone = np.asarray(np.isnan(dropped.xy).any(axis=-1))
    np.testing.assert_array_equal(np.isnan(dropped.world), np.repeat(gone[..., None], 3, axis=2))
    noisy = add_noise(deep, 0.5, np.random.default_rng(0))
    assert noisy.world is not None
    pixels, metres = (noisy.xy - deep.xy).std(), (noisy.world - deep.world).std()
    assert metres == pytest.approx(pixels / 200, rel=0.03)


# --- a project seen through worse joints ---------------------------------------------------------

NOISE = JointNoise(1.0, 0, HeatmapConfig())


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return six_clips(tmp_path / "project", labels=False)


def test_either_side_has_its_own_corruption_and_recipe(project: StoredProject) -> None:
    seen = CorruptedProject(project, "x", train=NOISE, test=None)
    for video in project.videos():
        clean, before = project.read_pose(video.id)
        pose, after = seen.read_pose(video.id)
        changed = video.split == "train"
        assert np.array_equal(pose.xy, clean.xy) != changed
        assert (after.key != before.key) == changed
        assert seen.pose_header(video.id)[0].key == after.key
    again = CorruptedProject(project, "y", train=NOISE, test=None).read_pose("clip0")[0]
    np.testing.assert_array_equal(again.xy, seen.read_pose("clip0")[0].xy)


def test_every_setting_of_a_corruption_is_in_its_recipe() -> None:
    limbs = [DroppedLimb(0.5, 0), DroppedLimb(0.75, 0), DroppedLimb(0.5, 1)]
    noises = [NOISE, JointNoise(2.0, 0, HeatmapConfig()), JointNoise(1.0, 1, HeatmapConfig())]
    keys = [corruption.recipe("poses").key for corruption in (*limbs, *noises)]
    assert len(set(keys)) == len(keys)
    assert NOISE.recipe("poses").key != NOISE.recipe("other poses").key


def test_nothing_is_written_over_the_clean_project(project: StoredProject) -> None:
    seen = CorruptedProject(project, "some-label", train=None, test=NOISE)
    assert seen.results_dir("evaluate") == project.root / "results" / "robustness" / "some-label"
    assert seen.run_dir("default") == project.run_dir("default")
    assert seen.pose_path("clip1") == project.pose_path("clip1")
    folder = project.root / "results" / "robustness" / "some-label"
    for video in project.videos():
        path, clean = (one.embedding_path("default", video.id) for one in (seen, project))
        inside = path.is_relative_to(folder)
        assert inside if video.split == "test" else path == clean


def test_labels_are_left_as_they_are(tmp_path: Path) -> None:
    project = six_clips(tmp_path / "labelled")
    assert CorruptedProject(project, "x", train=NOISE, test=NOISE).phases() == project.phases()


def _clean_files(project: StoredProject) -> dict[Path, int]:
    """Files outside results/robustness/ and when they were written."""
    files = [path for path in project.root.rglob("*") if path.is_file()]
    return {p: p.stat().st_mtime_ns for p in files if "robustness" not in p.parts}
