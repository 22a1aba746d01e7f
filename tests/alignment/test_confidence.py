"""What confidence has to say on matches whose ambiguity is known."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import confidence as confidences
from la2ds_cli.alignment.confidence import confidence
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.config_sections import AlignConfig

CLOSED = AlignConfig()


def noisy_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """40 distinct frames, 60 that look alike, 40 distinct ones; B is A with other noise."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(size=(80, 6)), axis=0)
    clean = np.concatenate([walk[:40], np.repeat(walk[40:41], 60, axis=0), walk[40:]])
    return tuple(clean + 0.2 * random.normal(size=clean.shape) for _ in range(2))  # type: ignore[return-value]


def test_range_and_shape() -> None:
    a, b = noisy_pair()
    value = confidence(a, b, align_features("dtw", a, b, CLOSED))
    assert value.shape == (140,)
    assert value.dtype == np.float32
    assert (value >= 0).all()
    assert (value <= 1).all()


def test_distinct_frames_are_surer_than_frames_that_look_alike() -> None:
    a, b = noisy_pair()
    value = confidence(a, b, align_features("dtw", a, b, CLOSED))
    alike = value[45:95]
    distinct = np.concatenate([value[5:35], value[105:135]])
    assert distinct.min() > alike.max()
    assert np.median(distinct) > 0.9


def test_identical_clips_are_certain() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=(50, 4)), axis=0)
    path = align_features("dtw", walk, walk, CLOSED)
    assert confidence(walk, walk, path).min() > 0.95


def test_clips_of_one_constant_frame_have_no_more_than_chance() -> None:
    still = np.ones((100, 3))
    path = align_features("linear", still, still, CLOSED)
    value = confidence(still, still, path)
    assert np.isfinite(value).all()
    # +-5 % of 100 frames hold 11 of 100 frames in the middle of the clip.
    assert value[40:60].max() < 0.5


def test_unmatched_ends_have_none() -> None:
    walk = np.cumsum(np.random.default_rng(2).normal(size=(60, 4)), axis=0)
    b = walk[15:50]
    path = align_features("dtw", walk, b, AlignConfig(open_ends=True, skip_cost=0.1))
    value = confidence(walk, b, path)
    assert (value[:14] == 0).all()
    assert (value[51:] == 0).all()
    assert value[16:49].min() > 0.5


def test_a_wrong_path_is_less_sure_than_the_right_one() -> None:
    a, b = noisy_pair(3)
    right = align_features("dtw", a, b, CLOSED)
    wrong = np.column_stack([np.arange(140), np.clip(np.arange(140) + 25, 0, 139)])
    assert confidence(a, b, wrong)[:35].max() < 0.1 < confidence(a, b, right)[:35].min()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 8), (8, 1)])
def test_single_frames(rows: int, columns: int) -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(size=(rows, 3)), random.normal(size=(columns, 3))
    value = confidence(a, b, align_features("dtw", a, b, CLOSED))
    assert value.shape == (rows,)
    assert np.isfinite(value).all()


def test_long_clips_are_thinned_without_a_change_of_meaning(monkeypatch) -> None:
    a, b = noisy_pair(5)
    path = align_features("dtw", a, b, CLOSED)
    whole = confidence(a, b, path)
    monkeypatch.setattr(confidences, "MAX_FRAMES", 70)
    thinned = confidence(a, b, path)
    assert np.corrcoef(whole, thinned)[0, 1] > 0.9


def test_paths_out_of_order_have_a_confidence_too() -> None:
    a, b = noisy_pair(6)
    value = confidence(a, b, align_features("nearest", a, b, CLOSED))
    assert np.median(value[5:35]) > np.median(value[45:95])
