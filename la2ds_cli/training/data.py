"""Training clips, and the pairs drawn from them.

A pair depends only on (seed, step, index in the batch), so a resumed run draws the same pairs as an
uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch

from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AugmentConfig, TrainConfig
from la2ds_cli.core.independence import film_digests, joints_digest
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.augment import MIN_FRAMES, AugmentedCopy, augment, sample_frames
from la2ds_cli.features.heatmaps import cell_size, clip_box
from la2ds_cli.features.network_input import NetworkInput, network_input
from la2ds_cli.features.pose_features import facing_joints, need_3d
from la2ds_cli.features.resample import at_positions, resample_pose
from la2ds_cli.features.tempo import sampling_rate
from la2ds_cli.network.torch_network import collate
from la2ds_cli.network.training_clips import hold_out, training_videos
from la2ds_cli.training.batches import PairBatch, different_maps
from la2ds_cli.training.clip_set import clips_digest, training_skeleton
from la2ds_cli.training.losses import get_method

MAX_SPEED_UP = 2  # a clip longer than `train.frames` is thinned by at most this factor
MAX_PAIRS = 8  # of one clip in a batch, so that few clips make small batches

MirroredFeatures = Callable[[str, FloatArray], tuple[FloatArray, FloatArray]]
"""Returns features (G, D) of a clip's frames and of their mirror images, by its id and seconds
(G,)."""


@dataclass(frozen=True)
class Twin:
    """The same movement by another performer, where the correspondence is known.

    xy: (M, K, 2) pixels. score: (M, K). source: (M,) the clip's frame that each frame of the twin
    matches, increasing.
    """

    xy: FloatArray
    score: FloatArray
    source: FloatArray

    def rows(self, index: IntArray) -> Twin:
        """Return the twin reduced to the frames `index` (N,)."""
        return Twin(self.xy[index], self.score[index], self.source[index])

    def of_rows(self, index: IntArray) -> Twin:
        """Return the part of the twin that matches the clip reduced to the frames `index` (N,)."""
        shown = (self.source >= index[0]) & (self.source <= index[-1])
        part = self.rows(np.flatnonzero(shown))
        return replace(part, source=np.interp(part.source, index, np.arange(len(index))))


@dataclass(frozen=True)
class Clip:
    """A training clip at the model's rate.

    xy: (T, K, 2) pixels. score: (T, K). frame_features, mirrored: (T, D) features of its video
    frames and of their mirror images, None if the network reads joints. twin: if there is one, it
    is copied instead of the clip. world: (T, K, 3) joints in metres, turned to face the camera,
    None if unknown.
    """

    video: str
    xy: FloatArray
    score: FloatArray
    frame_features: FloatArray | None = None
    mirrored: FloatArray | None = None
    twin: Twin | None = None
    world: FloatArray | None = None

    def rows(self, index: IntArray) -> Clip:
        """Return the clip reduced to the frames `index` (N,)."""

        def at_index(value: FloatArray | None) -> FloatArray | None:
            return None if value is None else value[index]

        return Clip(
            self.video,
            self.xy[index],
            self.score[index],
            at_index(self.frame_features),
            at_index(self.mirrored),
            None if self.twin is None else self.twin.of_rows(index),
            at_index(self.world),
        )


@dataclass(frozen=True)
class TrainingSet:
    """The clips of a run.

    train: clips to train on. validation: clips for the validation without labels; the clips of
    `train` if none is held out. digest: of the set of clips. films: digests that identify their
    films (`film_digests`).
    """

    train: list[Clip]
    validation: list[Clip]
    skeleton: Skeleton
    digest: str
    films: Sequence[str] = ()

    @property
    def held_out(self) -> list[str]:
        """Ids of the clips that are not trained on, sorted."""
        return sorted({c.video for c in self.validation} - {c.video for c in self.train})


def load_training_set(
    project: StoredProject, config: Config, frame_features: MirroredFeatures | None = None
) -> TrainingSet:
    """Read, check and split the training clips; `frame_features` are for `model.input=rgb`.

    Raises UserError for fewer than 2 clips (exit 4), for mixed skeletons, and for clips without
    joints in 3D if the network reads them (exit 5); and as `frame_features` does.
    """
    videos = training_videos(project)
    poses, keys = {}, {}
    for video in videos:
        poses[video.id], recipe = project.read_pose(video.id)
        keys[video.id] = recipe.key
    skeleton = training_skeleton([pose.skeleton for pose in poses.values()])
    if config.model.input == "joints3d":
        need_3d((video.name, poses[video.id]) for video in videos)
    clips = [
        to_clip(video, pose, sampling_rate(pose, config.train), frame_features)
        for video, pose in poses.items()
    ]
    by_id = {clip.video: clip for clip in clips}
    joints = {video: joints_digest(pose) for video, pose in poses.items()}
    split = hold_out(videos, config.train.validation_share, project.source, joints)
    # if none is held out, all clips serve both purposes, in their own order
    train = [by_id[v] for v in split.trained] if split.held_out else clips
    validation = [by_id[v] for v in split.held_out] or clips
    films = film_digests(videos, joints)
    return TrainingSet(train, validation, get_skeleton(skeleton), clips_digest(keys), films)


def to_clip(
    video: str, pose: PoseSequence, fps: float, frame_features: MirroredFeatures | None = None
) -> Clip:
    """Return a clip (id `video`) at `fps` frames per second."""
    grid = pose.axis.grid(fps)
    sampled = resample_pose(pose, grid)
    shown, mirrored = (None, None) if frame_features is None else frame_features(video, grid)
    world = None if sampled.world is None else facing_joints(sampled)
    return Clip(video, sampled.xy, sampled.score, shown, mirrored, world=world)


# --- one pair ------------------------------------------------------------------------------------


def limit_frames(clip: Clip, frames: int, rng: np.random.Generator) -> Clip:
    """Return the clip or, if it is longer, a random `window` of it thinned to `frames` frames."""
    if len(clip.xy) <= frames:
        return clip
    start, length = window(len(clip.xy), frames, rng)
    index = start + np.round(np.linspace(0, length - 1, frames)).astype(np.int64)
    return clip.rows(index)


def draw_copy(
    clip: Clip, skeleton: Skeleton, config: Config, rng: np.random.Generator
) -> tuple[Clip, AugmentedCopy]:
    """Return S and its augmented copy S' as joints (paper sec. 3.2).

    If S has a twin with at least MIN_FRAMES frames of the same part, S' is a copy of the twin.
    Frame features follow the temporal augmentation of the copy, and belong to the mirror images if
    it is flipped. No other augmentation changes them.
    """
    clip = limit_frames(clip, config.train.frames, rng)
    twin = clip.twin if clip.twin is not None and len(clip.twin.xy) >= MIN_FRAMES else None
    if twin is not None and len(twin.xy) > config.train.frames:
        thinned = np.linspace(0, len(twin.xy) - 1, config.train.frames)
        twin = twin.rows(np.round(thinned).astype(np.int64))
    shown = clip if twin is None else twin
    box = clip_box(shown.xy, config.heatmap.crop, config.heatmap.padding)
    cell = cell_size(box, config.heatmap.size, config.heatmap.aspect)
    deep = config.model.input == "joints3d" and twin is None and clip.world is not None
    if deep:
        cell = float(cell.max())  # in space, one unit serves all three axes
    world = clip.world if deep else None
    copy = augment(shown.xy, shown.score, skeleton, cell, config.augment, rng, world)
    if twin is not None:
        copy = replace(copy, source=at_positions(twin.source, copy.source))
    features = clip.mirrored if copy.flipped else clip.frame_features
    if features is not None:
        copy = replace(copy, frame_features=at_positions(features, copy.source))
    return clip, copy


def to_input(clip: Clip | AugmentedCopy, skeleton: Skeleton, config: Config) -> NetworkInput:
    """Return the network input of a clip or of an augmented copy."""
    return network_input(
        clip.xy, clip.score, skeleton, config.heatmap, config.model, clip.frame_features, clip.world
    )


def draw_pair(
    clip: Clip, skeleton: Skeleton, config: Config, rng: np.random.Generator
) -> tuple[NetworkInput, NetworkInput, FloatArray]:
    """Return the network inputs of S and S', and the index in S of each frame of S'.

    S' is cropped to its own box, as a clip of the same frames would be.
    """
    original, copy = draw_copy(clip, skeleton, config, rng)
    return to_input(original, skeleton, config), to_input(copy, skeleton, config), copy.source


def draw_clip_pair(
    clips: Sequence[Clip], clip: Clip, skeleton: Skeleton, config: Config, rng: np.random.Generator
) -> tuple[NetworkInput, NetworkInput, FloatArray]:
    """Return the network inputs of augmented copies of `clip` and of another clip of `clips`, and
    the share of the other clip that has passed at each frame of its copy."""
    others = [other for other in clips if other.video != clip.video] or [clip]
    pair = []
    for member in (clip, others[int(rng.integers(len(others)))]):
        original, copy = draw_copy(member, skeleton, config, rng)
        item = to_input(copy, skeleton, config)
        pair.append((item, copy.source / max(len(original.xy) - 1, 1)))
    return pair[0][0], pair[1][0], pair[1][1]


# --- one batch -----------------------------------------------------------------------------------


def draw_batch(
    clips: Sequence[Clip], skeleton: Skeleton, config: Config, step: int, device: torch.device
) -> PairBatch:
    """Return the batch of a step on `device`."""
    lengths = tuple(len(clip.xy) for clip in clips)
    positions = batch_positions(lengths, config.train, config.augment, step)
    return draw_pairs_at(clips, skeleton, config, positions, device)


def draw_pairs_at(
    clips: Sequence[Clip],
    skeleton: Skeleton,
    config: Config,
    positions: Sequence[int],
    device: torch.device,
) -> PairBatch:
    """Return the batch of the pairs at given positions in the stream of clips, on `device`."""
    seed, size = config.train.seed, batch_size(config.train, len(clips))
    shown = [clips[clip_at(seed, len(clips), position)] for position in positions]
    draw = draw_pair
    if get_method(config.train.method).PAIRS == "clips":
        draw = partial(draw_clip_pair, clips)
    pairs = [
        draw(clip, skeleton, config, pair_rng(seed, size, position))
        for clip, position in zip(shown, positions, strict=True)
    ]
    sides = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    original, augmented = (collate(side, device) for side in sides)
    maps, rows = different_maps([*sides[0], *sides[1]], device)
    truth = torch.zeros(augmented.mask.shape, dtype=torch.float32)
    for row, (_, _, source) in enumerate(pairs):
        truth[row, : len(source)] = torch.from_numpy(source.astype(np.float32))
    return PairBatch(
        original,
        augmented,
        truth.to(device),
        [clip.video for clip in shown],
        tuple(positions),
        (sum(map(len, sides[0])), sum(map(len, sides[1]))),
        maps=maps,
        rows=rows,
    )


# --- the order of clips: an endless stream, cut into batches -------------------------------------


def batch_size(config: TrainConfig, clips: int) -> int:
    """Return the pairs in a batch: `train.batch_size`, but at most MAX_PAIRS of each clip."""
    return min(config.batch_size, MAX_PAIRS * clips)


def clip_at(seed: int, clips: int, position: int) -> int:
    """Return the index of the clip at a position in the shuffled stream of so many `clips`."""
    epoch, offset = divmod(position, clips)
    return _shuffled_clips(seed, clips, epoch)[offset]


@lru_cache(maxsize=64)
def _shuffled_clips(seed: int, clips: int, epoch: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, 1, epoch]).permutation(clips).tolist())


def pair_rng(seed: int, size: int, position: int) -> np.random.Generator:
    """Return the random generator of the pair at a position, for batches of `size` pairs."""
    return np.random.default_rng([seed, 2, *divmod(position, size)])


def window(length: int, frames: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the start and length of the part of a clip that a pair shows, before it is thinned to
    `frames`."""
    if length <= frames:
        return 0, length
    part = int(rng.integers(frames, min(length, MAX_SPEED_UP * frames) + 1))
    return int(rng.integers(length - part + 1)), part


def batch_positions(
    lengths: tuple[int, ...], config: TrainConfig, augment: AugmentConfig, step: int
) -> list[int]:
    """Return the positions of a step's pairs in the stream. lengths: frames of each clip."""
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
    """Return the positions of one pool, in `count` batches of similar length in random order."""
    size = batch_size(config, len(lengths))
    positions = range(pool * count * size, (pool + 1) * count * size)
    cost = [_frames(lengths, config, augment, position, size) for position in positions]
    ordered = [positions[index] for index in np.argsort(cost, kind="stable")]
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    shuffled = np.random.default_rng([config.seed, 3, pool]).permutation(count)
    return [batches[number] for number in shuffled]


def _frames(
    lengths: tuple[int, ...], config: TrainConfig, augment: AugmentConfig, position: int, size: int
) -> int:
    """Return the frames of S and S' in total, from the random draws that each pair makes first."""
    rng = pair_rng(config.seed, size, position)
    length = lengths[clip_at(config.seed, len(lengths), position)]
    first = min(window(length, config.frames, rng)[1], config.frames)
    return first + len(sample_frames(first, augment, rng))
