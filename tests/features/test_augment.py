"""Augmentation keeps its promises about correspondence, and each kind changes what it should."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from la2ds_cli.core.config_sections import AugmentConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features import augment as tested
from tests.movement import figure, in_space, warped_phase

OFF = AugmentConfig(
    drop=0, warp=0, trim=0, position_probability=0, orientation_probability=0, flip_probability=0,
    turn=0, tilt=0,
)  # fmt: skip
PENN = get_skeleton("penn13")


@pytest.fixture
def xy() -> np.ndarray:
    return figure(np.linspace(0, 1, 40))


def _copy(xy: np.ndarray, config: AugmentConfig, seed: int = 0):
    return tested.augment(xy, np.ones(xy.shape[:2]), PENN, 5.0, config, np.random.default_rng(seed))


def test_everything_off_is_the_identity(xy: np.ndarray) -> None:
    copy = _copy(xy, OFF)
    np.testing.assert_allclose(copy.xy, xy, rtol=1e-6)
    np.testing.assert_array_equal(copy.source, np.arange(40))


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_increasing_and_within_the_promised_share(seed: int) -> None:
    config = replace(OFF, drop=0.5, trim=0.5)
    source = tested.sample_frames(80, config, np.random.default_rng(seed))
    assert np.all(np.diff(source) >= 1)
    assert source[0] >= 0
    assert source[-1] <= 79
    assert len(source) >= 80 * 0.5 * 0.5 - 1


def test_trimming_alone_keeps_a_contiguous_part() -> None:
    source = tested.sample_frames(80, replace(OFF, trim=0.5), np.random.default_rng(3))
    np.testing.assert_array_equal(np.diff(source), 1)
    assert 40 <= len(source) < 80


def test_warp_shows_the_joints_between_frames(xy: np.ndarray) -> None:
    copy = _copy(xy, replace(OFF, warp=0.6), seed=1)
    assert np.any(copy.source % 1 > 0)
    assert copy.source[0] == 0
    assert copy.source[-1] == pytest.approx(39)
    assert np.all(np.diff(copy.source) > 0)
    wrist = xy[:, PENN.index("left_wrist"), 1]
    expected = np.interp(copy.source, np.arange(40), wrist)
    np.testing.assert_allclose(copy.xy[:, PENN.index("left_wrist"), 1], expected, rtol=1e-5)


def test_position_noise_has_the_stated_deviation_in_cells(xy: np.ndarray) -> None:
    noisy = _copy(xy, replace(OFF, position_probability=1, position_std=1.0)).xy
    assert (noisy - xy).std() == pytest.approx(5.0, rel=0.1)  # cell = 5 pixels


def test_rotation_moves_one_chain_and_keeps_its_bone_lengths(xy: np.ndarray) -> None:
    turned = tested.rotate_limb(xy, PENN, 0.3, np.random.default_rng(2))
    moved = np.flatnonzero(np.abs(turned - xy).max(axis=(0, 2)) > 1e-9)
    chain = next(c for c in PENN.chains.values() if set(moved) <= set(c[1:]))
    for before, after in pairwise(chain):
        length = np.linalg.norm(xy[:, before] - xy[:, after], axis=-1)
        kept = np.linalg.norm(turned[:, before] - turned[:, after], axis=-1)
        np.testing.assert_allclose(kept, length)


def test_limbs_are_longer_or_shorter_by_a_tenth() -> None:
    """Two upper legs that hang side by side: the camera changes both alike, so that the logarithm
    of their ratio has the deviation 0.1 of each, in quadrature."""
    still = np.zeros((1, 13, 2))
    legs = []
    for side, x in (("left", 10.0), ("right", -10.0)):
        hip, knee, ankle = (PENN.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
        still[0, [hip, knee, ankle]] = (x, 0), (x, 40), (x, 80)
        legs.append((hip, knee))
    rng = np.random.default_rng(0)
    ratio = []
    for _ in range(1500):
        changed = tested.change_geometry(still, PENN, 1.0, rng)[0]
        left, right = (np.linalg.norm(changed[hip] - changed[knee]) for hip, knee in legs)
        ratio.append(np.log(left / right))
    assert np.std(ratio) == pytest.approx(0.1 * np.sqrt(2), rel=0.1)


def test_dropped_limb_is_missing_and_scoreless(xy: np.ndarray) -> None:
    gone_xy, gone_score = tested.drop_limb(
        xy, np.ones(xy.shape[:2]), PENN, np.random.default_rng(4)
    )
    missing = np.asarray(np.isnan(gone_xy).any(axis=-1))
    assert missing.any()
    assert not missing[:, [chain[0] for chain in PENN.chains.values()]].any()
    np.testing.assert_array_equal(gone_score == 0, missing)


def test_a_limb_may_be_unseen_for_the_whole_clip(xy: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    scores = [tested.drop_limb(xy[:2], np.ones((2, 13)), PENN, rng)[1] for _ in range(30)]
    assert {int((score == 0).any(axis=1).sum()) for score in scores} == {1, 2}


PAPER = AugmentConfig(trim=0, temporal_probability=0.5)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("temporal", {"drop": 0.5, "temporal_probability": 1.0}),
        ("position", {"position_probability": 1.0}),
        ("orientation", {"orientation_probability": 1.0}),
        ("flip", {"flip_probability": 1.0}),
    ],
)
def test_each_augmentation_alone_changes_its_own_thing_only(
    xy: np.ndarray, kind: str, changes: dict[str, float]
) -> None:
    copy = _copy(xy, replace(OFF, **changes), seed=1)
    assert (len(copy.source) < len(xy)) == (kind == "temporal")
    mirrored, _ = tested.flip(xy, np.ones(xy.shape[:2]), PENN)
    expected = mirrored if kind == "flip" else xy[copy.source.astype(int)]
    moved = np.abs(copy.xy - expected).max(axis=(0, 2)) > 1e-3
    chains = [set(chain[1:]) for chain in PENN.chains.values()]
    if kind == "orientation":
        assert any(set(np.flatnonzero(moved)) <= chain for chain in chains)
        assert moved.any()
    else:
        assert moved.all() == (kind == "position")


def test_the_paper_probabilities_are_the_shares_of_copies(xy: np.ndarray) -> None:
    """0.5 temporal, 0.3 each of orientation, position and flip, independent of each other."""
    short = xy[:12]
    copies = [_copy(short, PAPER, seed) for seed in range(1500)]
    sided = PENN.index("left_shoulder"), PENN.index("right_shoulder")
    flipped = np.array([c.xy[0, sided[0], 0] < 0 for c in copies])
    assert flipped.mean() == pytest.approx(0.3, abs=0.04)
    # U(0, 0.5) of 12 frames rounds to "none dropped" in 1 of 12 of the drawn half.
    dropped = np.mean([len(c.source) < 12 for c in copies])
    assert dropped == pytest.approx(0.5 * 11 / 12, abs=0.04)
    head = PENN.index("head")  # part of no chain: position noise alone moves it
    still = [
        np.allclose(np.abs(c.xy[:, head]), short[c.source.astype(int), head], atol=1e-3)
        for c in copies
    ]
    assert 1 - np.mean(still) == pytest.approx(0.3, abs=0.04)


def test_smooth_noise_has_the_same_deviation_and_drifts() -> None:
    """Covariance 1 - |i - j| / 2T: variance 1, neighbours at 1 - 1 / 2T, both ends near 0.5."""
    rng = np.random.default_rng(0)
    drawn = tested.noise((20, 20_000), 2.0, rng, smooth=True)
    assert drawn.std(axis=1) == pytest.approx(2.0, rel=0.03)
    correlation = np.corrcoef(drawn)
    assert correlation[7, 8] == pytest.approx(1 - 1 / 40, abs=0.01)
    assert correlation[0, 19] == pytest.approx(1 - 19 / 40, abs=0.03)
    independent = tested.noise((20, 20_000), 2.0, rng)
    assert np.abs(np.corrcoef(independent)[0, 1:]).max() < 0.03


@pytest.mark.parametrize("swap", [True, False])
def test_a_flip_negates_x_and_may_exchange_the_sides(xy: np.ndarray, swap: bool) -> None:
    """Scores go with their joints."""
    order = list(PENN.flip) if swap else list(range(13))
    score = np.linspace(0, 1, xy[..., 0].size).reshape(xy.shape[:2])
    flipped, flipped_score = tested.flip(xy, score, PENN, swap=swap)
    np.testing.assert_allclose(flipped, xy[:, order] * [-1, 1])
    np.testing.assert_array_equal(flipped_score, score[:, order])
    copy = _copy(xy, replace(OFF, flip_probability=1.0, flip_swap=swap))
    np.testing.assert_allclose(copy.xy, flipped, rtol=1e-6)
    assert copy.flipped


# --- joints in metres -----------------------------------------------------------------------------

CLIP = in_space(warped_phase(40, 0))
WORLD = np.asarray(CLIP.world)
ROOT = list(PENN.root)


def _deep(config: AugmentConfig, seed: int = 0) -> tested.AugmentedCopy:
    rng = np.random.default_rng(seed)
    return tested.augment(CLIP.xy, CLIP.score, PENN, 4.0, config, rng, WORLD)


def _about_root() -> np.ndarray:
    return WORLD - WORLD[:, ROOT].mean(axis=1, keepdims=True)


def _world(copy: tested.AugmentedCopy) -> np.ndarray:
    assert copy.world is not None
    return copy.world


def test_everything_off_is_the_identity_about_the_root() -> None:
    copy = _deep(OFF)
    np.testing.assert_allclose(_world(copy), _about_root(), atol=1e-6)
    np.testing.assert_allclose(copy.xy, CLIP.xy, atol=1e-3)


def test_frames_are_those_of_the_2d_augmentation() -> None:
    config = replace(OFF, trim=0.5, drop=0.5)
    flat = tested.augment(CLIP.xy, CLIP.score, PENN, 4.0, config, np.random.default_rng(3))
    np.testing.assert_array_equal(_deep(config, 3).source, flat.source)


def test_a_turn_keeps_heights_and_lengths() -> None:
    config = replace(OFF, turn=0.5)
    copies = [_world(_deep(config, seed)) for seed in range(200)]
    for copy in copies[:3]:
        np.testing.assert_allclose(copy[..., 1], _about_root()[..., 1], atol=1e-6)
        lengths = np.linalg.norm(copy, axis=-1), np.linalg.norm(_about_root(), axis=-1)
        np.testing.assert_allclose(*lengths, atol=1e-6)
    across = [
        c[0, PENN.index("left_shoulder")] - c[0, PENN.index("right_shoulder")] for c in copies
    ]
    assert np.std([np.arctan2(v[2], v[0]) for v in across]) == pytest.approx(0.5, rel=0.15)


def test_the_image_shows_the_augmented_body_on_the_path_of_its_root() -> None:
    copy = _deep(replace(OFF, turn=0.8, orientation_probability=1, geometry=1.0), 5)
    path = CLIP.xy[:, ROOT].mean(axis=1, keepdims=True)
    np.testing.assert_allclose((copy.xy - path) / 120, _world(copy)[..., :2], atol=1e-4)


def test_noise_is_of_the_same_size_in_space_as_in_the_image() -> None:
    """4 pixels per cell, 120 pixels per metre."""
    copy = _world(_deep(replace(OFF, position_probability=1, position_std=1.5), 2))
    assert (copy - _about_root()).std() == pytest.approx(1.5 * 4 / 120, rel=0.05)


def test_mirror_image_and_gaps() -> None:
    flipped = _deep(replace(OFF, flip_probability=1))
    assert flipped.flipped
    mirrored = _about_root()[:, list(PENN.flip)] * [-1, 1, 1]
    np.testing.assert_allclose(_world(flipped), mirrored, atol=1e-6)
    world = WORLD.copy()
    world[5, PENN.index("left_wrist")] = np.nan
    rng = np.random.default_rng(0)
    copy = tested.augment(CLIP.xy, CLIP.score, PENN, 4.0, OFF, rng, world)
    unknown = np.isnan(_world(copy)).any(axis=-1)
    assert np.argwhere(unknown).tolist() == [[5, PENN.index("left_wrist")]]
    assert (copy.score == 0).tolist() == unknown.tolist()
