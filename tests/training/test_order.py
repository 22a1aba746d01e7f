"""The stream of clips: every clip once an epoch; buckets only regroup."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest

from la2ds_cli.core.config_sections import AugmentConfig, TrainConfig
from la2ds_cli.training import data

LENGTHS = tuple(int(n) for n in np.random.default_rng(0).integers(20, 60, 21))
AUGMENT = AugmentConfig()


def _epochs(bucket: bool, steps: int) -> list[list[int]]:
    config = TrainConfig(batch_size=4, bucket=bucket)
    return [data.batch_positions(LENGTHS, config, AUGMENT, step) for step in range(steps)]


def test_without_buckets_the_stream_is_read_in_order() -> None:
    assert _epochs(False, 2) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    seen = [data.clip_at(7, 5, position) for position in range(15)]
    for epoch in range(3):
        assert sorted(seen[5 * epoch : 5 * epoch + 5]) == list(range(5))
    assert seen[:5] != seen[5:10]


@pytest.mark.parametrize("pools", [1, 3])
def test_buckets_hold_the_same_pairs_in_other_company(pools: int) -> None:
    steps = 5 * pools  # 21 clips in batches of 4: pools of 5 batches
    plain, bucketed = _epochs(False, steps), _epochs(True, steps)
    assert plain != bucketed
    assert sorted(chain(*plain)) == sorted(chain(*bucketed))
    assert all(len(batch) == 4 for batch in bucketed)
    clips = Counter(data.clip_at(0, 21, position) for position in chain(*bucketed))
    assert max(clips.values()) - min(clips[clip] for clip in range(21)) <= 1
    assert bucketed == _epochs(True, steps)


def test_buckets_hold_similar_lengths() -> None:
    """By hand: without trim and drop S' is as long as S, so a bucket is a run of sorted lengths."""
    config = TrainConfig(batch_size=3, bucket=True, frames=64)
    whole = AugmentConfig(trim=0, drop=0)
    lengths = (10, 50, 20, 60, 11, 51, 21, 61, 12)
    found = []
    for step in range(3):
        positions = data.batch_positions(lengths, config, whole, step)
        found.append(sorted(lengths[data.clip_at(0, 9, position)] for position in positions))
    assert sorted(found) == [[10, 11, 12], [20, 21, 50], [51, 60, 61]]


def test_few_clips_make_small_batches() -> None:
    config = TrainConfig(batch_size=64)
    assert data.batch_size(config, 2) == 16
    assert data.batch_size(config, 8) == 64
    assert data.batch_size(config, 100) == 64


def test_windows_of_long_clips_stay_inside() -> None:
    for seed in range(50):
        start, length = data.window(500, 64, np.random.default_rng(seed))
        assert 64 <= length <= 128
        assert 0 <= start <= 500 - length
    assert data.window(64, 64, np.random.default_rng(0)) == (0, 64)
