"""Missing limbs and noisy joints: exactly those joints, exactly that much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.clips import clip_generator
from la2ds_cli.experiments.corruption import ANY, add_noise, drop_limb_at_test
from tests.movement import sequence

PENN = get_skeleton("penn13")
POSE = sequence(np.linspace(0, 1, 400))
ARM = [PENN.index("left_elbow"), PENN.index("left_wrist")]


def _drop(chain: str, probability: float, seed: int = 0) -> np.ndarray:
    """Mask (T, K) of the joints that are gone."""
    dropped = drop_limb_at_test(POSE, chain, probability, np.random.default_rng(seed))
    gone = np.asarray(np.isnan(dropped.xy).any(axis=-1))
    np.testing.assert_array_equal(dropped.score, np.where(gone, 0, POSE.score))
    np.testing.assert_array_equal(dropped.xy[~gone], POSE.xy[~gone])
    return gone


def test_a_named_limb_goes_without_its_pivot() -> None:
    gone = _drop("left_arm", 1.0)
    assert gone[:, ARM].all()
    assert gone.sum() == len(POSE) * len(ARM)
    assert not _drop("left_arm", 0.0).any()


@pytest.mark.parametrize("chain", ["left_arm", ANY])
def test_the_probability_is_the_share_of_frames(chain: str) -> None:
    share = _drop(chain, 0.25).any(axis=1).mean()
    assert share == pytest.approx(0.25, abs=0.06)


def test_any_drops_one_limb_per_frame_and_every_limb_in_turn() -> None:
    gone = _drop(ANY, 1.0)
    limbs = [set(chain[1:]) for chain in PENN.chains.values()]
    seen = [set(np.flatnonzero(row).tolist()) for row in gone]
    assert all(row in limbs for row in seen)
    counts = [seen.count(limb) for limb in limbs]
    assert min(counts) > 60  # 400 frames, 4 limbs


def test_a_higher_probability_takes_more_from_the_same_draw() -> None:
    low, high = _drop(ANY, 0.25, seed=3), _drop(ANY, 0.75, seed=3)
    assert np.all(high[low])
    assert high.sum() > low.sum()


def test_a_finger_goes_and_the_wrist_stays() -> None:
    hand = get_skeleton("hand21")
    pose = PoseSequence(
        xy=np.zeros((3, 21, 2)),
        score=np.ones((3, 21)),
        box=np.full((3, 4), np.nan),
        frame=np.arange(3),
        time=np.arange(3) / 30,
        fps=30,
        size=(0, 0),
        skeleton="hand21",
    )
    gone = np.isnan(drop_limb_at_test(pose, "index", 1.0, np.random.default_rng(0)).xy[0, :, 0])
    assert {hand.joints[k] for k in np.flatnonzero(gone)} == {f"index{n}" for n in (1, 2, 3, 4)}


def test_an_unknown_limb_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="has no limb 'left_am'") as caught:
        drop_limb_at_test(POSE, "left_am", 1.0, np.random.default_rng(0))
    assert "did you mean 'left_arm'?" in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


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
    xy = POSE.xy.copy()
    xy[5:9, 3] = np.nan
    pose = replace(POSE, xy=xy)
    noisy = add_noise(pose, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(np.isnan(noisy.xy), np.isnan(pose.xy))
    np.testing.assert_array_equal(noisy.score, pose.score)
    np.testing.assert_array_equal(add_noise(pose, 0.0, np.random.default_rng(0)).xy, pose.xy)
    unseen = replace(pose, xy=np.full_like(pose.xy, np.nan))
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
    dropped = drop_limb_at_test(deep, "left_arm", 1.0, np.random.default_rng(0)).world
    assert dropped is not None
    assert np.isnan(dropped[:, ARM]).all()
    assert np.isnan(dropped).sum() == len(POSE) * len(ARM) * 3
    noisy = add_noise(deep, 0.5, np.random.default_rng(0))
    assert noisy.world is not None
    pixels, metres = (noisy.xy - deep.xy).std(), (noisy.world - deep.world).std()
    assert metres == pytest.approx(pixels / 200, rel=0.03)
