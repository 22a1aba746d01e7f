"""The augmented copy S' of a clip with joints in metres: augment.py in 3D.

Limbs turn about random axes, bodies and cameras vary in 3D, and a distant camera sees the copy
again: its joints in the image are those of the augmented body, on the path of the original clip's
root.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.config_sections import AugmentConfig
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.augment import (
    AugmentedCopy,
    drop_limb,
    flip,
    noise,
    sample_frames,
)
from la2ds_cli.features.pose_features import centre_and_scale, fill_gaps
from la2ds_cli.features.resample import at_positions
from la2ds_cli.features.spatial import turned


def augment_3d(
    xy: FloatArray,
    world: FloatArray,
    score: FloatArray,
    skeleton: Skeleton,
    cell: float,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> AugmentedCopy:
    """Draw one augmented copy of S. xy (M, K, 2) pixels; world (M, K, 3) metres, facing the camera;
    score (M, K); cell: pixels per heatmap cell on its longer side, the unit of the position noise.

    Like `augment`, and in addition the body is turned about the vertical and the camera is tilted,
    by angles that are constant over the clip. A joint without a position in metres is not seen in
    the copy.
    """
    smooth, smooth_angle = config.noise == "smooth", config.noise != "independent"
    source = sample_frames(len(xy), config, rng)
    joints, seen_score = at_positions(world, source), at_positions(score, source)
    root = list(skeleton.root)
    filled, filled_xy = at_positions(fill_gaps(world), source), at_positions(fill_gaps(xy), source)
    path = filled_xy[:, root].mean(axis=1, keepdims=True)  # of the root, in pixels
    joints = joints - filled[:, root].mean(axis=1, keepdims=True)
    metre = _pixels_per_metre(xy, world, skeleton)
    if rng.random() < config.orientation_probability:
        joints = rotate_limb(joints, skeleton, config.orientation_std, rng, smooth=smooth_angle)
    if config.geometry > 0:
        joints = change_body(joints, skeleton, config.geometry, rng)
    if rng.random() < config.position_probability:
        std = config.position_std * cell / metre
        joints = joints + noise(joints.shape, std, rng, smooth=smooth)
    joints = turned(joints, rng.normal(0, config.turn))
    joints = tilted(joints, *rng.normal(0, config.tilt, 2))
    seen = path + metre * joints[..., :2]
    flipped = rng.random() < config.flip_probability
    if flipped:
        joints, _ = flip(joints, seen_score, skeleton, swap=config.flip_swap)
        seen, seen_score = flip(seen, seen_score, skeleton, swap=config.flip_swap)
    if rng.random() < config.missing_probability:
        seen, seen_score = drop_limb(seen, seen_score, skeleton, rng)
    unknown = np.asarray(np.isnan(seen).any(axis=-1))
    return AugmentedCopy(
        seen.astype(np.float32),
        np.where(unknown, 0, seen_score).astype(np.float32),
        source,
        flipped,
        world=np.where(unknown[..., None], np.nan, joints).astype(np.float32),
    )


def _pixels_per_metre(xy: FloatArray, world: FloatArray, skeleton: Skeleton) -> float:
    """Pixels per metre by the torso, whose length in the image depends little on the view."""
    pixels, metres = (centre_and_scale(fill_gaps(joints), skeleton)[1] for joints in (xy, world))
    return pixels / metres


def rotate_limb(
    joints: FloatArray,
    skeleton: Skeleton,
    std: float,
    rng: np.random.Generator,
    *,
    smooth: bool = False,
) -> FloatArray:
    """Orientation augmentation in 3D: one limb turns about one of its joints by N(0, std) radians,
    with the same axis for the entire clip. joints (T, K, 3); see augment.rotate_limb."""
    names = sorted(skeleton.chains)
    chain = skeleton.chains[names[rng.integers(len(names))]]
    pivot = int(rng.integers(len(chain) - 1))
    moving = list(chain[pivot + 1 :])
    angle = noise((len(joints),), std, rng, smooth=smooth)
    moved = joints.copy()
    moved[:, moving] = _about(joints[:, moving], joints[:, [chain[pivot]]], _axis(rng), angle)
    return moved


def change_body(
    joints: FloatArray, skeleton: Skeleton, strength: float, rng: np.random.Generator
) -> FloatArray:
    """Another body, constant over the clip (not in the paper): each chain is scaled and turned
    about its pivot, then the figure is stretched along each axis, including depth, which a camera
    shows least. joints (T, K, 3) relative to the root; strength 1: standard deviations of 10 % in
    length, 0.1 rad and 10 % of stretch."""
    changed = joints.copy()
    for name in sorted(skeleton.chains):
        pivot, *moving = skeleton.chains[name]
        factor = np.exp(rng.normal(0, 0.1 * strength))
        angle = np.full(len(joints), rng.normal(0, 0.1 * strength))
        centre = joints[:, [pivot]]
        turned_limb = _about(joints[:, moving], centre, _axis(rng), angle)
        changed[:, moving] = centre + factor * (turned_limb - centre)
    return changed * np.exp(rng.normal(0, 0.1 * strength, 3))


def tilted(joints: FloatArray, pitch: float, roll: float) -> FloatArray:
    """joints (T, K, 3) relative to the root, as seen by a camera that is pitched about x and rolled
    about z, in radians."""
    cos, sin = np.cos(pitch), np.sin(pitch)
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    cos, sin = np.cos(roll), np.sin(roll)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return joints @ (about_z @ about_x).T


def _axis(rng: np.random.Generator) -> FloatArray:
    """A unit vector (3,) in a random direction."""
    drawn = rng.normal(size=3)
    return drawn / np.linalg.norm(drawn)


def _about(
    joints: FloatArray, centre: FloatArray, axis: FloatArray, angle: FloatArray
) -> FloatArray:
    """Rodrigues' formula: joints (T, n, 3) turned about the line through centre (T, 1, 3) along
    axis (3,) by angle (T,) radians."""
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    arm = joints - centre
    along = (arm @ axis)[..., None] * axis
    return centre + cos * arm + sin * np.cross(axis, arm) + (1 - cos) * along
