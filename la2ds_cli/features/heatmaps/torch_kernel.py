"""Renderer of heatmaps in plain torch, for CUDA; imported where it is called."""

from __future__ import annotations

from typing import Any

import torch

# Elements of one (frames, L, H, W) temporary; about six of them are alive at once.
_BLOCK = 1 << 24


@torch.no_grad()
def render_frames(
    xy: torch.Tensor,
    score: torch.Tensor,
    limbs: Any,
    size: int,
    sigma: float,
    channels: str,
    distance: str,
) -> torch.Tensor:
    """Maps (F, C, size, size) float32 of xy (F, K, 2) in cells and score (F, K)."""
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
    seen = torch.isfinite(xy).all(dim=-1) & (score > 0)
    return torch.where(seen[..., None], xy, 0.0), torch.where(seen, score, 0.0)


def _joint_maps(xy: torch.Tensor, weight: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Eq. 1, separable: an outer product of one row and one column profile."""
    cells = torch.arange(size, dtype=torch.float32, device=xy.device)
    profile = torch.exp((cells - xy[..., None]).square() / (-2 * sigma * sigma))  # (F, K, 2, size)
    across, down = profile[:, :, 0], profile[:, :, 1] * weight[..., None]
    return down[..., :, None] * across[..., None, :]


def _limb_maps(
    a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor, size: int, sigma: float, squared: bool
) -> torch.Tensor:
    """Eq. 2 for segments a, b (F, L, 2) and weights (F, L)."""
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
