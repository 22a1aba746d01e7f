"""The input of the alignment network: features of a clip's joints or video frames.

Training and inference both build their inputs here, so they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.config_sections import HeatmapConfig, JointKind, ModelConfig
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.heatmaps import (
    cell_size,
    channel_count,
    clip_box,
    render_heatmaps,
    to_cells,
)
from la2ds_cli.features.pose_features import both_movements, centre_and_scale, fill_gaps

FRAME_FEATURE_WIDTH = 1024
"""Number of features of a video frame (la2ds_models.resnet)."""


@dataclass(frozen=True)
class NetworkInput:
    """The input for a clip of T frames.

    maps: (T, C, S, S) float32 in [0, 1], or None. joints: (T, J) float32, or None: features of the
    joints of each frame or, with `model.input=rgb`, of its image. drawn: (T, 3K + 2) float32, the
    values from which the maps are drawn; frames with equal values have equal maps.
    """

    maps: FloatArray | None
    joints: FloatArray | None
    drawn: FloatArray | None = None

    def __len__(self) -> int:
        source = self.maps if self.maps is not None else self.joints
        return 0 if source is None else len(source)


def joint_blocks(kind: JointKind, *, spatial: bool = False) -> tuple[int, ...]:
    """Return the layout of `joint_features` in a frame (`spatial`: in 3D): consecutive blocks, each
    with this many features of every joint in turn."""
    coordinates = (1, 3) if spatial else (2, 2)
    position, score, movement = coordinates, (1,), coordinates
    if kind == "movement":
        return score + movement
    return position + score + (movement if kind == "both" else ())


def map_channels(skeleton: Skeleton, heatmap: HeatmapConfig, model: ModelConfig) -> int:
    """Return the number C of heatmap channels that the network reads, 0 if it reads none."""
    if model.input not in ("both", "heatmap"):
        return 0
    return channel_count(skeleton, heatmap.channels)


def joint_width(skeleton: Skeleton, model: ModelConfig) -> int:
    """Return the number J of features of a frame that the network reads besides heatmaps, or 0."""
    if model.input == "heatmap":
        return 0
    if model.input == "rgb":
        return FRAME_FEATURE_WIDTH
    blocks = joint_blocks(model.joints, spatial=model.input == "joints3d")
    return sum(blocks) * len(skeleton.joints)


def joint_features(
    xy_cells: FloatArray,
    score: FloatArray,
    skeleton: Skeleton,
    size: int,
    kind: JointKind,
    world: FloatArray | None = None,
) -> FloatArray:
    """Return the features (T, J) float32 of joints.

    Gaps are interpolated in time; a score of 0 marks them.

    Parameters
    ----------
    xy_cells, score: (T, K, 2) in heatmap cells, and (T, K).
    size: cells on each side of the grid.
    kind: `position`: coordinates in the image, scaled so that the crop is [-1, 1], then relative to
        the root in torso lengths, then scores. `movement`: scores, then `both_movements`. `both`:
        position, then movement.
    world: (T, K, 3) joints in metres, which are then used relative to the root. In the image, only
        the height is used, in torso lengths from the root's median height, which depends little on
        the camera's side.
    """
    filled = fill_gaps(xy_cells)
    in_crop = (filled + 0.5) * (2 / size) - 1
    about_root, torso = centre_and_scale(filled, skeleton)
    if world is not None:
        filled = filled[..., 1:]
        level = np.median(filled[:, list(skeleton.root)].mean(axis=1))
        in_crop = (filled - level) / torso
        about_root, _ = centre_and_scale(fill_gaps(world), skeleton)
    parts = []
    if kind != "movement":
        parts += [in_crop.reshape(len(filled), -1), about_root.reshape(len(filled), -1)]
    parts.append(score)
    if kind != "position":
        parts.append(both_movements(filled, about_root, torso))
    return np.concatenate(parts, axis=1).astype(np.float32)


def impute(xy: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return xy (T, K, 2) and score (T, K), float64, without gaps, as if all joints had been seen.

    Both are interpolated in time by `fill_gaps`, so that a heatmap shows a filled joint as strongly
    as before and after the gap. A joint that is never seen gets the mean position and score of the
    others in each frame. A position with score 0 keeps its place, but gets a score.
    """
    unknown = ~_seen(xy, score)
    scores = np.where(unknown, np.nan, score)[:, :, None]
    return fill_gaps(xy), fill_gaps(scores)[:, :, 0]


def _seen(xy: FloatArray, score: FloatArray) -> np.ndarray:
    """Return (T, K) bool: whether a joint of xy (T, K, 2) has a position and a score above 0."""
    return np.isfinite(xy).all(axis=-1) & (score > 0)


def network_input(
    xy: FloatArray,
    score: FloatArray,
    skeleton: Skeleton,
    heatmap: HeatmapConfig,
    model: ModelConfig,
    frame_features: FloatArray | None = None,
    world: FloatArray | None = None,
) -> NetworkInput:
    """Crop the clip to its box (paper sec. 3.1) and compute the input that `model.input` names.

    `model.missing` is for joints that are not seen. `imputed`: `impute` fills them first. `zero`:
    all their features are 0, and their heatmap channels and those of their limbs are empty.
    `mixed`: interpolated in time with score 0 in the joint features, empty in the heatmaps.

    Parameters
    ----------
    xy, score: (T, K, 2) pixels, NaN = not seen, and (T, K) in [0, 1].
    heatmap, model: settings.
    frame_features: (T, 1024) of the video frames, the only input of `rgb`.
    world: (T, K, 3) joints in metres, facing the camera (facing_joints), for `joints3d`; a joint
        that is NaN there counts as not seen.

    Raises
    ------
    ValueError: if a required input is missing.
    """
    if model.input == "rgb":
        if frame_features is None:
            raise ValueError("model.input is rgb, but the features of video frames are missing")
        return NetworkInput(None, frame_features.astype(np.float32, copy=False))
    spatial = model.input == "joints3d"
    if spatial:
        if world is None:
            raise ValueError("model.input is joints3d, but the joints in metres are missing")
        score = np.where(np.isfinite(world).all(axis=-1), score, 0)
    if model.missing == "imputed":
        xy, score = impute(xy, score)
    box = clip_box(xy, heatmap.crop, heatmap.padding)
    cells = to_cells(xy, box, heatmap.size, heatmap.aspect)
    maps = joints = drawn = None
    if model.input in ("both", "heatmap"):
        cell = cell_size(box, heatmap.size, heatmap.aspect)
        maps = render_heatmaps(cells, score, skeleton.limbs, heatmap, cell=cell)
        parts = cells.reshape(len(cells), -1), score, np.broadcast_to(cell, (len(cells), 2))
        drawn = np.concatenate(parts, axis=1, dtype=np.float32)
    if model.input != "heatmap":
        in_space = world if spatial else None
        joints = joint_features(cells, score, skeleton, heatmap.size, model.joints, in_space)
        if model.missing == "zero":
            # The features of the other joints do not change: the root, the torso and the unit of
            # movement still come from the filled joints.
            counts, seen = joint_blocks(model.joints, spatial=spatial), _seen(xy, score)
            valid = np.concatenate([np.repeat(seen, n, axis=1) for n in counts], axis=1)
            joints = np.where(valid, joints, np.float32(0))
    return NetworkInput(maps, joints, drawn)
