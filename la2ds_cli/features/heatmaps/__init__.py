"""Skeleton heatmaps (paper sec. 3.1, eq. 1 and 2): joints in cell coordinates to Gaussian maps.

Maps are (..., C, H, W), row = y, column = x, value in [0, 1]; channels are the joints in the
skeleton's order, then its limbs. The tails are cut where the Gaussian falls below exp(-18).
`render` chooses the renderer; both give the same maps within 1e-5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

Channels = Literal["joints+limbs", "joints", "limbs"]
Distance = Literal["squared", "printed"]
Limbs = Any  # (L, 2) pairs of joint indices: nested tuples, an array or a CPU tensor


def channel_count(skeleton: Skeleton, channels: Channels = "joints+limbs") -> int:
    """C: number of maps of one frame."""
    return count_channels(len(skeleton.joints), len(skeleton.limbs), channels)


def count_channels(joints: int, limbs: int, channels: Channels) -> int:
    """C for K joints and L limbs."""
    return joints * ("joints" in channels) + limbs * ("limbs" in channels)


def flip_channels(skeleton: Skeleton, channels: Channels = "joints+limbs") -> IntArray:
    """Permutation (C,) int64: maps of the mirrored person are maps[..., flip, :, ::-1]."""
    joints = list(skeleton.flip) if "joints" in channels else []
    limbs = [len(joints) + k for k in skeleton.flip_limbs] if "limbs" in channels else []
    return np.array(joints + limbs, dtype=np.int64)


def render_numpy(
    xy: FloatArray,
    score: FloatArray,
    limbs: Limbs,
    size: int = 30,
    sigma: float = 0.6,
    channels: Channels = "joints+limbs",
    distance: Distance = "squared",
    out: FloatArray | None = None,
) -> FloatArray:
    """Maps (T, C, size, size) float32 on one thread, without the interpreter lock.

    xy: (T, K, 2) in cells (crop.to_cells), NaN = not seen; score: (T, K) in [0, 1];
    limbs: (L, 2) joint indices. Joint maps are eq. 1: exp(-d^2 / (2 sigma^2)) * score. Limb maps
    are eq. 2 with the lower of the two scores; `printed` takes the distance to the segment as the
    paper prints it, `squared` its square, as in PoseC3D (whose limbs eq. 2 restates). A joint
    that is not seen or has score 0 gives a zero map, and so does each limb that ends in it; a
    limb of length 0 is the map of a point. `out` is overwritten and returned: a large batch
    costs less in one reused buffer than in new memory. Raises ValueError for wrong shapes.
    """
    from la2ds_cli.features.heatmaps.numba_kernel import fill_joints, fill_limbs

    pairs = np.asarray(limbs, dtype=np.int64).reshape(-1, 2)
    joints = np.ascontiguousarray(xy, dtype=np.float32)
    weight = np.ascontiguousarray(score, dtype=np.float32)
    if joints.ndim != 3 or joints.shape[2] != 2 or weight.shape != joints.shape[:2]:
        raise ValueError(
            f"render: expected xy (T, K, 2), score (T, K), got {xy.shape}, {score.shape}"
        )
    if len(pairs) and not (pairs.min() >= 0 and pairs.max() < joints.shape[1]):
        raise ValueError(f"render: limbs must index {joints.shape[1]} joints")
    count = count_channels(joints.shape[1], len(pairs), channels)
    shape = (len(joints), count, size, size)
    maps = np.empty(shape, dtype=np.float32) if out is None else out
    if maps.shape != shape or maps.dtype != np.float32 or not maps.flags.c_contiguous:
        raise ValueError(f"render: expected out {shape} float32 contiguous, got {maps.shape}")
    first_limb = 0
    if "joints" in channels:
        first_limb = joints.shape[1]
        fill_joints(joints, weight, sigma, maps)
    if "limbs" in channels:
        fill_limbs(joints, weight, pairs, sigma, distance == "squared", first_limb, maps)
    return maps


def render_torch(
    xy: torch.Tensor,
    score: torch.Tensor,
    limbs: Limbs,
    size: int = 30,
    sigma: float = 0.6,
    channels: Channels = "joints+limbs",
    distance: Distance = "squared",
) -> torch.Tensor:
    """render_numpy for a batch on any device: xy (B, T, K, 2), score (B, T, K), to maps
    (B, T, C, size, size) float32 on the same device, in blocks of bounded memory; no gradient."""
    from la2ds_cli.features.heatmaps.torch_kernel import render_frames

    batch, length, joints = xy.shape[:3]
    maps = render_frames(
        xy.reshape(-1, joints, 2), score.reshape(-1, joints), limbs, size, sigma, channels, distance
    )
    return maps.reshape(batch, length, *maps.shape[1:])


def render(
    xy: Any,
    score: Any,
    limbs: Limbs,
    size: int = 30,
    sigma: float = 0.6,
    channels: Channels = "joints+limbs",
    distance: Distance = "squared",
) -> Any:
    """Maps of xy (..., K, 2): numba for arrays and CPU tensors, torch on other devices.

    Gives back what it was given: an array for an array, a tensor on the same device for a tensor.
    """
    if isinstance(xy, np.ndarray):
        flat = xy.reshape(-1, *xy.shape[-2:])
        weight = np.asarray(score).reshape(flat.shape[:2])
        maps = render_numpy(flat, weight, limbs, size, sigma, channels, distance)
        return maps.reshape(*xy.shape[:-2], *maps.shape[1:])
    import torch

    if xy.device.type == "cpu":
        maps = render(
            xy.detach().numpy(), score.detach().numpy(), limbs, size, sigma, channels, distance
        )
        return torch.from_numpy(maps)
    lead = xy.shape[:-2]
    batched = xy.reshape(1, -1, *xy.shape[-2:])
    weight = score.reshape(batched.shape[:3])
    maps = render_torch(batched, weight, limbs, size, sigma, channels, distance)
    return maps.reshape(*lead, *maps.shape[2:])
