"""Augmentation in space: what each kind changes, and that image and space stay together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.config_sections import AugmentConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.augment import (
    AugmentedCopy,
    augment,
    augment_3d,
    change_limbs,
    rotate_limb,
)
from tests.movement import in_space, warped_phase

PENN = get_skeleton("penn13")
CLIP = in_space(warped_phase(40, 0))
ROOT = list(PENN.root)
OFF = AugmentConfig(
    drop=0,
    trim=0,
    position_probability=0,
    orientation_probability=0,
    flip_probability=0,
    turn=0,
    tilt=0,
)


def _copy(config: AugmentConfig, seed: int = 0) -> AugmentedCopy:
    assert CLIP.world is not None
    rng = np.random.default_rng(seed)
    return augment_3d(CLIP.xy, CLIP.world, CLIP.score, PENN, 4.0, config, rng)


def _about_root() -> np.ndarray:
    assert CLIP.world is not None
    return CLIP.world - CLIP.world[:, ROOT].mean(axis=1, keepdims=True)


def _world(copy: AugmentedCopy) -> np.ndarray:
    assert copy.world is not None
    return copy.world


def test_everything_off_is_the_identity_about_the_root() -> None:
    copy = _copy(OFF)
    np.testing.assert_allclose(_world(copy), _about_root(), atol=1e-6)
    np.testing.assert_allclose(copy.xy, CLIP.xy, atol=1e-3)


def test_frames_are_those_of_the_2d_augmentation() -> None:
    config = replace(OFF, trim=0.5, drop=0.5)
    flat = augment(CLIP.xy, CLIP.score, PENN, 4.0, config, np.random.default_rng(3))
    np.testing.assert_array_equal(_copy(config, 3).source, flat.source)


def test_a_turn_keeps_heights_and_lengths() -> None:
    config = replace(OFF, turn=0.5)
    copies = [_world(_copy(config, seed)) for seed in range(200)]
    for copy in copies[:3]:
        np.testing.assert_allclose(copy[..., 1], _about_root()[..., 1], atol=1e-6)
        lengths = np.linalg.norm(copy, axis=-1), np.linalg.norm(_about_root(), axis=-1)
        np.testing.assert_allclose(*lengths, atol=1e-6)
    across = [
        c[0, PENN.index("left_shoulder")] - c[0, PENN.index("right_shoulder")] for c in copies
    ]
    assert np.std([np.arctan2(v[2], v[0]) for v in across]) == pytest.approx(0.5, rel=0.15)


def test_the_image_shows_the_augmented_body_on_the_path_of_its_root() -> None:
    copy = _copy(replace(OFF, turn=0.8, orientation_probability=1, geometry=1.0), 5)
    path = CLIP.xy[:, ROOT].mean(axis=1, keepdims=True)
    np.testing.assert_allclose((copy.xy - path) / 120, _world(copy)[..., :2], atol=1e-4)


def test_one_limb_turns_about_a_joint_of_its_own() -> None:
    joints = _about_root()
    turned = rotate_limb(joints, PENN, 0.5, np.random.default_rng(1))
    moved = {k for k in range(13) if np.abs(turned[:, k] - joints[:, k]).max() > 1e-9}
    owners = [chain for chain in PENN.chains.values() if moved <= set(chain[1:])]
    assert moved
    assert len(owners) == 1
    pivot = owners[0][owners[0].index(min(moved, key=owners[0].index)) - 1]
    for k in moved:
        before, after = (np.linalg.norm(j[:, k] - j[:, pivot], axis=-1) for j in (joints, turned))
        np.testing.assert_allclose(after, before, atol=1e-9)


def test_another_body_is_constant_over_the_clip() -> None:
    still = np.repeat(_about_root()[:1], 6, axis=0)
    changed = change_limbs(still, PENN, 1.0, np.random.default_rng(0))
    assert np.abs(changed - still).max() > 0.02
    np.testing.assert_allclose(changed, np.repeat(changed[:1], 6, axis=0))


def test_noise_is_of_the_same_size_in_space_as_in_the_image() -> None:
    """4 pixels per cell, 120 pixels per metre."""
    copy = _world(_copy(replace(OFF, position_probability=1, position_std=1.5), 2))
    assert (copy - _about_root()).std() == pytest.approx(1.5 * 4 / 120, rel=0.05)


def test_mirror_image_and_gaps() -> None:
    assert CLIP.world is not None
    flipped = _copy(replace(OFF, flip_probability=1))
    assert flipped.flipped
    mirrored = _about_root()[:, list(PENN.flip)] * [-1, 1, 1]
    np.testing.assert_allclose(_world(flipped), mirrored, atol=1e-6)
    world = CLIP.world.copy()
    world[5, PENN.index("left_wrist")] = np.nan
    rng = np.random.default_rng(0)
    copy = augment_3d(CLIP.xy, world, CLIP.score, PENN, 4.0, OFF, rng)
    unknown = np.isnan(_world(copy)).any(axis=-1)
    assert np.argwhere(unknown).tolist() == [[5, PENN.index("left_wrist")]]
    assert (copy.score == 0).tolist() == unknown.tolist()
