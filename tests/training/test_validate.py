"""Validation measures on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.training import validate
from la2ds_cli.training.data import to_clip
from tests.movement import sequence, warped_phase

CLIPS = [to_clip(f"v{n}", sequence(warped_phase(40, n)), 20) for n in range(4)]


def test_nearest_frame_error_by_hand() -> None:
    first = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    second = np.array([[0.1], [2.9]], dtype=np.float32)  # nearest: frames 0 and 3
    assert validate.nearest_frame_error(first, second, np.array([0.0, 3.0])) == 0
    assert validate.nearest_frame_error(first, second, np.array([1.0, 3.0])) == pytest.approx(12.5)


def test_effective_rank_counts_equal_directions() -> None:
    rng = np.random.default_rng(0)
    assert validate.effective_rank(np.ones((20, 4))) == 0
    assert validate.effective_rank(np.outer(np.arange(20), np.ones(4))) == pytest.approx(1)
    assert validate.effective_rank(rng.normal(size=(5000, 4))) == pytest.approx(4, rel=0.01)


def test_a_perfect_embedding_beats_a_constant_one() -> None:
    config = load_config(overrides=["model.input=joints", "augment.flip_probability=0"])
    pairs = validate.validation_pairs(CLIPS, get_skeleton("penn13"), config)

    def about_root(item):
        assert item.joints is not None
        return item.joints[:, 26:52]

    good = validate.synthetic_warp_error(about_root, pairs)
    constant = validate.synthetic_warp_error(lambda item: np.zeros((len(item), 3)), pairs)
    assert good.error < 6
    assert constant.error > 20
    assert constant.rank == 0


def test_every_copy_is_warped() -> None:
    config = load_config(overrides=["model.input=joints", "augment.temporal_probability=0.0"])
    for _, _, source in validate.validation_pairs(CLIPS, get_skeleton("penn13"), config):
        assert np.ptp(np.diff(source)) > 0  # frames pass at changing speed


def test_centre_and_spread_by_hand() -> None:
    first, second = np.array([[1.0, 0], [3, 0]]), np.array([[0.0, 4], [0, 8], [0, 12], [0, 8]])
    pairs = [(clip, clip, np.arange(len(clip))) for clip in (first, second)]
    found = validate.synthetic_warp_error(lambda clip: clip, pairs)  # pyright: ignore
    # All frames count once: a third of them are of the first clip.
    np.testing.assert_allclose(found.centre, [4 / 6, 32 / 6])
    assert found.spread == pytest.approx(np.sqrt((1 + 8) / 2))
