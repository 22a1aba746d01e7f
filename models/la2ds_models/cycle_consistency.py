"""Temporal cycle-consistency (Dwibedi et al., CVPR 2019): from a frame of one clip to its soft
nearest neighbour in another, and back to the first.

Shape legend: B pairs, N frames of the first clip, M of the second, D width. Masks are boolean,
True = a real frame; padding never matters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from la2ds_models.distance import squared_distance

WITHIN_A_FRAME = 1 / 12
"""Variance, in squared frames, of a moment that may lie anywhere within one frame."""


def cycle_back(
    first: Tensor, second: Tensor, first_mask: Tensor, second_mask: Tensor, divisor: float
) -> Tensor:
    """Logits (B, N, N) of the frame k of `first` at which a cycle from its frame i arrives (eq. 1
    and the exponents of eq. 3, both divided by `divisor`); -inf for padded k.
    """
    with torch.autocast(first.device.type, enabled=False):
        if first.dtype != torch.float64:
            first, second = first.float(), second.float()
        first = first.masked_fill(~first_mask[:, :, None], 0)
        second = second.masked_fill(~second_mask[:, :, None], 0)
        forth = -squared_distance(first, second) / divisor
        alpha = forth.masked_fill(~second_mask[:, None, :], -torch.inf).softmax(dim=-1)
        neighbour = alpha @ second  # (B, N, D), the soft nearest neighbours of eq. 1
        back = -squared_distance(neighbour, first) / divisor
        return back.masked_fill(~first_mask[:, None, :], -torch.inf)


def cycle_regression(logit: Tensor, variance_weight: float) -> Tensor:
    """(B, N) |i - mu|^2 / sigma^2 + variance_weight * log(sigma) of eq. 4, in frames.

    sigma^2 is that of a moment that lies in frame k with probability beta_k, anywhere within it:
    the variance of eq. 4 plus 1/12. As printed it is 0 for a cycle that ends in one frame alone,
    and neither its logarithm nor the quotient is finite.
    """
    beta = logit.softmax(dim=-1)
    index = torch.arange(logit.shape[-1], dtype=beta.dtype, device=beta.device)
    mean = (beta * index).sum(dim=-1)
    variance = (beta * (index - mean[..., None]) ** 2).sum(dim=-1) + WITHIN_A_FRAME
    return (index - mean) ** 2 / variance + variance_weight * 0.5 * variance.log()


def cycle_classification(logit: Tensor, smoothing: float) -> Tensor:
    """(B, N) cross-entropy of arriving where the cycle began, eq. 2; 0 where that is padding.

    smoothing: share of the label, in [0, 1], that is spread evenly over the real frames (the -inf
    of `logit` are padding), as the released code does; 0 = eq. 2.
    """
    chance = logit.log_softmax(dim=-1)
    real = logit != -torch.inf
    anywhere = chance.masked_fill(~real, 0).sum(dim=-1) / real.sum(dim=-1)
    began = chance.diagonal(dim1=1, dim2=2)
    value = (1 - smoothing) * began + smoothing * anywhere
    return -value.masked_fill(began == -torch.inf, 0)
