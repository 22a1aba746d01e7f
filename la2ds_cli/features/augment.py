"""The augmented copy S' of a skeleton sequence S, with its frame correspondences (paper sec. 3.2).

Augmentation acts on joints in pixels; heatmaps are rendered afterwards. In a clip with joints in
metres, limbs turn about random axes, bodies and cameras vary in 3D, and the augmented body is
projected again, as by a distant camera, along the path of the original clip's root. All random
numbers come from the generator that is passed in, so a training sample depends on its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.config_sections import AugmentConfig
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.pose_features import centre_and_scale, fill_gaps, turned
from la2ds_cli.features.resample import at_positions

MIN_FRAMES = 8  # a copy is never shorter than this, unless its clip is
_WARP_KNOT = 8  # frames between the knots of the smooth speed curve


@dataclass(frozen=True)
class AugmentedCopy:
    """S' of N frames.

    xy: (N, K, 2) pixels, NaN = not seen. score: (N, K). source: (N,) float64, the position in S of
    each frame, strictly increasing, fractional only with `warp`. flipped: whether it is mirrored.
    frame_features: (N, D) of its video frames, None if the network reads joints. world: (N, K, 3)
    joints in metres, None if the network reads none.
    """

    xy: FloatArray
    score: FloatArray
    source: FloatArray
    flipped: bool = False
    frame_features: FloatArray | None = None
    world: FloatArray | None = None


def augment(
    xy: FloatArray,
    score: FloatArray,
    skeleton: Skeleton,
    cell: FloatArray | float,
    config: AugmentConfig,
    rng: np.random.Generator,
    world: FloatArray | None = None,
) -> AugmentedCopy:
    """Draw one augmented copy of S.

    Parameters
    ----------
    xy, score: (M, K, 2) pixels and (M, K).
    cell: pixels per heatmap cell, the unit of the position noise; (2,) if width and height differ.
    config: kinds and strengths of augmentation.
    world: (M, K, 3) metres, facing the camera; then the body is also turned about the vertical, and
        the camera tilted, by angles that are constant over the clip. A joint without a position in
        metres is not seen in the copy.
    """
    smooth, smooth_angle = config.noise == "smooth", config.noise != "independent"
    source = sample_frames(len(xy), config, rng)
    joints, new_score = at_positions(xy, source), at_positions(score, source)
    metre: FloatArray | float = 1.0
    if world is not None:
        joints, path, metre = _about_root(xy, world, source, skeleton)
    new_score = np.where(np.isnan(joints).any(axis=-1), 0, new_score)
    if rng.random() < config.orientation_probability:
        joints = rotate_limb(joints, skeleton, config.orientation_std, rng, smooth=smooth_angle)
    if config.geometry > 0:
        joints = change_geometry(joints, skeleton, config.geometry, rng)
    if rng.random() < config.position_probability:
        std = config.position_std * cell / metre
        joints = joints + noise(joints.shape, std, rng, smooth=smooth)
    seen = joints
    if world is not None:
        joints = turned(joints, rng.normal(0, config.turn))
        joints = tilted(joints, *rng.normal(0, config.tilt, 2))
        seen = path + metre * joints[..., :2]
    flipped = rng.random() < config.flip_probability
    if flipped:
        joints, _ = flip(joints, new_score, skeleton, swap=config.flip_swap)
        seen, new_score = flip(seen, new_score, skeleton, swap=config.flip_swap)
    if rng.random() < config.missing_probability:
        seen, new_score = drop_limb(seen, new_score, skeleton, rng)
    copy = AugmentedCopy(seen.astype(np.float32), new_score.astype(np.float32), source, flipped)
    if world is None:
        return copy
    unknown = np.asarray(np.isnan(seen).any(axis=-1))
    return replace(
        copy,
        score=np.where(unknown, 0, copy.score),
        world=np.where(unknown[..., None], np.nan, joints).astype(np.float32),
    )


def _about_root(
    xy: FloatArray, world: FloatArray, source: FloatArray, skeleton: Skeleton
) -> tuple[FloatArray, FloatArray, float]:
    """Return, at the positions `source` (N,), joints (N, K, 3) in metres relative to the root and
    the path (N, 1, 2) of the root in pixels; and pixels per metre, measured by the torso, whose
    length in the image depends little on the view."""
    filled_xy, filled = fill_gaps(xy), fill_gaps(world)
    in_pixels, in_metres = (
        at_positions(of, source)[:, list(skeleton.root)].mean(axis=1, keepdims=True)
        for of in (filled_xy, filled)
    )
    metre = centre_and_scale(filled_xy, skeleton)[1] / centre_and_scale(filled, skeleton)[1]
    return at_positions(world, source) - in_metres, in_pixels, metre


def sample_frames(length: int, config: AugmentConfig, rng: np.random.Generator) -> FloatArray:
    """Draw the positions in S (of `length` frames) of the frames of S', strictly increasing.

    First the copy is trimmed: a share drawn from U(0, trim) is cut off, divided at random between
    both ends. Then, with `warp`, a smooth random speed is applied; then a share drawn from U(0,
    drop) of the frames is dropped at random (the paper's selection of N of M frames). Trimming
    always happens; the other two happen together, with `temporal_probability`.
    """
    least = min(MIN_FRAMES, length)
    trimmed = max(round(length * (1 - rng.uniform(0, config.trim))), least)
    start = int(rng.integers(length - trimmed + 1))
    position = np.arange(start, start + trimmed, dtype=np.float64)
    # At probability 1 nothing is drawn: the random sequence of older runs must not change.
    if config.temporal_probability < 1 and rng.random() >= config.temporal_probability:
        return position
    if config.warp > 0 and trimmed > 2:
        knots = rng.normal(0, config.warp, trimmed // _WARP_KNOT + 2)
        at = np.linspace(0, len(knots) - 1, trimmed - 1)
        passed = np.concatenate(
            [[0], np.cumsum(np.exp(np.interp(at, np.arange(len(knots)), knots)))]
        )
        position = start + passed * (trimmed - 1) / passed[-1]
    remaining = max(round(len(position) * (1 - rng.uniform(0, config.drop))), least)
    chosen = np.sort(rng.choice(len(position), remaining, replace=False))
    return position[chosen]


def noise(
    shape: tuple[int, ...],
    std: FloatArray | float,
    rng: np.random.Generator,
    *,
    smooth: bool = False,
) -> FloatArray:
    """Draw N(0, std) of shape (T, ...), independent over frames or temporally smooth.

    Parameters
    ----------
    shape: (T, ...).
    std: a number, or one for each entry of the last axis.
    smooth: frames i and j have the correlation 1 - |i - j| / 2T, the covariance of CASA that the
        paper tried (sec. 3.2) and found no better; a draw thus drifts over the entire clip.
    """
    drawn = rng.normal(0, std, shape)
    if not smooth:
        return drawn
    length = shape[0]
    apart = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    factor = np.linalg.cholesky(1 - apart / (2 * length))
    return np.tensordot(factor, drawn, axes=1)


def rotate_limb(
    joints: FloatArray,
    skeleton: Skeleton,
    std: float,
    rng: np.random.Generator,
    *,
    smooth: bool = False,
) -> FloatArray:
    """Turn one random limb about one of its joints (orientation augmentation).

    The limb is the same for the entire clip.

    Parameters
    ----------
    joints: (T, K, 2), or (T, K, 3), where the limb turns about a random axis.
    std: standard deviation of the angle, radians.
    smooth: the angle drifts (see `noise`) instead of being independent in every frame.
    """
    names = sorted(skeleton.chains)
    chain = skeleton.chains[names[rng.integers(len(names))]]
    pivot = int(rng.integers(len(chain) - 1))
    moving = list(chain[pivot + 1 :])
    angle = noise((len(joints),), std, rng, smooth=smooth)
    moved = joints.copy()
    moved[:, moving] = _turn(joints[:, moving], joints[:, [chain[pivot]]], angle, rng)
    return moved


def _turn(
    joints: FloatArray, centre: FloatArray, angle: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return joints (T, n, 2) rotated about centre (T, 1, 2) by angle (T,) radians, or (T, n, 3)
    about a random axis through the centre, by Rodrigues' formula."""
    arm = joints - centre
    if joints.shape[-1] == 2:
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        x, y = np.moveaxis(arm, -1, 0)
        return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1) + centre
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    drawn = rng.normal(size=3)
    axis = drawn / np.linalg.norm(drawn)
    along = (arm @ axis)[..., None] * axis
    return centre + cos * arm + sin * np.cross(axis, arm) + (1 - cos) * along


def change_limbs(
    joints: FloatArray, skeleton: Skeleton, strength: float, rng: np.random.Generator
) -> FloatArray:
    """Return the joints of another body, constant over the clip (not in the paper).

    Each chain is scaled and turned about its pivot. In frames in which the pivot is not seen, the
    limb is not seen either (docs/results/accuracy.md).

    Parameters
    ----------
    joints: (T, K, 2) or (T, K, 3).
    strength: 1 = standard deviations of 10 % in length and 0.1 rad.
    """
    changed = joints.copy()
    for name in sorted(skeleton.chains):
        pivot, *moving = skeleton.chains[name]
        factor = np.exp(rng.normal(0, 0.1 * strength))
        angle = np.full(len(joints), rng.normal(0, 0.1 * strength))
        centre = joints[:, [pivot]]
        turned_limb = _turn(joints[:, moving], centre, angle, rng)
        changed[:, moving] = centre + factor * (turned_limb - centre)
    return changed


def change_geometry(
    joints: FloatArray, skeleton: Skeleton, strength: float, rng: np.random.Generator
) -> FloatArray:
    """Return the joints of another body (`change_limbs`) seen by another camera, constant over the
    clip (not in the paper).

    Parameters
    ----------
    joints: (T, K, 2): the figure is sheared, stretched and tilted. (T, K, 3): it is stretched along
        each axis, also in depth, which a camera shows least.
    strength: 1 = standard deviations of 10 % stretch, 0.1 shear and 0.05 rad tilt.
    """
    changed = change_limbs(joints, skeleton, strength, rng)
    if joints.shape[-1] == 3:
        return changed * np.exp(rng.normal(0, 0.1 * strength, 3))
    tilt = rng.normal(0, 0.05 * strength)
    shear = rng.normal(0, 0.1 * strength)
    stretch = np.exp(rng.normal(0, 0.1 * strength))
    cos, sin = np.cos(tilt), np.sin(tilt)
    camera = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, shear], [0, 1 / stretch]])
    seen = ~np.isnan(changed).any(axis=-1)
    centre = changed[seen].mean(axis=0) if seen.any() else np.zeros(2)
    return (changed - centre) @ camera.T + centre


def flip(
    xy: FloatArray, score: FloatArray, skeleton: Skeleton, *, swap: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Return the joints with x negated, and the scores.

    Parameters
    ----------
    xy: (T, K, 2), or (T, K, 3) in 3D.
    score: (T, K).
    swap: exchange left and right joints, so that the left arm of the mirrored person is called left
        again (CASA does not do this).
    """
    sign = np.array([-1.0, 1.0, 1.0])[: xy.shape[-1]]
    if not swap:
        return xy * sign, score
    order = list(skeleton.flip)
    return xy[:, order] * sign, score[:, order]


def drop_limb(
    xy: FloatArray, score: FloatArray, skeleton: Skeleton, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return xy (T, K, 2) and score (T, K) with one chain hidden (all but its pivot) for a random
    span of the clip; not in the paper."""
    names = sorted(skeleton.chains)
    chain = skeleton.chains[names[rng.integers(len(names))]]
    span = int(rng.integers(1, len(xy) + 1))
    start = int(rng.integers(len(xy) - span + 1))
    xy, score = xy.copy(), score.copy()
    hidden = list(chain[1:])
    xy[start : start + span, hidden] = np.nan
    score[start : start + span, hidden] = 0
    return xy, score


def tilted(joints: FloatArray, pitch: float, roll: float) -> FloatArray:
    """Return joints (T, K, 3) relative to the root, as seen by a camera that is pitched about x and
    rolled about z, in radians."""
    cos, sin = np.cos(pitch), np.sin(pitch)
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    cos, sin = np.cos(roll), np.sin(roll)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return joints @ (about_z @ about_x).T
