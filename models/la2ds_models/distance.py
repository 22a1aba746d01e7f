"""Squared Euclidean distances between the frames of clips, in float32 even under autocast."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared Euclidean distances (B, N, M) of first (B, N, D) and second (B, M, D).

    float64 stays float64; any other type is computed in float32, even under autocast, because the
    products cancel to values too small for bfloat16. Without a square root, the gradient at 0 is 0.
    """
    with torch.autocast(first.device.type, enabled=False):
        if first.dtype != torch.float64:
            first, second = first.float(), second.float()
        square = (first**2).sum(dim=-1)[:, :, None] + (second**2).sum(dim=-1)[:, None, :]
        return (square - 2 * first @ second.transpose(1, 2)).clamp(min=0)
