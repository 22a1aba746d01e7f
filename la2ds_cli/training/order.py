"""Which clip is shown when: an endless stream of clips, cut into batches.

Everything is a function of the seed and the position in the stream. Each epoch of the stream is a
shuffle of all clips. With buckets (`train.bucket`) the pairs of about one epoch are drawn as they
would be without, then sorted by length and divided anew, so that a batch holds pairs of similar
length: the same pairs are seen, in other company and order.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from la2ds_cli.core.config_sections import AugmentConfig, TrainConfig
from la2ds_cli.features.augment import sample_frames

MAX_SPEED_UP = 2  # a clip longer than `train.frames` is never shown faster than this
SHOWN = 8  # most pairs of one clip in a batch: few clips make small batches


def batch_size(config: TrainConfig, clips: int) -> int:
    """Pairs of a batch over all processes: `train.batch_size`, at most 8 of each clip."""
    return min(config.batch_size, SHOWN * clips)


def clip_at(seed: int, clips: int, position: int) -> int:
    """Number of the clip at a position of the stream."""
    epoch, place = divmod(position, clips)
    return _shuffle(seed, clips, epoch)[place]


@lru_cache(maxsize=64)
def _shuffle(seed: int, clips: int, epoch: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, 1, epoch]).permutation(clips).tolist())


def pair_rng(seed: int, size: int, position: int) -> np.random.Generator:
    """Random numbers of the pair at a position, in batches of `size`."""
    return np.random.default_rng([seed, 2, *divmod(position, size)])


def window(length: int, frames: int, rng: np.random.Generator) -> tuple[int, int]:
    """(start, length) of the part of a clip that a pair shows; it is thinned to `frames`."""
    if length <= frames:
        return 0, length
    part = int(rng.integers(frames, min(length, MAX_SPEED_UP * frames) + 1))
    return int(rng.integers(length - part + 1)), part


def batch_positions(
    lengths: tuple[int, ...], config: TrainConfig, augment: AugmentConfig, step: int
) -> list[int]:
    """Positions in the stream of the pairs of a step. lengths: frames of each clip."""
    size = batch_size(config, len(lengths))
    if not config.bucket:
        return list(range(step * size, (step + 1) * size))
    count = max(1, round(len(lengths) / size))
    pool, number = divmod(step, count)
    return list(_buckets(lengths, config, augment, pool, count)[number])


@lru_cache(maxsize=4)
def _buckets(
    lengths: tuple[int, ...], config: TrainConfig, augment: AugmentConfig, pool: int, count: int
) -> list[list[int]]:
    """The positions of one pool in `count` batches of similar length, in a random order."""
    size = batch_size(config, len(lengths))
    positions = range(pool * count * size, (pool + 1) * count * size)
    cost = [_frames(lengths, config, augment, position, size) for position in positions]
    ordered = [positions[place] for place in np.argsort(cost, kind="stable")]
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    shuffled = np.random.default_rng([config.seed, 3, pool]).permutation(count)
    return [batches[number] for number in shuffled]


def _frames(
    lengths: tuple[int, ...],
    config: TrainConfig,
    augment: AugmentConfig,
    position: int,
    size: int,
) -> int:
    """Frames of S and S' together, from the draws with which each pair begins."""
    rng = pair_rng(config.seed, size, position)
    length = lengths[clip_at(config.seed, len(lengths), position)]
    first = min(window(length, config.frames, rng)[1], config.frames)
    return first + len(sample_frames(first, augment, rng))
