"""Training clips, and the pairs drawn from them.

A pair depends only on (seed, step, index in the batch), so a resumed run draws exactly the pairs of
an uninterrupted one. From top to bottom: the clips of a project, one pair, one batch, and the order
in which batches go through the clips.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AugmentConfig, TrainConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.augment import (
    MIN_FRAMES,
    AugmentedCopy,
    augment,
    sample_frames,
)
from la2ds_cli.features.crop import cell_size, clip_box
from la2ds_cli.features.network_input import NetworkInput, network_input
from la2ds_cli.features.pose_features import facing_joints, need_3d
from la2ds_cli.features.resample import at_positions, evenly_spaced, resample_pose, time_grid
from la2ds_cli.features.tempo import sampling_rate
from la2ds_cli.training.losses import get_method
from la2ds_cli.training.network import PairBatch, collate, different_maps

if TYPE_CHECKING:
    import torch

MAX_SPEED_UP = 2  # a clip longer than `train.frames` is never shown faster than this
FEW_CLIPS = 10  # with fewer clips the user is warned
SMALL_SET = 20  # up to this many nobody can say beforehand whether training helps
MAX_PAIRS = 8  # of one clip in a batch, so that few clips make small batches

Outlook = Literal["impossible", "unlikely", "possible", "likely"]
MirroredFeatures = Callable[[str, FloatArray], tuple[FloatArray, FloatArray]]
"""Id of a clip and seconds (G,) -> features (G, D) of its frames and of their mirror images."""


@dataclass(frozen=True)
class Twin:
    """The same movement by another performer, where that is known: xy (M, K, 2) pixels, score
    (M, K), and source (M,): the clip frame that each frame of the twin matches, increasing."""

    xy: FloatArray
    score: FloatArray
    source: FloatArray

    def rows(self, index: IntArray) -> Twin:
        """The twin reduced to the frames `index` (N,)."""
        return Twin(self.xy[index], self.score[index], self.source[index])

    def of_rows(self, index: IntArray) -> Twin:
        """The part of the twin that matches the clip reduced to the frames `index` (N,)."""
        shown = (self.source >= index[0]) & (self.source <= index[-1])
        part = self.rows(np.flatnonzero(shown))
        return replace(part, source=np.interp(part.source, index, np.arange(len(index))))


@dataclass(frozen=True)
class Clip:
    """One training clip at the model's rate: xy (T, K, 2) pixels, score (T, K).

    frame_features, mirrored: features (T, D) of its video frames and of their mirror images, None
    if the network reads joints. twin: if there is one, copies are made of it instead of the clip.
    world: joints (T, K, 3) in metres, turned to face the camera, None if unknown.
    """

    video: str
    xy: FloatArray
    score: FloatArray
    frame_features: FloatArray | None = None
    mirrored: FloatArray | None = None
    twin: Twin | None = None
    world: FloatArray | None = None

    def rows(self, index: IntArray) -> Clip:
        """The clip reduced to the frames `index` (N,)."""

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
    """Clips to train on, clips held out for the label-free validation, and their digest."""

    train: list[Clip]
    validation: list[Clip]
    skeleton: Skeleton
    digest: str


def training_videos(project: Project) -> list[Video]:
    """Videos with poses to train on: those of the split `train` or, if there are none, all that are
    not in `test`."""
    return _to_train_on(project.posed_videos())


def some_training_videos(project: Project, most: int) -> list[Video]:
    """At most `most` of `training_videos`, evenly spaced by id if there are more.

    If all chosen clips have poses, the others are not examined, of which there may be 100,000.
    """
    chosen = _some(_to_train_on(project.videos()), most)
    if len(chosen) == most and all(project.pose_path(video.id).exists() for video in chosen):
        return chosen
    return _some(training_videos(project), most)


def _some(videos: list[Video], most: int) -> list[Video]:
    """At most `most` of the clips; if there are more, evenly spaced in the order of their ids."""
    if len(videos) <= most:
        return videos
    return evenly_spaced(sorted(videos, key=lambda video: video.id), most)


def _to_train_on(videos: list[Video]) -> list[Video]:
    return [v for v in videos if v.split == "train"] or [v for v in videos if v.split != "test"]


def load_training_set(
    project: Project, config: Config, frame_features: MirroredFeatures | None = None
) -> TrainingSet:
    """Read, check and split the training clips. frame_features: for `model.input=rgb`.

    Raises UserError if there are fewer than 2 clips (exit 4), if skeletons are mixed (exit 5) or if
    the network reads 3D joints and a clip has none (exit 5), and whatever `frame_features` raises.
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
    train, validation = _hold_out(clips, config.train.validation_share)
    return TrainingSet(train, validation, get_skeleton(skeleton), clips_digest(keys))


def training_skeleton(skeletons: Sequence[str]) -> str:
    """The skeleton of all training clips. skeletons: that of each clip.

    Raises UserError for fewer than 2 clips (exit 4) and for different skeletons (exit 5).
    """
    if len(skeletons) < 2:
        raise UserError(
            f"training needs at least 2 clips with poses, found {len(skeletons)}",
            hint="la2ds extract-poses FOLDER; two clips align on raw poses without any training",
            exit_code=ExitCode.UNUSABLE,
        )
    names = sorted(set(skeletons))
    if len(names) > 1:
        raise UserError(
            f"the training clips mix the skeletons {', '.join(names)}",
            hint="use one pose model, or one data set, per project",
            exit_code=ExitCode.MISMATCH,
        )
    return names[0]


def outlook(clips: int) -> tuple[Outlook, str]:
    """Whether training on this many clips is likely to help, and a sentence that says so."""
    if clips < 2:
        return "impossible", "training needs at least 2 clips with joints"
    if clips < FEW_CLIPS:
        said = f"only {clips} clips to learn from: training is unlikely to help"
        return "unlikely", f"{said}, and the clips can be aligned without it"
    if clips <= SMALL_SET:
        said = f"only {clips} clips to learn from: training may or may not help"
        return "possible", f"{said}; the verdict of the run says which, an evaluation measures it"
    said = f"{clips} clips are enough to learn from"
    return "likely", f"{said}; the verdict of the run says whether it is better than the base model"


def clips_digest(keys: Mapping[str, str]) -> str:
    """Identity of a set of training clips. keys: key of each clip's pose recipe, by video id."""
    pairs = sorted(f"{video}:{key}" for video, key in keys.items())
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


def to_clip(
    video: str, pose: PoseSequence, fps: float, frame_features: MirroredFeatures | None = None
) -> Clip:
    """The clip at `fps` frames per second."""
    grid = time_grid(pose.time, fps)
    sampled = resample_pose(pose, grid)
    shown, mirrored = (None, None) if frame_features is None else frame_features(video, grid)
    world = None if sampled.world is None else facing_joints(sampled)
    return Clip(video, sampled.xy, sampled.score, shown, mirrored, world=world)


def _hold_out(clips: list[Clip], share: float) -> tuple[list[Clip], list[Clip]]:
    """The clips to train on and those held out; with `held_out` none, all are used for both."""
    by_id = {clip.video: clip for clip in clips}
    held, others = held_out(list(by_id), share)
    return ([by_id[v] for v in others], [by_id[v] for v in held]) if held else (clips, clips)


def held_out(videos: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Ids of the clips that training holds out, and of all others: round(share * n) of them, chosen
    by a hash of the ids, but never all; none of fewer than 7 clips."""
    ordered = sorted(videos, key=lambda video: hashlib.sha256(video.encode()).hexdigest())
    most = len(videos) - 1
    count = min(round(share * len(videos)), most) if len(videos) >= 7 else 0
    return ordered[:count], ordered[count:]


# --- one pair ------------------------------------------------------------------------------------


def limit_frames(clip: Clip, frames: int, rng: np.random.Generator) -> Clip:
    """The clip, or a random `window` of it thinned evenly to `frames` frames."""
    if len(clip.xy) <= frames:
        return clip
    start, length = window(len(clip.xy), frames, rng)
    index = start + np.round(np.linspace(0, length - 1, frames)).astype(np.int64)
    return clip.rows(index)


def draw_copy(
    clip: Clip, skeleton: Skeleton, config: Config, rng: np.random.Generator
) -> tuple[Clip, AugmentedCopy]:
    """S and its augmented copy S' as joints (paper sec. 3.2).

    If S has a twin with at least MIN_FRAMES frames of the same part, S' is a copy of the twin.
    Frame features follow the temporal augmentation of the copy, and are those of the mirror images
    if it is flipped. No other augmentation changes them.
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
    """The network input of a clip or of an augmented copy."""
    return network_input(
        clip.xy,
        clip.score,
        skeleton,
        config.heatmap,
        config.model,
        clip.frame_features,
        clip.world,
    )


def draw_pair(
    clip: Clip, skeleton: Skeleton, config: Config, rng: np.random.Generator
) -> tuple[NetworkInput, NetworkInput, FloatArray]:
    """Network inputs of S and S', and the index in S of each frame of S'.

    S' is cropped to its own box, as a clip of the same frames would be.
    """
    original, copy = draw_copy(clip, skeleton, config, rng)
    return to_input(original, skeleton, config), to_input(copy, skeleton, config), copy.source


def draw_clip_pair(
    clips: Sequence[Clip],
    clip: Clip,
    skeleton: Skeleton,
    config: Config,
    rng: np.random.Generator,
) -> tuple[NetworkInput, NetworkInput, FloatArray]:
    """Network inputs of augmented copies of `clip` and of another clip of `clips`.

    The third value is the share of the other clip that has passed at each frame of its copy.
    """
    others = [other for other in clips if other.video != clip.video] or [clip]
    pair = []
    for one in (clip, others[int(rng.integers(len(others)))]):
        original, copy = draw_copy(one, skeleton, config, rng)
        item = to_input(copy, skeleton, config)
        pair.append((item, copy.source / max(len(original.xy) - 1, 1)))
    return pair[0][0], pair[1][0], pair[1][1]


# --- one batch -----------------------------------------------------------------------------------


def draw_batch(
    clips: Sequence[Clip],
    skeleton: Skeleton,
    config: Config,
    step: int,
    device: torch.device,
) -> PairBatch:
    """The batch of one step."""
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
    """The batch of the pairs at these positions in the stream of clips."""
    import torch

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
    """Pairs in a batch: `train.batch_size`, but at most 8 of each clip."""
    return min(config.batch_size, MAX_PAIRS * clips)


def clip_at(seed: int, clips: int, position: int) -> int:
    """Index of the clip at a position in the stream."""
    epoch, offset = divmod(position, clips)
    return _shuffled_clips(seed, clips, epoch)[offset]


@lru_cache(maxsize=64)
def _shuffled_clips(seed: int, clips: int, epoch: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, 1, epoch]).permutation(clips).tolist())


def pair_rng(seed: int, size: int, position: int) -> np.random.Generator:
    """Random generator of the pair at a position, for batches of `size` pairs."""
    return np.random.default_rng([seed, 2, *divmod(position, size)])


def window(length: int, frames: int, rng: np.random.Generator) -> tuple[int, int]:
    """(start, length) of the part of a clip that a pair shows, before it is thinned to `frames`."""
    if length <= frames:
        return 0, length
    part = int(rng.integers(frames, min(length, MAX_SPEED_UP * frames) + 1))
    return int(rng.integers(length - part + 1)), part


def batch_positions(
    lengths: tuple[int, ...], config: TrainConfig, augment: AugmentConfig, step: int
) -> list[int]:
    """Positions of a step's pairs in the stream. lengths: frames of each clip."""
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
    """The positions of one pool, in `count` batches of similar length in random order."""
    size = batch_size(config, len(lengths))
    positions = range(pool * count * size, (pool + 1) * count * size)
    cost = [_frames(lengths, config, augment, position, size) for position in positions]
    ordered = [positions[index] for index in np.argsort(cost, kind="stable")]
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
    """Frames of S and S' together, from the random draws that each pair makes first."""
    rng = pair_rng(config.seed, size, position)
    length = lengths[clip_at(config.seed, len(lengths), position)]
    first = min(window(length, config.frames, rng)[1], config.frames)
    return first + len(sample_frames(first, augment, rng))
