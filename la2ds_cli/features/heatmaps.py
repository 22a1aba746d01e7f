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
    from la2ds_cli.features.heatmap_kernel import fill_joints, fill_limbs

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
    import torch

    batch, length, joints = xy.shape[:3]
    flat, weight = xy.reshape(-1, joints, 2), score.reshape(-1, joints)
    with torch.no_grad():
        maps = _render_frames(flat, weight, limbs, size, sigma, channels, distance)
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


# --- the renderer in plain torch, for CUDA --------------------------------------------------------

# Elements of one (frames, L, H, W) temporary; about six of them are alive at once.
_BLOCK = 1 << 24


def _render_frames(
    xy: torch.Tensor,
    score: torch.Tensor,
    limbs: Any,
    size: int,
    sigma: float,
    channels: str,
    distance: str,
) -> torch.Tensor:
    """Maps (F, C, size, size) float32 of xy (F, K, 2) in cells and score (F, K)."""
    import torch

    pairs = torch.as_tensor(limbs, dtype=torch.long, device=xy.device).reshape(-1, 2)
    joints, limb_count = xy.shape[1], len(pairs)
    with_joints, with_limbs = "joints" in channels, "limbs" in channels
    first = joints if with_joints else 0
    count = first + (limb_count if with_limbs else 0)
    maps = torch.empty(len(xy), count, size, size, dtype=torch.float32, device=xy.device)
    points, weight = _hide_missing(xy.float(), score.float())
    step = max(1, _BLOCK // max(1, count * size * size))
    for start in range(0, len(xy), step):
        part = slice(start, start + step)
        if with_joints:
            maps[part, :joints] = _joint_maps(points[part], weight[part], size, sigma)
        if with_limbs:
            a, b = points[part][:, pairs[:, 0]], points[part][:, pairs[:, 1]]
            lower = torch.minimum(weight[part][:, pairs[:, 0]], weight[part][:, pairs[:, 1]])
            maps[part, first:] = _limb_maps(a, b, lower, size, sigma, distance == "squared")
    return maps


def _hide_missing(xy: torch.Tensor, score: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Missing joints moved to 0 with weight 0: 0 * NaN would spread the gap."""
    import torch

    seen = torch.isfinite(xy).all(dim=-1) & (score > 0)
    return torch.where(seen[..., None], xy, 0.0), torch.where(seen, score, 0.0)


def _joint_maps(xy: torch.Tensor, weight: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Eq. 1, separable: an outer product of one row and one column profile."""
    import torch

    cells = torch.arange(size, dtype=torch.float32, device=xy.device)
    profile = torch.exp((cells - xy[..., None]).square() / (-2 * sigma * sigma))  # (F, K, 2, size)
    across, down = profile[:, :, 0], profile[:, :, 1] * weight[..., None]
    return down[..., :, None] * across[..., None, :]


def _limb_maps(
    a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor, size: int, sigma: float, squared: bool
) -> torch.Tensor:
    """Eq. 2 for segments a, b (F, L, 2) and weights (F, L)."""
    import torch

    cells = torch.arange(size, dtype=torch.float32, device=a.device)
    along = b - a
    length2 = along.square().sum(dim=-1)
    inverse = torch.where(length2 > 1e-12, 1 / length2, 0.0)[..., None, None]
    dx, dy = along[..., 0, None, None], along[..., 1, None, None]
    x = (cells - a[..., 0, None])[..., None, :]  # (F, L, 1, W)
    y = (cells - a[..., 1, None])[..., :, None]  # (F, L, H, 1)
    share = ((x * dx + y * dy) * inverse).clamp_(0, 1)
    d = (x - share * dx).square_() + (y - share * dy).square_()
    if not squared:
        d = d.sqrt_()
    return d.mul_(-1 / (2 * sigma * sigma)).exp_().mul_(weight[..., None, None])
