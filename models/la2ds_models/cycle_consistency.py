"""Temporal cycle-consistency (Dwibedi et al., CVPR 2019): from a frame of one clip to its soft
nearest neighbour in another clip, and back to the first clip.

Shape legend: B pairs, N frames of the first clip, M of the second, D width. Masks are boolean,
True = a real frame; padding has no effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from la2ds_models.distance import squared_distance

WITHIN_A_FRAME = 1 / 12
"""Variance, in squared frames, of a time that is uniform within one frame."""


def cycle_back(
    first: Tensor, second: Tensor, first_mask: Tensor, second_mask: Tensor, divisor: float
) -> Tensor:
    """Logits (B, N, N) that a cycle from frame i of `first` returns to its frame k (eq. 1 and the
    exponents of eq. 3, both divided by `divisor`); -inf for padded k.
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

    sigma^2 is the variance of a time that lies in frame k with probability beta_k, uniformly within
    the frame: the variance of eq. 4 plus 1/12. As printed it is 0 for a cycle that ends in a single
    frame, and neither its logarithm nor the quotient is finite.
    """
    beta = logit.softmax(dim=-1)
    index = torch.arange(logit.shape[-1], dtype=beta.dtype, device=beta.device)
    mean = (beta * index).sum(dim=-1)
    variance = (beta * (index - mean[..., None]) ** 2).sum(dim=-1) + WITHIN_A_FRAME
    return (index - mean) ** 2 / variance + variance_weight * 0.5 * variance.log()


def cycle_classification(logit: Tensor, smoothing: float) -> Tensor:
    """(B, N) cross-entropy of returning to the start of the cycle, eq. 2; 0 at padding.

    smoothing: share of the label, in [0, 1], that is spread evenly over the real frames (-inf in
    `logit` marks padding), as in the released code; 0 = eq. 2.
    """
    chance = logit.log_softmax(dim=-1)
    real = logit != -torch.inf
    anywhere = chance.masked_fill(~real, 0).sum(dim=-1) / real.sum(dim=-1)
    began = chance.diagonal(dim1=1, dim2=2)
    value = (1 - smoothing) * began + smoothing * anywhere
    return -value.masked_fill(began == -torch.inf, 0)
