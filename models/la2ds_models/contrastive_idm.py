"""Contrastive inverse difference moment: the temporal regularisation of LAV (Haresh et al., CVPR
2021), which keeps the embeddings of distant frames of a clip apart."""

from __future__ import annotations

import torch
from torch import Tensor

from la2ds_models.distance import squared_distance


def contrastive_idm(features: Tensor, mask: Tensor, window: float, margin: float) -> Tensor:
    """(B,) sum over all pairs of frames i, j of a clip, with W = (i - j)^2 + 1 and D their squared
    distance: W * max(0, margin - D) if |i - j| > window, and D / W otherwise.

    features: (B, T, D); mask: (B, T), True = a real frame, padding has no effect. window: frames.
    """
    features = features.masked_fill(~mask[:, :, None], 0)
    distance = squared_distance(features, features)
    index = torch.arange(mask.shape[1], dtype=distance.dtype, device=mask.device)
    gap = (index[:, None] - index[None, :]).abs()
    weight = gap**2 + 1
    value = torch.where(gap > window, weight * (margin - distance).clamp(min=0), distance / weight)
    return (value * (mask[:, :, None] & mask[:, None, :])).sum(dim=(1, 2))
